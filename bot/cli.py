"""The command line: what there is, and what each exit code means.

0: done (health: the bot answers and is connected). 1: it cannot be done, one line on standard error says why (health:
no bot runs, it hangs, or Discord's gateway has been away for more than 30 s). 2: wrong usage. 130: interrupted with
Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from bot.observability import terminal
from indexer.errors import AfterimageError


class _Command(Protocol):
    def __call__(self, arguments: argparse.Namespace) -> int: ...


class _Parser(argparse.ArgumentParser):
    """Usage errors repeat what was typed, which may have been pasted from anywhere."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(terminal.visible(message), file)


class _ShowVersion(argparse.Action):
    """Looks the version up only where it is asked for: that takes time that every command would pay."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from bot.version import installed_version

        terminal.say(f"afterimage {installed_version()}")
        parser.exit()


def command_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="afterimage",
        description="A Discord bot that finds pictures in a server's own history, by picture or by words.",
        epilog="Settings stand in config.toml or in AFTERIMAGE_… variables; `afterimage check-config` shows them.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, target: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(target=target)
        command.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: ./config.toml)")
        return command

    run = add(
        "run",
        "run:run",
        "Run the bot. Without a token it starts the sandbox, a Discord on this machine, and joins it.",
    )
    run.add_argument("--adopt", action="store_true", help="take over the index that another bot left here")
    made_up = add("sandbox", "run:sandbox", "Start the sandbox alone: a Discord on this machine with a demo server.")
    made_up.add_argument("--port", type=int, default=0, metavar="N", help="its port on 127.0.0.1 (default: a free one)")

    check = add("check-config", "check_config:check", "Check the configuration and show what is in force and why.")
    check.add_argument("--example", action="store_true", help="print a documented config.toml with every key instead")

    status = add("status", "status:show", "Show what is indexed. Works beside a running bot.")
    status.add_argument("--json", action="store_true", help="one JSON object, for programs")
    status.add_argument("--failures", action="store_true", help="show the pictures that could not be read, and why")
    status.add_argument("--guild", type=int, metavar="ID", help="with --failures: only of this server")
    status.add_argument("--count", type=int, default=50, metavar="N", help="with --failures: how many (default: 50)")
    add(
        "health",
        "health:check",
        "Exit with 0 when the bot on this data folder answers and is connected (or lost Discord's gateway less than"
        " 30 s ago and connects again), else with 1.",
    )

    search = add("search", "search:search", "Search from here: everything in a server, without Discord. Reads only.")
    search.epilog = (
        'Examples: `afterimage search "a red bicycle in:#photos"`; `afterimage search --image cat.jpg --count 5`;'
        " `afterimage search --json has:gif`. A running bot answers at once; without one the model is loaded first."
    )
    search.add_argument("words", nargs="?", default="", metavar="WORDS", help='as in "a red bicycle"; -- before -this')
    search.add_argument("--image", type=Path, metavar="FILE", help="a picture to look for, with or without words")
    search.add_argument("--guild", type=int, metavar="ID", help="the server (may be left out where there is only one)")
    search.add_argument("--count", type=int, metavar="N", help="how many hits (default: search.default_count)")
    search.add_argument("--json", action="store_true", help="one JSON object, for programs")

    archive = add(
        "import",
        "import_archive:run",
        "Take in exports of DiscordChatExporter (JSON): files, folders, .zip and .gz. Needs no bot and no token; a bot"
        " that runs is asked to read them.",
    )
    archive.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or folder of the export")
    archive.add_argument(
        "--media",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder in which saved media lie, too",
    )
    archive.add_argument("--dry-run", action="store_true", help="say what would come in, and store nothing")
    archive.add_argument("--json", action="store_true", help="one JSON object, for programs")
    archive.add_argument("--quiet", action="store_true", help="do not show how far it is")

    _add_model(commands)
    add(
        "compact",
        "upkeep:compact",
        "Rewrite the index now, so that what was deleted leaves its files. Works beside a running bot.",
    )
    retry = add(
        "retry", "upkeep:retry", "Let every picture that failed be tried again, by the running bot or the next one."
    )
    retry.add_argument("--guild", type=int, metavar="ID", help="only this server")

    forget = add(
        "forget", "upkeep:forget", "Forget a user: delete what is stored of theirs, and never store anything again."
    )
    forget.add_argument("user", type=int, metavar="USER_ID", help="the user's id (Discord: Copy User ID)")
    forget.add_argument("--guild", type=int, metavar="ID", help="only in this server (default: everywhere)")
    forget.add_argument("--yes", action="store_true", help="do not ask first")
    return parser


def _add_model(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "Choose the model: which there are, download, check and time them."
    parser = commands.add_parser(
        "model",
        help=text,
        description=text,
        epilog="Examples: `afterimage model list`; `afterimage model download quality`;"
        " `afterimage model trial english`; `afterimage model export english --to models/english`."
        " NAME is one of the list, or open_clip's ARCHITECTURE:TAG; without it the"
        " configured model is meant.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def add(name: str, target: str, text: str, *, named: bool = True, json: bool = True) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(target=f"model:{target}")
        if named:
            action.add_argument("name", nargs="?", metavar="NAME", help="as `afterimage model list` names it")
        action.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: ./config.toml)")
        if json:
            action.add_argument("--json", action="store_true", help="one JSON object, for programs")
        return action

    add("list", "show_list", "Show the models by name: licence, size, published recall, and cost here.", named=False)
    add(
        "download",
        "download",
        "Download a model into model.cache_dir (or the hub's own cache), so that no start waits for it. Goes on where"
        " an earlier try ended; every file is compared with the hub's checksum.",
        json=False,
    )
    add("verify", "verify", "Read every file of a model that is here, and compare it with its checksum. No network.")
    export = add(
        "export",
        "export",
        "Write a model into a new folder as OpenVINO runs it, tokenizer included. On another machine model.folder names"
        " that folder, and neither torch nor a network is needed there. It is compared with torch first.",
        json=False,
    )
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the folder to make")
    add("trial", "trial", "Load a model and time it on this machine: pictures a second, and milliseconds a text.")


def _english(error: AfterimageError) -> str:
    """Imported where something is wrong: the catalogue costs a command that answers some 30 ms."""
    from bot.texts.errors import english

    return english(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Usage errors leave through argparse with 2."""
    arguments = command_parser().parse_args(argv)
    module, _, function = arguments.target.partition(":")
    try:
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
