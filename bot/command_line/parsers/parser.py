"""The parser that all commands share, and how a command is added to it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bot.observability import terminal

JSON_HELP = "one JSON object, for programs"


class _Help(argparse.HelpFormatter):
    """Indented lines of a text stay as they are: they are examples, to be copied. Words are not broken at hyphens."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = []
        for line in text.splitlines():
            lines += [line] if not line or line.startswith(" ") else self._split_lines(line, width)
        return "\n".join(f"{indent}{line}" for line in lines)

    def _split_lines(self, text: str, width: int) -> list[str]:
        from textwrap import wrap  # as argparse: only a help text needs it

        return wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """Usage errors repeat what was typed, which may have been pasted from anywhere."""

    def __init__(self, **values: Any) -> None:
        super().__init__(formatter_class=_Help, **values)

    def error(self, message: str) -> NoReturn:
        """A token that was typed where none belongs is not repeated: terminals are recorded, and logs are shown."""
        from bot.config.values import TOKEN_SHAPE  # only a wrong usage needs it

        super().error(TOKEN_SHAPE.sub("<hidden>", message))

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(terminal.visible(message), file)


class Commands:
    """The commands of a parser: `add` one, or a `group` whose commands are words after its own."""

    def __init__(self, parser: argparse.ArgumentParser, kind: str = "command") -> None:
        self._subparsers: argparse._SubParsersAction[Parser] = parser.add_subparsers(
            dest=kind, metavar=kind.upper(), required=True, parser_class=Parser, title=f"{kind}s"
        )

    def add(
        self,
        name: str,
        target: str,
        text: str,
        *,
        examples: Sequence[str],
        notes: str = "",
        parser_class: type[Parser] = Parser,
    ) -> argparse.ArgumentParser:
        """A command that `target` ("file:function" in bot/command_line) carries out. Every command takes --config.

        `examples` are whole commands without the program's name; `notes` stand before them in the help.
        """
        shown = "\n".join(["Examples:", *(f"  afterimage {example}" for example in examples)])
        self._subparsers._parser_class = parser_class  # add_parser has no argument for it
        command = self._subparsers.add_parser(
            name, help=text, description=text, epilog=f"{notes}\n\n{shown}" if notes else shown
        )
        self._subparsers._parser_class = Parser
        command.set_defaults(target=target)
        command.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: ./config.toml)")
        return command

    def group(self, name: str, text: str, *, notes: str = "") -> Commands:
        """The commands that follow `name`."""
        return Commands(self._subparsers.add_parser(name, help=text, description=text, epilog=notes or None), "action")


def add_json(command: argparse.ArgumentParser) -> None:
    """`--json`: the answer as one object."""
    command.add_argument("--json", action="store_true", help=JSON_HELP)


def add_fleet(command: argparse.ArgumentParser) -> None:
    """`--fleet`: the cluster does it, this once."""
    command.add_argument(
        "--fleet",
        action="store_true",
        help="open and embed the pictures in the Ray cluster at ray.address, this once; docs/fleet.md",
    )


def positive(text: str) -> int:
    """A whole number from 1 on. Raises argparse's own error for anything else."""
    if not (text.isascii() and text.isdigit() and int(text[:10]) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text[:10])
