"""`afterimage search`: one question or a file of them, and every form of the answer."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bot.command_line.asking import answer_once, asking, together
from bot.command_line.hit_formats import bare_paths, hits_csv, json_lines
from bot.command_line.hit_text import Json, answer_text, batch_text
from bot.command_line.question import STANDARD_INPUT, Question, contents, question_of
from bot.config.loader import Config, load
from bot.observability import terminal
from indexer.errors import TellPerson

BATCH_QUERIES = 500  # of one request
_BY_SUFFIX = {".json": "json", ".jsonl": "jsonl", ".csv": "csv"}


def search(arguments: argparse.Namespace) -> int:
    """Raises TellPerson for a question that cannot be asked, Stop where the index or the model cannot be opened,
    Refused with the running bot's sentence."""
    config = load(arguments.config, os.environ)
    if arguments.batch is not None:
        return _batch(arguments, config)
    question = question_of(arguments.words, arguments.image)
    found = ask(arguments, config, "search", question)
    show(arguments, [found], question)
    return 0


def ask(arguments: argparse.Namespace, config: Config, name: str, question: Question) -> Json:
    """The answer of the operation `name`; with small copies where they are shown."""
    files = contents(question.files, config.settings.fetch.max_download_bytes)
    values: dict[str, Any] = {
        "words": question.words,
        "guild": guild_of(arguments.guild),
        "count": arguments.count,
        "files": [[file, len(data)] for file, data in zip(question.files, files, strict=True)],
        "links": list(question.links),
        "pictures": bool(arguments.sheet or arguments.preview),
    }
    if files:
        values["attached"] = b"".join(files)
    with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
        return asyncio.run(answer_once(config, name, values, wait.on))


def guild_of(typed: str | None) -> int | str | None:
    """An id as a number, a name as it is."""
    return int(typed) if typed is not None and typed.isascii() and typed.isdigit() and len(typed) < 20 else typed


def _batch(arguments: argparse.Namespace, config: Config) -> int:
    """0 where every question could be asked, else 1."""
    for given, option in ((arguments.words or arguments.image, "words and pictures"), (arguments.sheet, "--sheet"),
                          (arguments.preview, "--preview"), (arguments.open, "--open")):  # fmt: skip
        if given:
            raise TellPerson("cli-not-with-batch", option=option)
    lines = [line.strip() for line in _text(arguments.batch).splitlines()]
    queries = [line for line in lines if line]
    with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
        answers = asyncio.run(_answers(arguments, config, queries, wait))
    show(arguments, answers, Question(""), batch=True)
    return 1 if any("error" in found for found in answers) else 0


async def _answers(
    arguments: argparse.Namespace, config: Config, queries: Sequence[str], wait: terminal.Wait
) -> list[Json]:
    """An answer a question, in order. Those that go together cost one call of the model."""
    answers: list[Json] = []
    async with asking(config, "search-batch", wait.on) as ask_:
        while len(answers) < len(queries):
            some = list(together(queries[len(answers) :], BATCH_QUERIES))
            values = {"queries": some, "guild": guild_of(arguments.guild), "count": arguments.count}
            answers += (await ask_(values))["answers"]
            wait.on(f"{len(answers):,} of {len(queries):,} questions are answered")
    return answers


def _text(file: str) -> str:
    try:
        if file == STANDARD_INPUT:
            return sys.stdin.read()
        return Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TellPerson("cli-file-unreadable", path=file, error=reason or "") from error


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
    if arguments.sheet is not None:
        drawn = import_module("bot.command_line.sheet").drawn(answers[0], question)
        write(arguments.sheet, drawn)
        terminal.note(f"written: {terminal.one_line(str(arguments.sheet))}")
    if arguments.open is not None:
        import_module("bot.command_line.open_hit").open_hit(answers[0]["hits"][arguments.open - 1])


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


def write(path: Path, data: bytes) -> None:
    """Raises TellPerson where the file cannot be written."""
    try:
        path.expanduser().write_bytes(data)
    except OSError as error:
        raise TellPerson("cli-file-unwritable", path=str(path), error=error.strerror or "") from error
