"""The commands as the parser has them, for what is made of it: the man page, the reference and the completion. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One option or argument: how it is written (`--count N`), and what it means."""

    written: str
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """`name` is the whole name, as in "afterimage model list". A group has no options of interest but its commands."""

    name: str
    parser: argparse.ArgumentParser
    group: bool

    @property
    def text(self) -> str:
        return self.parser.description or ""

    @property
    def notes(self) -> str:
        return (self.parser.epilog or "").partition("Examples:")[0].strip()

    @property
    def examples(self) -> list[str]:
        return [line.strip() for line in (self.parser.epilog or "").partition("Examples:")[2].splitlines() if line]

    @property
    def usage(self) -> str:
        """What must and may be given, options first, in one line."""
        arguments = [_argument(action) for action in self._actions() if not action.option_strings]
        required = [_option(action) for action in self._actions() if action.option_strings and action.required]
        return " ".join([self.name, "[OPTION …]", *required, *arguments])

    @property
    def options(self) -> list[Option]:
        """Arguments, then options, in the order of the help."""
        actions = sorted(self._actions(), key=lambda action: bool(action.option_strings))
        return [
            Option(_option(action) if action.option_strings else _argument(action), _help(action)) for action in actions
        ]

    def _actions(self) -> list[argparse.Action]:
        return [
            action
            for action in self.parser._actions
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        ]


def commands_of(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """The program itself and every command, groups before their commands."""
    lists = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    yield Command(parser.prog, parser, bool(lists))
    for choices in lists:
        for choice in choices.choices.values():
            yield from commands_of(choice)


def _option(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {_value(action)}"
    return ", ".join(action.option_strings) + value


def _argument(action: argparse.Action) -> str:
    value = _value(action)
    return {"*": f"[{value} …]", "+": f"{value} …", "?": f"[{value}]"}.get(str(action.nargs), value)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")
