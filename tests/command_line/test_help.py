"""The help of every command, and what else is made of the parser: reference, man page, completion."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli import command_parser, main
from bot.command_line.command_tree import commands_of
from bot.command_line.manual import man_page, markdown
from tests.worlds.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]


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
    _, _, text = capsys.readouterr().out.partition("\n\n")  # argparse keeps a group of its usage in one line
    lines = text.splitlines()
    assert "  afterimage search cat.jpg --count 5 --sheet cats.png" in lines
    assert all(len(line) <= 50 for line in lines if not line.startswith("  afterimage "))


def test_the_reference_is_what_the_parser_says() -> None:
    assert (ROOT / "docs/commands.md").read_text("utf-8") == markdown(command_parser()), (
        "afterimage manual --markdown > docs/commands.md"
    )


def test_the_man_page_names_every_command_and_option_and_no_line_is_a_request_by_chance() -> None:
    page = man_page(command_parser())
    for command in commands_of(command_parser()):
        assert command.name.replace("-", r"\-") in page
        for option in command.options:
            assert option.written.replace("-", r"\-").replace("…", "...") in page
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".nf", ".fi"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_completion_that_knows_commands_options_and_choices(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("duplicates", "check-config", "preview-as", "sixel", "too-slow"):
        assert word in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_a_command_and_its_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    asked = (
        "source completion\nfor words in 'afterimage dupl' 'afterimage search --expl' 'afterimage eval --pl'; do\n"
        "  COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()\n"
        '  _shtab_afterimage; echo "${COMPREPLY[@]}"\ndone'
    )
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.stdout.split() == ["duplicates", "--explain", "--plot"], done.stderr


def test_words_to_leave_out_and_words_after_options_are_words() -> None:
    given = command_parser().parse_args(["search", "cat", "-dog", "--count", "3", "-house", "rain", "-5", "--", "--x"])
    assert given.words == ["cat", "-dog", "-house", "rain", "-5", "--x"]
    assert given.count == 3
