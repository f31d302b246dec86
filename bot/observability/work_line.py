"""How far long work is, as one plain line. Pure."""

from __future__ import annotations


def work_line(what: str, done: int, total: int | None, elapsed_s: float) -> str:
    """One plain line: how many, of how many, how fast, and how long it still takes."""
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    parts = [f"{what}: {done:,}" + (f" of {total:,}" if total is not None else ""), f"{rate:,.0f}/s"]
    if total is not None and rate > 0 and done < total:
        parts.append(f"about {(total - done) / rate:,.0f} s left")
    return ", ".join(parts)
