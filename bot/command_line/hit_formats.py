"""Hits for other programs: CSV, JSON Lines, and bare paths or links. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from bot.command_line.hit_text import Json
from bot.observability.terminal import as_json

_SIGNS = r"=+\-@＝＋－＠|%"  # what makes a spreadsheet take a cell for a formula, also after spaces
# With German settings a semicolon ends a cell, a line break or a tab does so elsewhere, and there the quotes around our
# cells are letters like others: behind each of these a formula could begin, too.
_FORMULA = re.compile(rf'^(?=[\t\r\n]|\s*[{_SIGNS}])|(?<=[;\t\r\n])(?=(?:[^\S\t\r\n]|")*[{_SIGNS}])')
_HIT_COLUMNS = (
    "band", "named", "score", "channel", "author", "posted", "text", "file_name", "link", "path", "message_id",
    "channel_id", "author_id", "tags",
)  # fmt: skip


def harmless_cell(value: object) -> str:
    """The value as a cell: what a member wrote is never calculated with. A formula gets an apostrophe before it, also
    inside of the cell, where a spreadsheet with other settings would begin a new one."""
    text = "" if value is None else str(value)
    return text if isinstance(value, int | float) else _FORMULA.sub("'", text)


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header line, then a line a row. Every cell is harmless, and quoted where it must be."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([harmless_cell(cell) for cell in row] for row in rows)
    return file.getvalue().rstrip("\n")


def hits_csv(answers: Sequence[Json]) -> str:
    """A line a hit, best first; what could not be asked has none."""
    return as_csv(
        ("query", "rank", *_HIT_COLUMNS),
        (
            (found.get("query", ""), rank, *(hit[column] for column in _HIT_COLUMNS))
            for found in answers
            for rank, hit in enumerate(found.get("hits", ()), start=1)
        ),
    )


def json_lines(answers: Sequence[Json], *, batch: bool = False) -> str:
    """A JSON object a line: a hit, or of a batch an answer."""
    rows: Iterable[Json] = answers if batch else (hit for found in answers for hit in found["hits"])
    return "\n".join(as_json(row) for row in rows)


def bare_paths(answers: Sequence[Json]) -> list[str]:
    """The path of each hit, or its link; hits with neither are left out."""
    return [
        str(hit["path"] or hit["link"])
        for found in answers
        for hit in found.get("hits", ())
        if hit["path"] or hit["link"]
    ]
