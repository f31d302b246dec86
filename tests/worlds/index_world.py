"""A guild to search: rows written straight into SQLite, and the simplest possible search over these rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import aiosqlite
import numpy as np

from indexer.database.database import FILE_NAME, Database, open_database
from indexer.records.hits import Candidate, Filter, Place
from indexer.records.ids import (
    ChannelId,
    GuildId,
    MessageId,
    ModelId,
    PictureId,
    PlaceId,
    UserId,
    ms_snowflake,
    snowflake_ms,
)
from indexer.records.messages import PlaceFlag
from indexer.records.pictures import Vectors
from indexer.settings import IndexSettings
from indexer.vectors.columns import score
from indexer.vectors.index import VectorIndex
from tests.worlds.migrated import migrated

DIMENSION = 16
GUILD = GuildId(1)
MODEL = ModelId(1)
START_MS = 1_600_000_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One place, as the test knows it."""

    place: int
    picture: int
    channel: int
    author: int
    message: int
    flags: int = 0


def unit(rng: np.random.Generator, count: int, dimension: int = DIMENSION) -> Vectors:
    vectors = rng.standard_normal((count, dimension)).astype(np.float32)
    vectors[:, 0] += 1.5  # a direction that all vectors share, as real embeddings do
    result: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return result


def half(vector: Vectors) -> bytes:
    return vector.astype("<f2").tobytes()


def message_id(minute: int, number: int = 0) -> int:
    return ms_snowflake(START_MS + minute * 60_000) + number


async def write_models(tx: aiosqlite.Connection, dimension: int = DIMENSION, count: int = 1) -> None:
    for number in range(1, count + 1):
        await tx.execute_fetchall(
            "INSERT OR IGNORE INTO models VALUES (?, ?, 'test', ?, 'f')", (number, f"model-{number}", dimension)
        )


async def write_guild(tx: aiosqlite.Connection, guild: int, channels: Iterable[int], users: Iterable[int]) -> None:
    await tx.execute_fetchall(
        "INSERT OR IGNORE INTO guilds (guild_id, name, consent, added_ms) VALUES (?, 'guild', 1, 0)", (guild,)
    )
    await tx.executemany(
        "INSERT OR IGNORE INTO channels (channel_id, guild_id, kind, name) VALUES (?, ?, 'text', 'channel')",
        [(channel, guild) for channel in channels],
    )
    await tx.executemany("INSERT OR IGNORE INTO users (user_id, name) VALUES (?, 'user')", [(user,) for user in users])


async def write_places(tx: aiosqlite.Connection, guild: int, places: Sequence[Shown]) -> None:
    """The places with their messages, users and pictures."""
    await tx.executemany(
        "INSERT OR IGNORE INTO users (user_id, name) VALUES (?, 'user')", [(place.author,) for place in places]
    )
    await tx.executemany(
        "INSERT OR IGNORE INTO messages (message_id, guild_id, channel_id, author_id, edited_ms, checked_ms)"
        " VALUES (?, ?, ?, ?, NULL, 0)",
        [(place.message, guild, place.channel, place.author) for place in places],
    )
    await tx.executemany(
        "INSERT OR IGNORE INTO pictures (picture_id, sha256, byte_count, state) VALUES (?, ?, 1, 'ready')",
        [(place.picture, place.picture.to_bytes(32, "big")) for place in places],
    )
    await tx.executemany(
        "INSERT INTO places (place_id, message_id, guild_id, ordinal, picture_id, source, link, flags, state)"
        " VALUES (?, ?, ?, ?, ?, 'attachment', 'link', ?, 'ready')",
        [(place.place, place.message, guild, place.place, place.picture, place.flags) for place in places],
    )


async def write_embeddings(
    tx: aiosqlite.Connection, pictures: Sequence[int], vectors: Vectors, model: int = MODEL
) -> None:
    await tx.executemany(
        "INSERT INTO embeddings (picture_id, model_id, vector) VALUES (?, ?, ?)"
        " ON CONFLICT (picture_id, model_id) DO UPDATE SET vector = excluded.vector",
        [(picture, model, half(vector)) for picture, vector in zip(pictures, vectors, strict=True)],
    )


async def write_frames(tx: aiosqlite.Connection, picture: int, vectors: Sequence[Vectors], model: int = MODEL) -> None:
    """These further frames of the picture in place of those that it had."""
    await tx.execute_fetchall(
        "UPDATE embeddings SET at_ms = 250, frames_sought = 8 WHERE picture_id = ? AND model_id = ?", (picture, model)
    )
    await tx.execute_fetchall("DELETE FROM frames WHERE picture_id = ? AND model_id = ?", (picture, model))
    await tx.executemany(
        "INSERT INTO frames (picture_id, model_id, at_ms, perceptual_hash, vector) VALUES (?, ?, ?, 0, ?)",
        [(picture, model, 500 * number, half(vector)) for number, vector in enumerate(vectors)],
    )


def allows(allowed: Filter, place: Shown) -> bool:
    """The filter, implemented as its documentation describes it."""
    time_ms = snowflake_ms(place.message)
    return (
        place.channel in allowed.channels
        and (allowed.authors is None or place.author in allowed.authors)
        and (allowed.after_ms is None or time_ms >= allowed.after_ms)
        and (allowed.before_ms is None or time_ms < allowed.before_ms)
        and place.flags & allowed.require == allowed.require
        and not place.flags & allowed.exclude
        and place.message != allowed.not_message
    )


