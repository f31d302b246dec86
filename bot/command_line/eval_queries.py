"""The file of labelled questions that `afterimage eval` reads: JSON Lines, an object a line.

    {"query": "a red bicycle in:#photos", "expected": ["1234567890"]}
    {"like": "1234567891", "expected": ["1234567890", "1234567892"]}

`query` is a text in the grammar, `like` the id of a message whose first picture is asked with; one of them may be left
out. `expected` are the ids of the messages that should be found. Empty lines are skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.command_line.hit_text import Json
from bot.command_line.question import text_of
from indexer.errors import TellPerson

LEAST_WORDS = 2  # of a message that becomes a question
MOST_EXPECTED = 1_000  # of one question: a request with more does not fit into the control socket's line
_NOISE = re.compile(r"https?://\S+|<[^>\s]+>|[\"“”„«»:\\|*_~`#@<>()\[\]-]")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One question and the messages that answer it. `line` is its line in the file, from 1."""

    line: int
    query: str
    like: str | None
    expected: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"query": self.query, "like": self.like, "expected": list(self.expected)}


def read(path: Path) -> list[Labelled]:
    """Raises TellPerson, with the line, for a file that cannot be used."""
    lines = text_of(str(path)).split("\n")  # JSON may hold what else divides lines, such as U+2028
    found = [_labelled(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise TellPerson("cli-eval-empty", path=str(path))
    return found


def _labelled(path: Path, number: int, line: str) -> Labelled:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("query", ""), str)
        or not (entry.get("query", "").strip() or _is_id(entry.get("like")))
        or not isinstance(entry.get("expected"), list)
        or not 0 < len(entry["expected"]) <= MOST_EXPECTED
        or not all(map(_is_id, entry["expected"]))
        or not (entry.get("like") is None or _is_id(entry["like"]))
    ):
        raise TellPerson("cli-eval-line", path=str(path), line=str(number))
    like = entry.get("like")
    expected = tuple(dict.fromkeys(str(message_id) for message_id in entry["expected"]))
    return Labelled(number, entry.get("query", ""), None if like is None else str(like), expected)


def _is_id(value: object) -> bool:
    """A message's id, as a text or a number."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    return bool(re.fullmatch(r"[0-9]{1,19}", str(value))) and 0 < int(value) < 2**63


def starter(groups: Iterable[Json]) -> list[Mapping[str, Any]]:
    """Questions made of re-posts: the first post's picture must find the others, its words all of them.

    Somebody should read them over: what was taken for a re-post is what the index itself found.
    """
    questions: list[Mapping[str, Any]] = []
    for group in groups:
        posts: Sequence[Json] = group["posts"]
        ids = [post["message_id"] for post in posts]
        questions.append({"like": ids[0], "expected": ids[1:]})
        words = " ".join(_NOISE.sub(" ", group["text"]).split())
        if len(words.split()) >= LEAST_WORDS:
            questions.append({"query": words[:300], "expected": ids})
    return questions
