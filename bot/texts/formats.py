"""Sizes, times and decimals as each language writes them."""

from __future__ import annotations

from bot.texts.language import Language


def decimal(value: float, places: int, language: Language) -> str:
    """0.925 with two places as 0.93 or 0,93."""
    text = f"{value:.{places}f}"
    return text.replace(".", ",") if language is Language.GERMAN else text


def size_text(byte_count: int, language: Language) -> str:
    """`512 KB`, `1.4 GB`: powers of 1000, as disks are sold."""
    size = float(byte_count)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{decimal(size, 0 if unit in ('B', 'KB') else 1, language)} {unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit takes all")


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h 10 min` in both languages, with the precision that an estimate deserves."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def moment(at_ms: int) -> str:
    """`0:07`, `12:30`, `1:02:03` in both languages: where in a film something is seen."""
    minutes, seconds = divmod(at_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
