"""`afterimage search`: one question, or a file of them."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from typing import Any

from bot.command_line.asking import answer_once, asking, together
from bot.command_line.hit_output import show
from bot.command_line.hit_text import Json
from bot.command_line.question import Question, contents, question_of, text_of
from bot.config.loader import load
from bot.config.tables import Config
from bot.observability import terminal
from indexer.errors import TellPerson

BATCH_QUERIES = 500  # of one request


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
    lines = [line.strip() for line in text_of(arguments.batch).splitlines()]
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
    async with asking(config, "search-batch", wait.on) as request:
        while len(answers) < len(queries):
            some = list(together(queries[len(answers) :], BATCH_QUERIES))
            values = {"queries": some, "guild": guild_of(arguments.guild), "count": arguments.count}
            answers += (await request(values))["answers"]
            wait.on(f"{len(answers):,} of {len(queries):,} questions are answered")
    return answers
