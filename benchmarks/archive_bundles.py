"""A server of 100,000 pictures goes out as a bundle and comes in elsewhere, timed; part of `make bench-archive`.

    python -m benchmarks.archive_bundles        these rows alone, put into benchmarks/results/archive.json

The rows are written straight into SQLite: vectors that behave like CLIP's (512 dimensions), twelve words a message. The
peer is SQLite's own VACUUM INTO of the same database: it copies without looking, and what it makes holds everything.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks import index_data
from benchmarks.report import RESULTS, Report
from indexer.bundles.bundle_import import import_bundle
from indexer.bundles.export import export_bundle
from indexer.bundles.gather import Selection
from indexer.database import migrate
from indexer.database.database import FILE_NAME
from indexer.offline_store import open_store
from indexer.records.ids import GuildId
from indexer.settings import CrawlSettings, Settings

PICTURES = 100_000
RATE = 20_000  # pictures/s, out and in together
WORDS_AT_ONCE = 1_000


def quietly(*_: object) -> None:
    """Nobody looks how far it is."""


def write_guild(path: Path, pictures: int = PICTURES, guild: int = index_data.GUILD) -> None:
    """A migrated database with the guild. Another `guild` shows other pictures, says other words."""
    migrate.migrate(path)
    index_data.write(path, index_data.make(pictures, seed=6 + guild), guild)
    chance = random.Random(guild)
    vocabulary = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(20_000)]
    with closing(sqlite3.connect(path)) as connection, connection:
        numbers = [number for (number,) in connection.execute("SELECT picture_id FROM pictures")]
        connection.executemany(
            "UPDATE pictures SET sha256 = ?, perceptual_hash = ?, width = 800, height = 600, format = 'PNG',"
            " frame_count = 1, byte_count = 90000 WHERE picture_id = ?",
            [(chance.randbytes(32), chance.getrandbits(64) - (1 << 63), number) for number in numbers],
        )
        connection.execute(
            "UPDATE places SET width = 800, height = 600, file_name = 'p' || message_id % 100 || '.png',"
            " link = 'https://cdn.discordapp.com/attachments/' || message_id || '/picture.png'"
        )
        messages = [message for (message,) in connection.execute("SELECT message_id FROM messages")]
        for start in range(0, len(messages), WORDS_AT_ONCE):
            some = messages[start : start + WORDS_AT_ONCE]
            connection.execute(
                f"INSERT INTO texts (message_id, content, file_names) VALUES {', '.join(['(?, ?, ?)'] * len(some))}",
                [
                    value
                    for message in some
                    for value in (message, " ".join(chance.choices(vocabulary, k=12)), f"p{message % 100}.png")
                ],
            )


async def trip(report: Report, folder: Path) -> None:
    """Out of one data folder and into others: an empty one, the same again, and one in a running bot's steps."""
    (folder / "data").mkdir(mode=0o700)
    database = folder / "data" / FILE_NAME
    write_guild(database)
    if sys.platform != "win32":
        os.sync()  # what was just written is not written while the export is timed
    begun = time.perf_counter()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(folder / "vacuum.sqlite3"),))
    peer_s = time.perf_counter() - begun
    begun = time.perf_counter()
    file = folder / "guild.bundle"
    exported = await export_bundle(folder / "data", Selection((GuildId(index_data.GUILD),)), file, quietly)
    export_s = time.perf_counter() - begun
    import_s, embedded = await import_into(folder / "new", file, alone=True)
    again_s, _ = await import_into(folder / "new", file, alone=True)
    steps_s, _ = await import_into(folder / "beside", file, alone=False)
    count = exported.manifest.counts["pictures"]
    report.row("size of a bundle of 100,000 pictures with 512 dimensions", exported.byte_count / 1e6, "MB")
    report.row("SQLite's VACUUM INTO of the whole database, which looks at nothing", peer_s, "s")
    report.row("bundle exported", count / export_s, "pictures/s")
    report.row("bundle checked and imported into an empty folder", count / import_s, "pictures/s")
    rate = count / (export_s + import_s)
    report.row("export → import of 100,000 pictures, both together", rate, "pictures/s", f"≥ {RATE:,}", rate >= RATE)
    made = count - embedded
    report.row("… embeddings of it that were not at hand", made, "pictures", "0", made == 0)
    report.row("bundle imported again", import_s / again_s, "× faster")
    report.row("bundle imported in steps of 80 ms, as a running bot does", count / steps_s, "pictures/s")


async def import_into(data_dir: Path, file: Path, *, alone: bool) -> tuple[float, int]:
    """Seconds, and how many embeddings came in."""
    settings = Settings(data_dir=data_dir, crawl=CrawlSettings(messages="all"))
    async with open_store(settings) as store:
        begun = time.perf_counter()
        brought = await import_bundle(store, settings, file, quietly, alone=alone)
        return time.perf_counter() - begun, brought.stored.embeddings


def main() -> None:
    report = Report("archive")
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        asyncio.run(trip(report, Path(folder)))
    report.finish_part()


if __name__ == "__main__":
    main()
