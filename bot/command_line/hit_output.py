"""Where an answer goes: to the terminal in the form that was asked for, into files, into the browser."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from bot.command_line.hit_formats import bare_paths, hits_csv, json_lines
from bot.command_line.hit_text import Json, answer_text, batch_text
from bot.command_line.question import Question, expanded
from bot.observability import terminal
from indexer.errors import TellPerson

_BY_SUFFIX = {".json": "json", ".jsonl": "jsonl", ".csv": "csv"}


def show(arguments: argparse.Namespace, answers: Sequence[Json], question: Question, *, batch: bool = False) -> None:
    """Prints or saves the answer in the form that was asked for; then sheet and browser."""
    if arguments.open is not None and arguments.open > len(answers[0]["hits"]):
        raise TellPerson("cli-no-such-hit", number=arguments.open, count=len(answers[0]["hits"]))
    if arguments.save is not None:
        form = arguments.form or _BY_SUFFIX.get(arguments.save.suffix.lower(), "text")
        text = terminal.visible(rendered(form, arguments, answers, None, batch=batch))
        write(arguments.save, f"{text}\n".encode())
        terminal.say(f"written: {terminal.one_line(str(arguments.save))}")
    elif arguments.preview and arguments.form is None:
        import_module("bot.command_line.preview").show_pictures(answers[0], arguments.preview, arguments.explain)
    elif text := rendered(arguments.form or "text", arguments, answers, terminal.columns(), batch=batch):
        terminal.say(text)
    if arguments.form == "paths":
        _tell_of_the_others(answers)
    if arguments.sheet is not None:
        drawn = import_module("bot.command_line.sheet").drawn(answers[0], question)
        write(arguments.sheet, drawn)
        terminal.note(f"written: {terminal.one_line(str(arguments.sheet))}")
    if arguments.open is not None:
        import_module("bot.command_line.open_hit").open_hit(answers[0]["hits"][arguments.open - 1])


def _tell_of_the_others(answers: Sequence[Json]) -> None:
    """Those that `--paths` cannot name: a pipe that gets fewer lines than there are hits must not go unnoticed."""
    without = sum(len(found.get("hits", ())) for found in answers) - len(bare_paths(answers))
    if without:
        terminal.warn(f"{without:,} hits have neither a file nor a link that opens")


def rendered(
    form: str, arguments: argparse.Namespace, answers: Sequence[Json], columns: int | None, *, batch: bool
) -> str:
    """The answer as text, JSON, JSON Lines, CSV or paths."""
    match form:
        case "json":
            return terminal.as_json({"answers": list(answers)} if batch else answers[0], indent=2)
        case "jsonl":
            return json_lines(answers, batch=batch)
        case "csv":
            return hits_csv(answers)
        case "paths":
            return "\n".join(terminal.one_line(path) for path in bare_paths(answers))
    if batch:
        return batch_text(answers, columns, explain=arguments.explain)
    return answer_text(answers[0], columns, explain=arguments.explain)


def write(path: Path, data: bytes, *, new: bool = False) -> None:
    """Raises TellPerson where the file cannot be written, or, if it must be `new`, where something is there."""
    try:
        with expanded(path).open("xb" if new else "wb") as file:
            file.write(data)
    except OSError as error:
        raise TellPerson("cli-file-unwritable", path=str(path), error=error.strerror or "") from error
