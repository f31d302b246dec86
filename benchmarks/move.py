"""A server of 100,000 pictures moves into a data folder that has another one, timed; `make bench-move`.

    python -m benchmarks.move [--pictures 100000] [--beside 100000]

The rows are those of `make bench-archive`: vectors that behave like CLIP's (512 dimensions), twelve words a message.
The other server shows other pictures. No model is there: an encoding would be an error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from unittest import mock

from benchmarks import index_data
from benchmarks.archive_bundles import PICTURES, write_guild
from benchmarks.report import RESULTS, Report
from bot.command_line.moving import Move, carry_over
from bot.observability.work_bar import WorkBar
from indexer.database.database import FILE_NAME
from indexer.offline_store import open_store
from indexer.records.ids import GuildId
from indexer.records.messages import Guild
from indexer.settings import Settings

GOAL_S = 30.0
OTHER = 2  # the server that the other folder has

# What the steps of a move tell of → the part that it belongs to.
PARTS = {
    "tables copied": "gathered",
    "messages": "stored",
    "pictures stored": "stored",
    "rows compared": "compared",
    "index files written": "index files written",
    "server deleted here": "deleted where it was",
}


class Clock:
    """Takes the place of the bar: seconds of each part, from its first word to the next part's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._part, self._since = "opened", time.perf_counter()

    def show(self, what: str, done: int, total: int | None) -> None:
        if PARTS[what] != self._part:
            self.end(PARTS[what])

    def end(self, following: str) -> None:
        now = time.perf_counter()
        self.seconds[self._part] = self.seconds.get(self._part, 0.0) + now - self._since
        self._part, self._since = following, now


def counts(database: Path, guild_id: int) -> tuple[int, int]:
    """Messages and embeddings of the server."""
    with closing(sqlite3.connect(database)) as connection:
        ((messages,),) = connection.execute("SELECT count(*) FROM messages WHERE guild_id = ?", (guild_id,))
        ((embeddings,),) = connection.execute(
            "SELECT count(DISTINCT e.embedding_id) FROM embeddings e JOIN places p USING (picture_id)"
            " WHERE p.guild_id = ?",
            (guild_id,),
        )
        return messages, embeddings


async def measure(report: Report, folder: Path, pictures: int, beside: int) -> None:
    source, target = folder / "a", folder / "b"
    for data_dir, count, guild in ((source, pictures, index_data.GUILD), (target, beside, OTHER)):
        data_dir.mkdir(mode=0o700)
        write_guild(data_dir / FILE_NAME, count, guild)
        async with open_store(Settings(data_dir=data_dir)) as store:
            await store.upkeep.compact_index()
    before, other = counts(source / FILE_NAME, index_data.GUILD), counts(target / FILE_NAME, OTHER)
    if sys.platform != "win32":
        os.sync()  # what was just written is not written while the move is timed
    clock = Clock()
    begun = time.perf_counter()
    move = Move(Guild(GuildId(index_data.GUILD), "Meadow"), source, target)
    with mock.patch.object(WorkBar, "show", clock.show):  # nobody looks at a bar here
        await carry_over(Settings(data_dir=source), move, own=False, yes=True, quiet=True)
    clock.end("")
    elapsed_s = time.perf_counter() - begun
    show(report, elapsed_s, clock.seconds)
    after = counts(target / FILE_NAME, index_data.GUILD)
    lost = before[0] - after[0] + before[1] - after[1]
    report.row("… messages and embeddings that did not come along", lost, "rows", "0", lost == 0)
    left = sum(counts(source / FILE_NAME, index_data.GUILD))
    report.row("… that are left where it was", left, "rows", "0", left == 0)
    changed = sum(counts(target / FILE_NAME, OTHER)) - sum(other)
    report.row("… of the other server that changed", changed, "rows", "0", changed == 0)


def show(report: Report, elapsed_s: float, seconds: Mapping[str, float]) -> None:
    what = "a server of 100,000 pictures moved into a folder that has another one"
    report.row(what, elapsed_s, "s", f"≤ {GOAL_S:g}", elapsed_s <= GOAL_S)
    for part, part_s in seconds.items():
        report.row(f"… {part}", part_s, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--beside", type=int, default=PICTURES)
    given = parser.parse_args()
    report = Report("move")
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        asyncio.run(measure(report, Path(folder), given.pictures, given.beside))
    report.finish()


if __name__ == "__main__":
    main()
