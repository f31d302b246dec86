"""What a second model costs a question: over 100,000 pictures, with its features to be made and with those kept.

The first model answers at once, as in `make bench-answers`: what is measured is the search. The second has the shape of
ViT-B-32-256 and random weights, in a process of its own as in the bot: so nothing is said of what it finds. Small
copies of the candidates lie on this machine.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.answers_speed import _NoModel
from benchmarks.answers_world import Town, fill, picture, town
from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import Report, run
from indexer.database.database import Database, open_database
from indexer.features.kept_features import KeptFeatures
from indexer.pictures.decoder import Decoder
from indexer.query.query import Query
from indexer.records.hits import Filter, RerankOutcome, SearchResult
from indexer.records.ids import ChannelId, GuildId, PlaceId, UserId
from indexer.records.pictures import ModelSpec
from indexer.reranking import open_reranking
from indexer.search.candidate_features import PictureFiles
from indexer.search.rerank import Rerank
from indexer.search.search import Searcher
from indexer.settings import IndexSettings, ModelSettings, RerankSettings, SearchSettings, Settings
from indexer.store import embeddings
from indexer.supervisor import Faults
from indexer.vectors.index import VectorIndex
from sandbox.server import open_sandbox

ROWS = 100_000
ASKED = 40  # questions whose features are kept
COLD = 2  # questions whose features are all to be made
WARM = 3
CANDIDATES = 100
LONG_S = 600.0  # a budget that nothing reaches: the time itself is measured


class _SmallCopies:
    """A small copy of each picture, as a thumbnail is."""

    def __init__(self) -> None:
        self._files = [picture(number, 256) for number in range(64)]

    async def nearby(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        return self._files[place_id % len(self._files)]

    async def file(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        return None


async def measure(report: Report, folder: Path) -> None:
    """Adds the rows of this file to the report."""
    big = town(ROWS)
    spec = ModelSpec("first", "none", big.vectors.vectors.shape[1], "00")
    settings = Settings(
        data_dir=folder / "data",
        model=ModelSettings(device="cpu", runtime="torch"),
        rerank=RerankSettings(
            kind="open_clip",
            name=MODEL,
            pretrained=str(random_checkpoint(folder)),
            candidates=CANDIDATES,
            budget_s=15.0,
        ),
    )
    settings = replace(settings, rerank=replace(settings.rerank, budget_s=LONG_S))
    async with open_database(settings.data_dir) as db:
        async with open_sandbox(big.world) as sandbox, db.transaction() as tx:
            model_id = await embeddings.model_id(tx, spec)
            await fill(tx, big, sandbox, model_id)
        index = VectorIndex(db.path, folder / "segments", IndexSettings())
        try:
            await index.maintain(db)
            encoder = _NoModel(spec, big.vectors.text_queries)
            async with _second(db, settings) as second:
                both = Searcher(db, index, encoder, model_id, SearchSettings(), None, second)
                await _measured(report, both, second, big)
        finally:
            index.close()


@asynccontextmanager
async def _second(db: Database, settings: Settings) -> AsyncIterator[Rerank]:
    small = _SmallCopies()

    def files(_: Decoder) -> PictureFiles:
        return small

    async with (
        KeptFeatures(db, settings) as kept,
        open_reranking(db, settings, kept, files, Faults()) as second,
    ):
        yield second


async def _measured(report: Report, searcher: Searcher, second: Rerank, big: Town) -> None:
    await second.wake()
    await searcher.learn_baseline()
    await _asked(searcher, big, 0, UserId(1))  # the first pictures start the readers
    cold = [await _asked(searcher, big, 1 + number, UserId(1)) for number in range(COLD)]
    # The same pictures are asked for with other words: the answer itself is remembered, and is not what is measured.
    warm = [
        await _asked(searcher, big, 1 + number % COLD, UserId(1), f"again{number}") for number in range(ASKED + WARM)
    ]
    warm = warm[WARM:]
    first = [result.stage_ms["total"] - result.stage_ms["rerank"] for result in (*cold, *warm)]
    made, kept = ([result.stage_ms["rerank"] for result in results] for results in (cold, warm))
    p95 = float(np.percentile(first, 95))
    report.row(f"stage one of a re-ranked question, {ROWS:,} pictures: p50", float(np.median(first)), "ms")
    report.row(f"stage one of a re-ranked question, {ROWS:,} pictures: p95", p95, "ms", "≤ 100", p95 <= 100)
    report.row(f"second stage, {CANDIDATES} candidates whose features are kept: p50", float(np.median(kept)), "ms")
    report.row(
        f"second stage, {CANDIDATES} candidates whose features are kept: p95", float(np.percentile(kept, 95)), "ms"
    )
    report.row(f"second stage, features of all {CANDIDATES} to be made: p50", float(np.median(made)), "ms")
    ratio = float(np.median(made) / np.median(kept))
    report.row("kept features against features to be made", ratio, "× faster", "≥ 10", ratio >= 10)


async def _asked(searcher: Searcher, big: Town, number: int, asker: UserId, more: str = "") -> SearchResult:
    """A question that the first model answers with its own hundred pictures for each number."""
    seen = frozenset(ChannelId(channel.id) for channel in big.guild.channels.values() if channel is not big.talk)
    rows = big.vectors.vectors
    vector = rows[(number * 9_973) % len(rows)].astype(np.float32)
    query = Query(
        GuildId(big.guild.id),
        Filter(seen),
        words=f"w{40 + number} {more}".strip(),
        vectors=(vector / np.linalg.norm(vector),),
        model_id=searcher.model_id,
        picture_weight=1.0,
        min_score=-1.0,
        asker=asker,
        small_copies=(picture(number, 256),),
    )
    began = time.perf_counter()
    result = await searcher.search(query)
    took_ms = (time.perf_counter() - began) * 1e3
    found = result.reranked
    if found is None or (found.outcome, found.candidates) != (RerankOutcome.DONE, CANDIDATES):
        raise RuntimeError(f"question {number} was not re-ranked as it should be: {found} in {took_ms:.0f} ms")
    return result


if __name__ == "__main__":
    run("rerank", __doc__, measure)
