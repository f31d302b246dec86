"""`ocr` and `captions`."""

from __future__ import annotations

import argparse

from bot.command_line.parsers.parser import Commands, add_json

TARGET = "picture_texts:run"


def add_picture_texts(commands: Commands) -> None:
    ocr = commands.add(
        "ocr",
        TARGET,
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
    _add_options(ocr)
    captions = commands.add(
        "captions",
        TARGET,
        "Show how far the describing of pictures by a model is; have some channels described first, or pictures anew.",
        examples=["captions", "captions --channel photos", "captions --again", "captions --read", "captions --json"],
        notes="Where captions.enabled = true, the bot has every picture described in a sentence, while nobody asks."
        " What is wished for here is written down, and survives a restart. Works beside a running bot.",
    )
    _add_options(captions)


def _add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--read",
        action="store_true",
        help="stay until all is read. Where no bot runs, read here: only pictures of which an archive has a file."
        " Interrupted, it goes on where it was",
    )
    command.add_argument("--channel", action="append", metavar="CHANNEL", help="read its pictures first (repeatable)")
    command.add_argument(
        "--guild", metavar="NAME", help="the server, by name or id; without --channel: all its channels"
    )
    command.add_argument("--again", action="store_true", help="read pictures anew: those of --channel, or all")
    add_json(command)
