"""`afterimage manual`: every command with its options, made of the parser. docs/commands.md is its Markdown. Pure."""

from __future__ import annotations

import argparse

from bot.command_line.command_tree import Command, commands_of
from bot.observability import terminal

_EXIT_CODES = {
    "0": "done; of health: the bot answers and is connected",
    "1": "it cannot be done, and a line on standard error says why; of some commands: nothing was found, or something"
    " is wrong with what was looked at",
    "2": "wrong usage",
    "130": "interrupted with Ctrl-C",
}
_ENVIRONMENT = {
    "AFTERIMAGE_CONFIG": "the configuration, where --config does not name one",
    "AFTERIMAGE_TABLE_KEY": "a setting, before the file's; check-config shows what is in force",
    "NO_COLOR": "no colours, also in pictures that are shown in the terminal",
    "COLUMNS": "the width of help texts and tables, where no terminal tells it",
}


def show(arguments: argparse.Namespace) -> int:
    """Prints the manual."""
    made = markdown(arguments.parser) if arguments.markdown else man_page(arguments.parser)
    terminal.say(made.rstrip("\n"))
    return 0


def markdown(parser: argparse.ArgumentParser) -> str:
    """docs/commands.md."""
    program, *commands = commands_of(parser)
    lines = [
        "# Every command",
        "",
        "*Made of the parser by `afterimage manual --markdown`; a test holds the two together. As a man page:*"
        " `afterimage manual | man -l -`.",
        "",
        f"{program.text} {program.notes}",
        "",
        *(f"- `{option.written}`: {_escaped(option.help)}" for option in program.options),
        "",
    ]
    for command in commands:
        lines += [f"## {command.name.removeprefix('afterimage ')}", "", command.text, ""]
        if command.group:
            continue
        lines += [f"    {command.usage}", ""]
        lines += [f"- `{option.written}`: {_escaped(option.help)}" for option in command.options]
        lines += ["", command.notes] if command.notes else []
        lines += ["", "Examples:", "", *(f"    {example}" for example in command.examples), ""]
    lines += ["## Exit codes", "", "| code | what it means |", "|---|---|"]
    lines += [f"| {code} | {text} |" for code, text in _EXIT_CODES.items()]
    lines += ["", "## Environment", "", "| variable | what it does |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in _ENVIRONMENT.items()]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def man_page(parser: argparse.ArgumentParser) -> str:
    """roff, for man(1)."""
    program, *commands = commands_of(parser)
    lines = [
        '.TH AFTERIMAGE 1 "" Afterimage "Afterimage Manual"',
        ".SH NAME",
        r"afterimage \- " + _roff(program.text),
        ".SH SYNOPSIS",
        r".B afterimage",
        _roff("COMMAND [OPTION …]"),
        ".SH DESCRIPTION",
        _roff(program.text),
        ".PP",
        _roff(program.notes),
        *(line for option in program.options for line in (".TP", f".B {_roff(option.written)}", _roff(option.help))),
        ".SH COMMANDS",
    ]
    for command in commands:
        lines += [f".SS {_roff(command.name)}", _roff(command.text)]
        if not command.group:
            lines += _man_command(command)
    lines.append(".SH EXIT STATUS")
    lines += [line for code, text in _EXIT_CODES.items() for line in (".TP", f".B {code}", _roff(text))]
    lines.append(".SH ENVIRONMENT")
    lines += [line for name, text in _ENVIRONMENT.items() for line in (".TP", f".B {name}", _roff(text))]
    return "\n".join(lines) + "\n"


def _man_command(command: Command) -> list[str]:
    lines = [".PP", _roff(command.usage)]
    for option in command.options:
        lines += [".TP", f".B {_roff(option.written)}", _roff(option.help)]
    if command.notes:
        lines += [".PP", _roff(command.notes)]
    return [*lines, ".PP", "Examples:", ".nf", *(_roff(f"  {example}") for example in command.examples), ".fi"]


def _escaped(text: str) -> str:
    """`<` opens a tag in Markdown."""
    return text.replace("<", "\\<")


def _roff(text: str) -> str:
    """The text as roff prints it: no line of it is a request, and a hyphen stays one that can be copied."""
    line = " ".join(text.split()) if not text.startswith("  ") else text
    line = line.replace("\\", r"\e").replace("-", r"\-").replace("…", "...")
    return rf"\&{line}" if line.startswith((".", "'")) else line
