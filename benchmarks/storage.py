"""What SQLite costs: commits with and without a wait for the disk, pages stored, counts, deletions, the purge.

Run by `make bench-storage`. Two data folders on the disk of benchmarks/results: one with
100,000 messages of plain text, one with 100,000 messages of one picture and a 512-dimensional embedding each.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.report import RESULTS, Report
from indexer.database.database import Database, open_database
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import Channel, ChannelKind, Guild, Message, PictureRef, Source
from indexer.records.pictures import DecodedPicture, ModelSpec
from indexer.reports import status
from indexer.store import channels, embeddings, guilds, messages, pictures, places, spans
from indexer.store.forget import purge

MESSAGES = 100_000
PAGE = 100
BATCH = 32  # embeddings a transaction, a few of the encoder's batches
GUILD = GuildId(1)
CHANNELS = [ChannelId(10 + number) for number in range(5)]
MODEL = ModelSpec("bench", "none", 512, "00")


@dataclass
class Clock:
    """Milliseconds of the block, in `ms` after it."""

    ms: float = field(default=0.0)


@asynccontextmanager
async def timed() -> AsyncIterator[Clock]:
    clock = Clock()
    begun = time.perf_counter()
    yield clock
    clock.ms = (time.perf_counter() - begun) * 1000


def world(pictures_each: int) -> list[Message]:
    """The messages, newest first: twelve words of a vocabulary of 20,000 each."""
    chance = random.Random(1)
    vocabulary = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(20_000)]
    return [
        Message(
            MessageId(number),
            CHANNELS[number // PAGE % len(CHANNELS)],
            GUILD,
            UserId(1000 + number % 300),
            f"person {number % 300}",
            content=" ".join(chance.choices(vocabulary, k=12)),
            pictures=tuple(
                PictureRef(
                    ordinal,
                    Source.ATTACHMENT,
                    f"https://cdn.discordapp.com/attachments/{number}/{ordinal}/picture.png",
                    "",
                    file_name=f"picture{number % 100}.png",
                    width=800,
                    height=600,
                )
                for ordinal in range(pictures_each)
            ),
        )
        for number in range(MESSAGES, 0, -1)
    ]


async def settle(database: Database) -> None:
    async with database.transaction() as tx:
        await guilds.upsert(tx, Guild(GUILD, "bench"))
        await guilds.set_consent(tx, GUILD, True)
        await channels.upsert(tx, [Channel(channel, GUILD, ChannelKind.TEXT, f"c{channel}") for channel in CHANNELS])


async def store(database: Database, pages: list[list[Message]]) -> float:
    """Messages a second: a page and its span a transaction, as the crawler does."""
    async with timed() as clock:
        for page in pages:
            async with database.transaction() as tx:
                await messages.store(tx, page, keep="all", seen_ms=0)
                await spans.cover(tx, page[0].channel_id, page[-1].id, page[0].id)
    return sum(map(len, pages)) / clock.ms * 1000


async def commits(database: Database, report: Report) -> None:
    for durable, goal in ((False, "≤ 1 ms"), (True, "")):
        taken = []
        for number in range(300):
            async with timed() as clock, database.transaction(durable=durable) as tx:
                await guilds.upsert(tx, Guild(GUILD, f"name {number} {durable}"))
            taken.append(clock.ms)
        median = float(np.median(taken))
        what = "waits for the disk" if durable else "default: safe from a kill"
        report.row(f"one commit, {what}, p50", median, "ms", goal, median <= 1 if goal else None)


async def embed_all(database: Database) -> float:
    """Pictures a second from decoded to stored: picture, place and embedding."""
    async with database.reader() as reader:
        todo = await places.pending(reader, MESSAGES, 0)
    vectors = np.random.default_rng(1).standard_normal((len(todo), MODEL.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    async with database.transaction() as tx:
        model_id = await embeddings.model_id(tx, MODEL)
    async with timed() as clock:
        for start in range(0, len(todo), BATCH):
            async with database.transaction() as tx:
                batch = todo[start : start + BATCH]
                ids = await pictures.add_all(
                    tx,
                    [
                        DecodedPicture(os.urandom(32), (), 800, 600, "PNG", 1, 90_000, random.getrandbits(64))
                        for _ in batch
                    ],
                )
                await embeddings.add(tx, model_id, list(zip(ids, vectors[start : start + BATCH], strict=True)))
                shown = [(place.place_id, picture_id) for place, picture_id in zip(batch, ids, strict=True)]
                await places.attach_all(tx, shown)
    return len(todo) / clock.ms * 1000


async def deletions(database: Database, report: Report, kind: str) -> None:
    ids = iter(range(MESSAGES // 2, MESSAGES))
    for number, rounds in ((1, 50), (100, 5), (1000, 3)):
        taken = []
        for _ in range(rounds):
            gone = [MessageId(next(ids)) for _ in range(number)]
            async with timed() as clock, database.transaction() as tx:
                await messages.delete(tx, gone)
            taken.append(clock.ms)
        report.row(f"delete {number} {kind}, p50", float(np.median(taken)), "ms")


async def measure(folder: Path, report: Report, pictures_each: int) -> None:
    kind = "messages with a picture" if pictures_each else "messages of text"
    everything = world(pictures_each)
    pages = [everything[start : start + PAGE] for start in range(0, MESSAGES, PAGE)]
    async with open_database(folder) as database:
        await settle(database)
        rate = await store(database, pages)
        goal = "" if pictures_each else "≥ 5,000"
        report.row(f"store {kind}, pages of {PAGE}", rate, "/s", goal, rate >= 5_000 if goal else None)
        report.row(f"the same pages again, {kind}", await store(database, pages[:200]), "/s")
        if pictures_each:
            async with timed() as clock, database.reader() as reader:
                await places.pending(reader, 64, 0)
            report.row("next 64 pending places of 100,000", clock.ms, "ms")
            report.row("picture, place and embedding", await embed_all(database), "/s")
        else:
            await commits(database, report)
        async with timed() as clock, database.reader() as reader:
            counted = await status.read(reader)
        assert counted.total.messages == MESSAGES
        report.row(f"status of {MESSAGES:,} {kind}", clock.ms, "ms")
        report.row(f"database, {MESSAGES:,} {kind}", counted.database_bytes / 1e6, "MB")
        await deletions(database, report, kind)
        async with timed() as clock:
            await purge(database)
        report.row(f"purge to the byte, {kind}", clock.ms, "ms")
        async with timed() as clock, database.transaction() as tx:
            await guilds.forget(tx, GUILD)
        report.row(f"forget the whole guild at once, {kind}", clock.ms, "ms")


def main() -> None:
    report = Report("storage")
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        for pictures_each in (0, 1):
            asyncio.run(measure(Path(folder) / str(pictures_each), report, pictures_each))
    report.finish()


if __name__ == "__main__":
    main()
