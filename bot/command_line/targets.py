"""Pictures that are named on the command line, in a file, or by another command's output: ids, links, paths. Pure but
for a path's own folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from indexer.errors import TellPerson

# A target as the control socket takes it: what names it, and its value.
Target = list[str | int]

_LINK = re.compile(r"https?://\S+/channels/(?:\d{1,20}|@me)/\d{1,20}/(\d{1,20})/?")


def targets_of(texts: Iterable[str]) -> list[Target]:
    """Each once. Empty lines are left out. Raises TellPerson, with the line, for what names no picture."""
    found: dict[tuple[str | int, ...], None] = {}
    for number, text in enumerate(texts, start=1):
        if line := text.strip():
            found[tuple(_target(line, number))] = None
    return [list(target) for target in found]


def _target(line: str, number: int) -> Target:
    if line.startswith("{"):
        return _of_json(line, number)
    link = _LINK.fullmatch(line)
    if link is not None or (line.isascii() and line.isdigit()):
        return ["message_id", _id(link[1] if link is not None else line, number)]
    if re.match(r"[a-z]+://", line):
        raise TellPerson("target-line", line=number, text=line[:100])
    return ["path", str(Path(line).expanduser().absolute())]


def _of_json(line: str, number: int) -> Target:
    """A line of `search --jsonl` names one picture of a message."""
    try:
        hit: Any = json.loads(line)
        return ["place_id", _id(hit["place"], number)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TellPerson("target-line", line=number, text=line[:100]) from None


def _id(text: str, number: int) -> int:
    """Raises TellPerson for a number that is no id: too large for SQLite, or too long for Python."""
    value = int(text) if len(text) < 20 else 0
    if not 0 < value < 2**63:
        raise TellPerson("target-line", line=number, text=text[:100])
    return value
