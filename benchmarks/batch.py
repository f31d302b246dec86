"""`make bench-batch`: a file of questions answered by `afterimage search --batch`, against one command a question.

Both ask the same running bot, which has 20,000 pictures and a model of ViT-B-32-256's shape with random weights. No
question is asked twice. The second ratio leaves the commands' own start out: it is measured inside of the bot.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.answers_world import fill, town
from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import Report
from bot.app import operations
from bot.config.tables import Config
from bot.control.handler import Handler
from bot.control.server import open_control
from indexer.database.database import open_database
from indexer.encode.encoder import open_encoder
from indexer.service import open_service
from indexer.settings import ModelSettings, Settings
from indexer.store import embeddings
from sandbox.server import open_sandbox

ROWS = 20_000
COMMANDS = 12  # questions that are asked by a command each
BATCH = 120  # questions of one file
WARM = 5
ROOT = Path(__file__).resolve().parents[1]


async def main() -> None:
    report = Report("batch")
    big = town(ROWS)
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as name:
        folder = Path(name)
        model = ModelSettings(MODEL, str(random_checkpoint(folder)), device="cpu")
        settings = Settings(data_dir=folder / "data", model=model)
        async with open_encoder(model) as encoder, open_sandbox(big.world) as sandbox:
            async with open_database(settings.data_dir) as db, db.transaction() as tx:
                await fill(tx, big, sandbox, await embeddings.model_id(tx, encoder.spec))
            async with open_service(settings, None, encoder) as service:
                await service.index.maintain(service.db)
                await service.searcher.learn_baseline()
                handlers = operations(Config(settings=settings), service)
                async with open_control(settings.data_dir, handlers, 5.0):
                    await _commands(report, folder)
                await _inside(report, handlers)
    report.finish()


def _questions() -> Iterator[str]:
    """Words of the world, as no question before."""
    return (f"w{number % 19_999} w{number * 7 % 19_999} picture {number} min:-1" for number in itertools.count())


_asked = _questions()


async def _commands(report: Report, folder: Path) -> None:
    await _command(folder, next(_asked))  # the interpreter's files are in memory from now on
    questions = [next(_asked) for _ in range(COMMANDS)]
    began = time.perf_counter()
    for question in questions:
        await _command(folder, question)
    single = COMMANDS / (time.perf_counter() - began)
    file = folder / "questions.txt"
    file.write_text("".join(f"{next(_asked)}\n" for _ in range(BATCH)))
    began = time.perf_counter()
    await _command(folder, "--batch", str(file))
    together = BATCH / (time.perf_counter() - began)
    report.row(f"one command a question, {ROWS:,} pictures, beside a bot", single, "questions/s")
    report.row("search --batch, the same bot", together, "questions/s")
    report.row("search --batch against one command a question", together / single, "×", "≥ 3", together / single >= 3)


async def _command(folder: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "search", "--json", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(300):
        assert await process.wait() == 0


async def _inside(report: Report, handlers: dict[str, Handler]) -> None:
    for _ in range(WARM):
        await handlers["search"]({"words": next(_asked)}, _nobody)
    questions = [next(_asked) for _ in range(BATCH)]
    began = time.perf_counter()
    for question in questions:
        await handlers["search"]({"words": question}, _nobody)
    single_s = time.perf_counter() - began
    questions = [next(_asked) for _ in range(BATCH)]
    began = time.perf_counter()
    found = await handlers["search-batch"]({"queries": questions}, _nobody)
    together_s = time.perf_counter() - began
    assert len(found["answers"]) == BATCH
    report.row("inside of the bot, one by one: a question", single_s / BATCH * 1e3, "ms")
    report.row("inside of the bot, as a batch: a question", together_s / BATCH * 1e3, "ms")
    report.row("inside of the bot, a batch against one by one", single_s / together_s, "×")


def _nobody(text: str) -> None:
    """Progress that nobody reads."""


if __name__ == "__main__":
    asyncio.run(main())
