"""`ocr`."""

from __future__ import annotations

from bot.command_line.parsers.parser import Commands, add_json


def add_ocr(commands: Commands) -> None:
    ocr = commands.add(
        "ocr",
        "ocr:run",
        "Show how far the reading of words in pictures is; have some channels read first, or pictures anew.",
        examples=[
            "ocr",
            "ocr --channel memes --channel screenshots",
            "ocr --again",
            "ocr --read",
            "ocr --json",
        ],
        notes="Where ocr.enabled = true, the bot reads every picture by itself, while nobody asks. What is wished for"
        " here is written down, and survives a restart. Works beside a running bot.",
    )
    ocr.add_argument(
        "--read",
        action="store_true",
        help="stay until all is read. Where no bot runs, read here: only pictures of which an archive has a file."
        " Interrupted, it goes on where it was",
    )
    ocr.add_argument("--channel", action="append", metavar="CHANNEL", help="read its pictures first (repeatable)")
    ocr.add_argument("--guild", metavar="NAME", help="the server, by name or id; without --channel: all its channels")
    ocr.add_argument("--again", action="store_true", help="read pictures anew: those of --channel, or all")
    add_json(ocr)
