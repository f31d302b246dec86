"""`afterimage completion SHELL`: a script that completes commands, options, choices and files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import shtab

from bot.command_line.command_tree import commands_of
from bot.observability import terminal


def show(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    for command in commands_of(arguments.parser):
        for action in command.parser._actions:
            _complete_paths(action)
    terminal.say(shtab.complete(arguments.parser, shell=arguments.shell).rstrip())
    return 0


def _complete_paths(action: Any) -> None:
    """Completes what is a file or a folder."""
    if action.metavar in ("FILE", "PATH") or action.type is Path or action.metavar == "WORD":
        action.complete = shtab.DIRECTORY if action.metavar == "FOLDER" else shtab.FILE
