"""`tag` and its actions."""

from __future__ import annotations

import argparse

from bot.command_line.parsers.parser import Commands, add_json
from bot.command_line.parsers.searching import GrammarParser

_NOTES = (
    "TARGET is a message's id or link (all of its pictures), the path of an archive's file, or a line of"
    " `search --jsonl` (one picture). Without one, the lines of --file or of a pipe are read. Several tags are divided"
    " by commas. `afterimage search --jsonl a red bicycle | afterimage tag add bicycle` tags what was found. Members"
    " find pictures by tag:NAME among those that they may see."
)


def add_tagging(commands: Commands) -> None:
    actions = commands.group("tag", "Give tags to pictures, take them back, and list them.")
    for name, text, examples in (
        (
            "add",
            "Give tags to pictures. Works beside a running bot.",
            [
                "tag add holiday https://discord.com/channels/1/2/123456789012345678",
                "tag add bicycle,red 123456789012345678 ~/Pictures/bicycle.jpg",
                "tag add holiday --file links.txt",
                "tag add \"summer 2024\" --query 'in:#photos after:2024-06 before:2024-09' --dry-run",
            ],
        ),
        (
            "remove",
            "Take tags from pictures. Works beside a running bot.",
            ["tag remove holiday 123456789012345678", "tag remove holiday --query tag:holiday --yes"],
        ),
    ):
        change = actions.add(name, f"tag:{name}", text, examples=examples, notes=_NOTES, parser_class=GrammarParser)
        change.add_argument("tags", metavar="TAG", help="one, or several with commas between them")
        _add_targets(change)
        change.add_argument(
            "--query", metavar="WORDS", help="all that passes these filters, or the hits of these words (as in search)"
        )
        change.add_argument("--guild", metavar="NAME", help="with --query: the server, by name or id")
        change.add_argument("--dry-run", action="store_true", help="say how many pictures are meant, change nothing")
        change.add_argument("--yes", action="store_true", help="with --query: do not ask first")
        _add_output(change)
    show = actions.add(
        "list",
        "tag:show_list",
        "List the tags and how many pictures have each; of TARGETs, the tags of each picture.",
        examples=["tag list", 'tag list --guild "Lower Wickham" --json', "tag list 123456789012345678"],
        parser_class=GrammarParser,
    )
    _add_targets(show)
    show.add_argument("--guild", metavar="NAME", help="only of this server, by name or id")
    _add_output(show)


def _add_targets(command: argparse.ArgumentParser) -> None:
    command.add_argument("words", nargs="*", metavar="TARGET", help="a message's id or link, or a path")
    command.add_argument("--file", metavar="FILE", help="a target a line (-: standard input)")


def _add_output(command: argparse.ArgumentParser) -> None:
    add_json(command)
    command.add_argument("--quiet", action="store_true", help="do not show what is waited for")
