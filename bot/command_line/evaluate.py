"""`afterimage eval`: labelled questions, answered by vectors alone, by words alone and by both, side by side.

Where a second model is configured, also with it, and by it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from bot.command_line import eval_queries
from bot.command_line.asking import asking, together
from bot.command_line.duplicates import collected
from bot.command_line.eval_queries import Labelled
from bot.command_line.hit_output import write
from bot.command_line.question import expanded
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.config.tables import Config
from bot.observability import terminal
from indexer.errors import TellPerson
from indexer.reports.ranking_metrics import average_precision, percentile, recall_at, reciprocal_rank

WAYS = ("vectors", "words", "hybrid")
SECOND_WAYS = ("reranked", "second")
TOGETHER = 25  # questions of one request, so that somebody sees how far it is
TOPS = (1, 5, 10)
QUALITIES = (*(f"recall@{top}" for top in TOPS), "mrr", "map")
MEAN, FELL_BACK = "mean_ms", "fell_back"
LATENCIES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
MEMORY = ("bot", "model", "second")  # kinds of processes


def run(arguments: argparse.Namespace) -> int:
    """0 where every question could be asked, else 1. Raises TellPerson for a file that cannot be used; as `search`."""
    config = load(arguments.config, os.environ)
    if arguments.make == "make":
        return _make(arguments, config)
    labelled = eval_queries.read(arguments.file)
    with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
        answers, memory = asyncio.run(_answers(arguments, config, labelled, wait))
    found = measured(labelled, answers, memory)
    if arguments.plot is not None:
        write(arguments.plot, import_module("bot.command_line.eval_plot").drawn(found).encode())
    if arguments.json:
        terminal.say_json(found)
    else:
        terminal.say(text(found))
    return 1 if found["errors"] else 0


async def _answers(
    arguments: argparse.Namespace, config: Config, labelled: Sequence[Labelled], wait: terminal.Wait
) -> tuple[dict[str, list[Mapping[str, Any]]], dict[str, dict[str, int]]]:
    """The answers of each way, in the order of the questions, and the most resident bytes of each kind of process."""
    questions = [question.as_dict() for question in labelled]
    ways = (*WAYS, *(SECOND_WAYS if config.settings.rerank.enabled else ()))
    answers: dict[str, list[Mapping[str, Any]]] = {way: [] for way in ways}
    memory: dict[str, dict[str, int]] = {way: {} for way in ways}
    async with asking(config, "evaluate", wait.on) as request:
        for way, given in answers.items():
            while len(given) < len(questions):
                wait.on(f"{way}: {len(given):,} of {len(questions):,} questions")
                some = list(together(questions[len(given) :], TOGETHER))
                found = await request({"questions": some, "by": way, "guild": guild_of(arguments.guild)})
                given += found["answers"]
                for process, size in found["memory"].items():
                    memory[way][process] = max(size, memory[way].get(process, 0))
    return answers, memory


def measured(
    labelled: Sequence[Labelled],
    answers: Mapping[str, Sequence[Mapping[str, Any]]],
    memory: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """What docs/schemas/eval.json describes. A question that could not be asked counts nowhere and is named."""
    errors = [
        {"line": question.line, "error": given["error"]}
        for question, given in zip(labelled, answers["hybrid"], strict=True)
        if "error" in given
    ]
    return {
        "questions": len(labelled) - len(errors),
        "ways": {way: {**_scores(labelled, given), "memory": memory[way]} for way, given in answers.items()},
        "errors": errors,
    }


def _scores(labelled: Sequence[Labelled], answers: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The means over the questions (null where none could be asked), the percentiles of the latency, and how many
    questions the second model could not order.
    """
    right = [(question, given) for question, given in zip(labelled, answers, strict=True) if "error" not in given]
    if not right:
        return dict.fromkeys((*QUALITIES, MEAN, *LATENCIES, FELL_BACK))
    rankings = [([frozenset(hit) for hit in given["found"]], len(question.expected)) for question, given in right]
    scores = {f"recall@{top}": [recall_at(*ranking, top) for ranking in rankings] for top in TOPS}
    scores["mrr"] = [reciprocal_rank(ranking) for ranking, _ in rankings]
    scores["map"] = [average_precision(*ranking) for ranking in rankings]
    spent = [float(given["ms"]) for _, given in right]
    means: dict[str, float | None] = {name: round(sum(values) / len(values), 4) for name, values in scores.items()}
    means[MEAN] = round(sum(spent) / len(spent), 2)
    fell_back = sum(bool(given.get("fell_back")) for _, given in right)
    latencies = {name: round(percentile(spent, share), 2) for name, share in LATENCIES.items()}
    return means | latencies | {FELL_BACK: float(fell_back)}


def text(found: Mapping[str, Any]) -> str:
    """A table: a line a measure, a column a way."""
    lines = [f"{found['questions']:,} questions", f"{'':12}" + "".join(f"{way:>10}" for way in found["ways"])]
    for name in (*QUALITIES, MEAN, *LATENCIES, FELL_BACK):
        values = [scores[name] for scores in found["ways"].values()]
        if name == FELL_BACK and not any(values):
            continue
        shape = ".0f" if name == FELL_BACK else ".3f" if name in QUALITIES else ".1f"
        lines.append(
            f"{name:12}" + "".join(f"{'–' if value is None else format(value, shape):>10}" for value in values)
        )
    for process in MEMORY:
        sizes = [scores["memory"].get(process) for scores in found["ways"].values()]
        if any(sizes):
            name = f"{process}_mb"
            lines.append(f"{name:12}" + "".join(f"{f'{size / 1e6:.0f}' if size else '–':>10}" for size in sizes))
    lines += [f"line {error['line']}: {error['error']}" for error in found["errors"]]
    return "\n".join(lines)


def _make(arguments: argparse.Namespace, config: Config) -> int:
    """Writes a starter file; never over one that is there."""
    if expanded(arguments.file).exists():  # before what takes time
        raise TellPerson("cli-eval-exists", path=str(arguments.file))
    values = {"words": "", "guild": guild_of(arguments.guild), "threshold": None, "pictures": False}
    with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
        found = asyncio.run(collected(config, values, arguments.count, wait))
    questions = eval_queries.starter(found["groups"])
    if not questions:
        raise TellPerson("cli-eval-nothing")
    lines = "".join(json.dumps(question, ensure_ascii=False) + "\n" for question in questions)
    write(arguments.file, lines.encode(), new=True)
    name = str(arguments.file)
    if arguments.json:
        terminal.say_json({"file": name, "questions": len(questions)})
    else:
        terminal.say(f"written: {terminal.one_line(name)}, {len(questions):,} questions; read them over")
    return 0
