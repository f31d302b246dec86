"""The help of every command: examples that can be copied."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from bot.cli import command_parser


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of the commands that do something: those without commands of their own."""
    lists = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not lists:
        yield parser
    for choice in (choice for choices in lists for choice in choices.values()):
        yield from leaves(choice)


def examples_of(parser: argparse.ArgumentParser) -> list[list[str]]:
    """The words of each example in a command's help, without the program's name and up to a pipe or the like."""
    found = []
    for line in re.findall(r"^  afterimage (.+)$", parser.format_help(), re.MULTILINE):
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
        end = next((at for at, word in enumerate(words) if set(word) <= set("|&;<>()")), len(words))
        found.append(words[:end])
    return found


@pytest.mark.parametrize("command", list(leaves(command_parser())), ids=lambda command: command.prog)
def test_every_command_has_examples_and_each_of_them_can_be_given(command: argparse.ArgumentParser) -> None:
    examples = examples_of(command)
    assert examples
    for words in examples:
        assert f"afterimage {' '.join(words)} ".startswith(f"{command.prog} "), "an example of another command"
        command_parser().parse_args(words)


def test_a_narrow_terminal_breaks_the_text_and_no_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    with pytest.raises(SystemExit):
        command_parser().parse_args(["search", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert '  afterimage search "a red bicycle in:#photos"' in lines
    assert all(len(line) <= 50 for line in lines if not line.startswith("  afterimage "))