def brute_force(
    places: Iterable[Shown],
    vectors: dict[int, Vectors],
    query: Vectors,
    k: int,
    allowed: Filter,
    frames: Mapping[int, Sequence[Vectors]] = MappingProxyType({}),
) -> tuple[tuple[Candidate, ...], int]:
    """The right answer: every allowed place of every picture, sorted as Candidate promises. Of a picture's vector and
    its further frames the best counts.
    """
    shown: dict[int, list[Shown]] = {}
    for place in places:
        if place.picture in vectors and allows(allowed, place):
            shown.setdefault(place.picture, []).append(place)
    found = []
    for picture, where in shown.items():
        halves = b"".join(half(vector) for vector in (vectors[picture], *frames.get(picture, ())))
        rows = np.frombuffer(halves, np.uint8).reshape(-1, 2 * len(query))
        candidate = Candidate(
            PictureId(picture),
            float(score(rows, query).max()),
            tuple(
                sorted(
                    (
                        Place(
                            MessageId(p.message), PlaceId(p.place), ChannelId(p.channel), UserId(p.author),
                            PlaceFlag(p.flags),
                        )
                        for p in where
                    ),
                    reverse=True,
                )
            ),
        )  # fmt: skip
        found.append(candidate)
    found.sort(key=lambda candidate: (-candidate.score, -candidate.places[0].message_id, candidate.places[0].place_id))
    return tuple(found[:k]), sum(map(len, shown.values()))


@dataclass
class World:
    """An open database and index, and the contents that they should have."""

    database: Database
    index: VectorIndex
    folder: Path
    places: dict[int, Shown]
    vectors: dict[int, Vectors]
    frames: dict[int, Sequence[Vectors]] = field(default_factory=dict)

    async def move(self, picture: int, frames: Iterable[Vectors]) -> None:
        """The picture is an animation with these further frames, in place of those that it had."""
        self.frames[picture] = list(frames)
        async with self.database.transaction() as tx:
            await write_frames(tx, picture, self.frames[picture])

    async def add(self, places: Sequence[Shown], vectors: dict[int, Vectors]) -> None:
        async with self.database.transaction() as tx:
            await write_guild(tx, GUILD, {place.channel for place in places}, {place.author for place in places})
            await write_places(tx, GUILD, places)
            await write_embeddings(tx, list(vectors), np.array(list(vectors.values())))
        self.places.update((place.place, place) for place in places)
        self.vectors.update(vectors)

    async def fill(
        self, rng: np.random.Generator, count: int, *, channels: int = 6, authors: int = 9, moving: bool = False
    ) -> None:
        """Adds `count` places. Every eighth shows an older picture again, every sixteenth vector equals another one.

        `moving`: every third picture is an animation with one to three further frames.
        """
        first = max(self.places, default=0) + 1
        places: list[Shown] = []
        vectors: dict[int, Vectors] = {}
        fresh = unit(rng, count)
        for number in range(first, first + count):
            known = list(self.vectors) + list(vectors)
            is_repeat = bool(known) and rng.random() < 0.125
            picture = known[rng.integers(len(known))] if is_repeat else max([0, *known[-1:], *self.vectors]) + 1
            if not is_repeat:
                vectors[picture] = fresh[number - first]
                if known and rng.random() < 0.0625:
                    twin = known[rng.integers(len(known))]
                    vectors[picture] = vectors[twin] if twin in vectors else self.vectors[twin]
            channel = int(rng.integers(channels)) + 100
            author = int(rng.zipf(1.5) % authors) + 500
            message = message_id(int(rng.integers(10_000)), number)
            places.append(Shown(number, int(picture), channel, author, message, int(rng.integers(4))))
        await self.add(places, vectors)
        for picture in list(vectors)[::3] if moving else ():
            await self.move(picture, unit(rng, int(rng.integers(1, 4))))

    async def delete(self, places: Iterable[int]) -> None:
        removed = [self.places.pop(place) for place in places]
        async with self.database.transaction() as tx:
            await tx.executemany("DELETE FROM messages WHERE message_id = ?", [(place.message,) for place in removed])
        shown = {shown.picture for shown in self.places.values()}
        self.vectors = {picture: vector for picture, vector in self.vectors.items() if picture in shown}
        self.frames = {picture: vectors for picture, vectors in self.frames.items() if picture in shown}

    def everything(self, **more: object) -> Filter:
        base = Filter(frozenset(ChannelId(place.channel) for place in self.places.values()) | {ChannelId(100)})
        return replace(base, **more)  # type: ignore[arg-type]  # field names of Filter, checked at run time

    async def check(self, query: Vectors, k: int, allowed: Filter) -> None:
        """`expect`, in a thread: searching blocks."""
        await asyncio.to_thread(self.expect, query, k, allowed)

    def expect(self, query: Vectors, k: int, allowed: Filter) -> None:
        """Asserts that the index answers as brute force does."""
        answer = self.index.search(GUILD, MODEL, query, k, allowed)
        candidates, searched = brute_force(self.places.values(), self.vectors, query, k, allowed, self.frames)
        assert answer.candidates == candidates
        assert answer.searched == searched


@asynccontextmanager
async def open_world(
    data_dir: Path, settings: IndexSettings | None = None, *, dimension: int = DIMENSION
) -> AsyncIterator[World]:
    async with open_database(migrated(data_dir)) as database:
        async with database.transaction() as tx:
            await write_models(tx, dimension)
            await write_guild(tx, GUILD, range(100, 107), [])
        folder = data_dir / "segments"
        index = VectorIndex(data_dir / FILE_NAME, folder, settings or IndexSettings())
        try:
            yield World(database, index, folder, {}, {})
        finally:
            index.close()
