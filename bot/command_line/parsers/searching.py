"""`search`."""

from __future__ import annotations

from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_json


def add_searching(commands: Commands) -> None:
    search = commands.add(
        "search",
        "search:search",
        "Search from here: everything in a server, without Discord. Reads only.",
        examples=[
            'search "a red bicycle in:#photos"',
            "search --image cat.jpg --count 5",
            "search --json has:gif",
        ],
        notes="A running bot answers at once; without one the model is loaded first.",
    )
    search.add_argument("words", nargs="?", default="", metavar="WORDS", help='as in "a red bicycle"; -- before -this')
    search.add_argument("--image", type=Path, metavar="FILE", help="a picture to look for, with or without words")
    search.add_argument("--guild", type=int, metavar="ID", help="the server (may be left out where there is only one)")
    search.add_argument("--count", type=int, metavar="N", help="how many hits (default: search.default_count)")
    add_json(search)
