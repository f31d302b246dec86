"""`cache` and its actions."""

from __future__ import annotations

import argparse
import re

from bot.command_line.parsers.parser import Commands, add_json

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def add_cache(commands: Commands) -> None:
    actions = commands.group(
        "cache",
        "Show and empty what is kept so that work is not done twice.",
        notes="Works beside a running bot. What is stored of messages is never touched.",
    )
    add_json(
        actions.add(
            "status",
            "cache:show_status",
            "Show each cache: how much is in it, how much room it takes, how often it served and how often not.",
            examples=["cache status", "cache status --json"],
        )
    )
    clear = actions.add(
        "clear",
        "cache:clear",
        "Delete thumbnails, and forget the answers, vectors of words, small copies and comparisons that the running bot"
        " has in memory. All of it comes back as it is needed.",
        examples=["cache clear", "cache clear --older-than 30d"],
        notes="Embeddings, compared pairs, the vector index and exported models stay. Where files of an archive are"
        " gone, so are the thumbnails of their pictures.",
    )
    clear.add_argument(
        "--older-than",
        type=_seconds,
        metavar="AGE",
        help="only thumbnails that were made before that long: 12h, 30d, 8w; what is in memory stays",
    )
    add_json(clear)


def _seconds(text: str) -> int:
    """Raises argparse's own error for what is no age."""
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: 12h, 30d, 8w")
    return int(found[1]) * _SECONDS[found[2]]
