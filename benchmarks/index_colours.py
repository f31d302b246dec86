"""`color:` over 100,000 pictures in 50 channels: beside words or a picture, and as a listing of its own.

The peer is the same question put to SQLite picture by picture: from each message to its places, from there to the
picture, with a function in Python that counts its samples. `python -m benchmarks.index_colours` measures this part
alone and puts it into the record of `make bench-index`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from benchmarks import index_data
from benchmarks.index_data import GUILD, MODEL, Data
from benchmarks.report import Report
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.query.colour_names import colour
from indexer.records.hits import Filter
from indexer.records.ids import GuildId, ModelId
from indexer.search.browse import MOST, browse
from indexer.settings import IndexSettings
from indexer.store.filter_sql import PLACE_INSIDE, filter_values
from indexer.vectors.index import VectorIndex

COLOURS = ("red", "grey", "#aa3311", "turquoise")
ROUNDS = 10  # of each colour; of the peer PEER_ROUNDS
PEER_ROUNDS = 2
GOAL_MS = 150.0

_ONE_BY_ONE = (
    "SELECT p.place_id FROM messages m INDEXED BY messages_by_channel CROSS JOIN places p USING (message_id)"
    f" WHERE m.guild_id = :guild AND {PLACE_INSIDE} ORDER BY p.place_id"
)


async def measure(report: Report, data: Data, db: Database, index: VectorIndex) -> None:
    """Adds the rows of this file. The index must be sealed. Each message gets a text, which every listed hit has."""
    async with db.transaction() as tx:
        await tx.execute_fetchall("INSERT OR IGNORE INTO texts (message_id) SELECT message_id FROM messages")
    every = index_data.filters(data)["all"].channels
    asked = [Filter(every, colours=(colour(name),)) for name in COLOURS]
    found: list[int] = []

    async def near(allowed: Filter) -> None:
        query = data.image_queries[len(found) % len(data.image_queries)]
        answer = await asyncio.to_thread(index.search, GuildId(GUILD), ModelId(MODEL), query, 10, allowed)
        found.append(answer.searched)

    async def listed(allowed: Filter) -> None:
        async with db.reader() as connection:
            hits, inside = await browse(connection, GuildId(GUILD), allowed, MOST)
        assert hits
        assert inside in found, "both ways count the same places"

    async def one_by_one(allowed: Filter) -> None:
        async with db.reader() as connection:
            rows = await connection.execute_fetchall(_ONE_BY_ONE, {"guild": GUILD, **filter_values(allowed)})
        assert len(list(rows)) in found

    label = f"{len(data):,}"
    searching = await _took(near, asked, ROUNDS)
    listing = await _took(listed, asked, ROUNDS)
    peer = await _took(one_by_one, asked, PEER_ROUNDS)
    for what, took in (("a question with color:", searching), (f"the newest {MOST} of color: alone", listing)):
        p95 = float(np.percentile(took, 95))
        report.row(f"{label}: {what}, 50 channels, p50", float(np.median(took)), "ms")
        report.row(f"{label}: {what}, 50 channels, p95", p95, "ms", f"≤ {GOAL_MS:g}", p95 <= GOAL_MS)
    report.row(f"{label}: places that show the colour, on average", float(np.mean(found)), "")
    report.row(f"{label}: color: asked picture by picture in SQL, p50", float(np.median(peer)), "ms")
    report.row(f"{label}: color: picture by picture, times ours", float(np.median(peer) / np.median(searching)), "×")


async def _took(ask: Callable[[Filter], Awaitable[None]], asked: list[Filter], rounds: int) -> list[float]:
    """Milliseconds of each question; the first round is not counted."""
    took: list[float] = []
    for turn in range(rounds + 1):
        for allowed in asked:
            began = time.perf_counter()
            await ask(allowed)
            if turn:
                took.append((time.perf_counter() - began) * 1e3)
    return took


async def main() -> None:
    report = Report("index")
    data = index_data.make(100_000)
    with tempfile.TemporaryDirectory(prefix="bench-index-") as folder:
        async with open_database(Path(folder)) as db:
            index_data.write(Path(folder) / FILE_NAME, data)
            index = VectorIndex(Path(folder) / FILE_NAME, Path(folder) / "segments", IndexSettings())
            await index.maintain(db)
            await measure(report, data, db, index)
            index.close()
    report.finish_part()


if __name__ == "__main__":
    asyncio.run(main())
