"""An answer as text: a few lines for each hit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.observability.terminal import one_line

NAME_CHARACTERS = 60  # of a name in a line
TEXT_CHARACTERS = 200  # of a message where no terminal says how wide it is
INDENT = 5

Json = Mapping[str, Any]


def answer_text(found: Json, columns: int | None, *, explain: bool = False) -> str:
    """Every hit, then how many pictures were searched. `columns`: of the terminal; None: lines are not cut."""
    lines = [line for rank, hit in enumerate(found["hits"], start=1) for line in hit_lines(rank, hit, columns, explain)]
    if "searched" not in found:  # pictures that nothing was compared with
        return "\n".join(lines or ["no indexed picture passes these filters"])
    return "\n".join([*(lines or ["nothing close enough"]), *footer(found, explain=explain)])


def footer(found: Json, *, explain: bool = False) -> list[str]:
    """How much was searched; explained, how long each stage took."""
    lines = [f"searched {found['searched']:,} pictures in {found['stage_ms'].get('total', 0.0):.1f} ms"]
    if found["reranked"] is not None and found["reranked"]["note"]:
        lines.append(found["reranked"]["note"])
    return [*lines, one_line(found["explained"])] if explain else lines


def hit_lines(rank: int, hit: Json, columns: int | None, explain: bool = False) -> list[str]:
    """How close, where, who and when; what the message says; its link, the file, or both; its id where there is
    neither.

    Links and paths are never cut: they are there to be copied.
    """
    more = f", and {hit['shown_elsewhere']} times elsewhere" if hit["shown_elsewhere"] else ""
    labels = (hit["channel"] or "?", hit["author"], hit["file_name"])
    channel, author, file_name = (one_line(label, NAME_CHARACTERS) for label in labels)
    close = f"{hit['named']}  " if hit["named"] else ""
    lines = [cut(f"{rank:>3}. {close}#{channel}  {author}, {hit['posted'][:10]}{more}  {file_name}".rstrip(), columns)]
    if said := " ".join(hit["text"].split()):
        lines.append(_indented(one_line(said, TEXT_CHARACTERS), columns))
    if explain and hit["explained"]:
        lines.append(_indented(" · ".join(hit["explained"]), columns))
    if hit["tags"]:
        lines.append(_indented(f"tags: {one_line(', '.join(hit['tags']))}", columns))
    if hit["link"] or not hit["path"]:
        lines.append(f"{'':{INDENT}}{hit['link'] or 'message ' + hit['message_id']}")
    if hit["path"]:
        lines.append(f"{'':{INDENT}}{one_line(hit['path'])}")
    return lines


def batch_text(answers: Sequence[Json], columns: int | None, *, explain: bool = False) -> str:
    """Each question, then its answer."""
    blocks = []
    for found in answers:
        heading = cut(f"── {one_line(found['query'])}", columns)
        body = found["error"] if "error" in found else answer_text(found, columns, explain=explain)
        blocks.append(f"{heading}\n{body}")
    return "\n\n".join(blocks)


def cut(line: str, columns: int | None) -> str:
    """The line, shortened with an ellipsis to the terminal's width. Letters of some scripts take two columns."""
    if columns is None or (line.isascii() and len(line) <= columns):
        return line
    from rich.cells import cell_len, set_cell_size  # some 10 ms, which only wide lines cost

    if cell_len(line) <= columns:
        return line
    return set_cell_size(line, max(columns, 2) - 1).rstrip() + "…"


def _indented(text: str, columns: int | None) -> str:
    return cut(f"{'':{INDENT}}{text}", columns)
