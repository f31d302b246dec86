"""The command line: what there is, and what each exit code means.

0: done (health: the bot answers and is connected). 1: it cannot be done, one line on standard error says why (health:
no bot runs, it hangs, or Discord's gateway has been away for more than 30 s; verify: the data folder is not sound;
import, model verify, random, eval, tag, delete, undelete and search --batch: nothing was found, or a part was wrong;
their answer says which).
2: wrong usage. 130: interrupted with Ctrl-C.

What each command takes stands in bot/command_line/parsers.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from bot.command_line.parsers.archives import add_archives
from bot.command_line.parsers.cache import add_cache
from bot.command_line.parsers.deleting import add_deleting
from bot.command_line.parsers.fleet import add_fleet
from bot.command_line.parsers.keys import add_keys
from bot.command_line.parsers.model import add_model
from bot.command_line.parsers.moving import add_moving
from bot.command_line.parsers.parser import Commands, Parser
from bot.command_line.parsers.picture_texts import add_picture_texts
from bot.command_line.parsers.reindex import add_reindex
from bot.command_line.parsers.running import add_running
from bot.command_line.parsers.safety import add_safety
from bot.command_line.parsers.searching import add_searching
from bot.command_line.parsers.setup import add_setup
from bot.command_line.parsers.shell import add_shell
from bot.command_line.parsers.tagging import add_tagging
from bot.command_line.parsers.upkeep import add_upkeep
from bot.observability import terminal
from indexer.errors import AfterimageError


class _Command(Protocol):
    def __call__(self, arguments: argparse.Namespace) -> int: ...


class _ShowVersion(argparse.Action):
    """Looks the version up only where it is asked for: that takes time that every command would pay."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from bot.version import installed_version

        terminal.say(f"afterimage {installed_version()}")
        parser.exit()


def command_parser() -> Parser:
    """Every command with its options, in the order of the help."""
    parser = Parser(
        prog="afterimage",
        description="A Discord bot that finds pictures in a server's own history, by picture or by words.",
        epilog="Settings stand in config.toml or in AFTERIMAGE_… variables; `afterimage check-config` shows them.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    parser.set_defaults(parser=parser)  # the commands that describe all commands need it
    commands = Commands(parser)
    add_setup(commands)
    add_running(commands)
    add_reindex(commands)
    add_searching(commands)
    add_tagging(commands)
    add_archives(commands)
    add_moving(commands)
    add_model(commands)
    add_fleet(commands)
    add_upkeep(commands)
    add_cache(commands)
    add_picture_texts(commands)
    add_deleting(commands)
    add_safety(commands)
    add_shell(commands)
    add_keys(commands)
    return parser


def _english(error: AfterimageError) -> str:
    """Imported where something is wrong: the catalogue costs a command that answers some 30 ms."""
    from bot.texts.errors import english

    return english(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Usage errors leave through argparse with 2."""
    terminal.write_every_letter()
    try:
        arguments = command_parser().parse_args(argv)
        module, _, function = arguments.target.partition(":")
        command = cast(_Command, getattr(importlib.import_module(f"bot.command_line.{module}"), function))
        return command(arguments)
    except AfterimageError as error:
        terminal.warn(_english(error))
        return 1
    except BrokenPipeError:  # the reader of our output (head, less) has left: nothing is wrong, and nobody listens
        terminal.nobody_reads()
        return 0
    except KeyboardInterrupt:
        return 130
