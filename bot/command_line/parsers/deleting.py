"""`delete` and `undelete`."""

from __future__ import annotations

import argparse

from bot.command_line.parsers.parser import Commands, add_json
from bot.command_line.parsers.searching import GrammarParser


def add_deleting(commands: Commands) -> None:
    delete = commands.add(
        "delete",
        "delete:delete",
        "Delete messages from the index: by author, channel, span of time, any filter, or the hits of words.",
        examples=[
            "delete from:@anna before:2020 --dry-run",
            "delete in:#memes has:gif -tag:keep",
            'delete after:2024-05-01 before:2024-05-02 --guild "Lower Wickham" --yes',
            'delete --collection "Photos"',
        ],
        notes="A message goes whole, with its text and all of its pictures. It stays out of the index, whatever Discord"
        " or an archive shows, until `afterimage undelete`; what is posted or read later is not meant. A collection"
        " comes back when it is imported again, and so does what was deleted of a folder of pictures. In Discord it all"
        " stays.",
        parser_class=GrammarParser,
    )
    delete.add_argument("words", nargs="*", metavar="WORD", help="filters, or words, as in search")
    delete.add_argument(
        "--collection",
        metavar="NAME",
        help="everything of a folder of pictures, or of a server that only archives know, by name or id",
    )
    delete.add_argument("--dry-run", action="store_true", help="say how much is meant, delete nothing")
    delete.add_argument("--yes", action="store_true", help="do not ask first")
    _add_output(delete)

    undelete = commands.add(
        "undelete",
        "delete:undelete",
        "Let messages that were deleted here come back, when Discord or an archive is read again.",
        examples=["undelete in:#memes", "undelete after:2024-05-01 before:2024-05-02"],
        notes="Only in:, after: and before: can be given: nothing else is known of what was deleted.",
        parser_class=GrammarParser,
    )
    undelete.add_argument("words", nargs="*", metavar="FILTER", help="in: after: before:")
    _add_output(undelete)


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("--guild", metavar="NAME", help="the server, by name or id (may be left out if there is one)")
    add_json(command)
    command.add_argument("--quiet", action="store_true", help="do not show what is waited for")
