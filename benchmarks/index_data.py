"""A guild's worth of vectors that behave like CLIP's, and the filters of a real guild.

Vectors are clustered unit vectors with a common offset that vary in few of their dimensions (image–image cosine
0.56 ± 0.11), 4 % of them near-duplicates of another; queries are half "image-like" (near a stored vector), half
"text-like" (mean cosine 0.12, as words score against pictures). 50 channels and 2,000 authors of uneven size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.records.colours import SAMPLES
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, UserId, ms_snowflake

DIMENSION = 512
CHANNELS = 50
AUTHORS = 2_000
GUILD, MODEL = 1, 1
START_MS, SPAN_MS = 1_500_000_000_000, 5 * 365 * 86_400_000
CHUNK = 10_000
CELLS = 180  # of a picture's colours (indexer/records/colours.py)
VARIED = 24  # dimensions in which rows of a cluster differ

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Data:
    """Row i: its vector (float16), channel, author, message, colours; one place a picture. Deleted rows stay in the
    arrays.
    """

    vectors: npt.NDArray[np.float16]
    channel: npt.NDArray[np.int64]
    author: npt.NDArray[np.int64]
    message: npt.NDArray[np.int64]
    deleted: npt.NDArray[np.bool_]
    colours: npt.NDArray[np.uint8]
    image_queries: Vectors
    text_queries: Vectors

    def __len__(self) -> int:
        return len(self.vectors)


def make(rows: int, queries: int = 40, seed: int = 7) -> Data:
    rng = np.random.default_rng(seed)
    offset = _unit(rng.standard_normal((1, DIMENSION), np.float32))[0]
    centres = _unit(rng.standard_normal((max(rows // 500, 50), DIMENSION), np.float32))
    basis = _unit(rng.standard_normal((VARIED, DIMENSION), np.float32))
    vectors = np.empty((rows, DIMENSION), np.float16)
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        cluster = rng.zipf(1.3, count) % len(centres)
        spread = rng.uniform(0.5, 1.6, (count, 1)).astype(np.float32)
        varied = _unit(rng.standard_normal((count, VARIED), np.float32) @ basis)
        noise = _unit(rng.standard_normal((count, DIMENSION), np.float32))
        some = 0.72 * offset + spread * (0.42 * centres[cluster] + 0.45 * varied) + 0.2 * noise
        again = np.flatnonzero(rng.random(count) < 0.04)
        again = again[again > 0]
        some[again] = some[again - 1] + 0.02 * noise[again]
        vectors[start : start + count] = _unit(some)
    share = np.random.default_rng(seed).pareto(1.2, CHANNELS) + 0.3  # the same however many rows
    channel = rng.choice(CHANNELS, rows, p=share / share.sum()) + 1_000
    author = rng.zipf(1.25, rows) % AUTHORS + 500_000
    message = np.sort(rng.integers(0, SPAN_MS, rows)) + START_MS
    noise = _unit(rng.standard_normal((queries, DIMENSION), np.float32))
    varied = _unit(rng.standard_normal((queries, VARIED), np.float32) @ basis)
    near = vectors[rng.integers(0, rows, queries)].astype(np.float32)
    words = 0.155 * offset + 0.2 * centres[rng.integers(0, len(centres), queries)] + 0.15 * varied + 0.9 * noise
    return Data(
        vectors,
        channel.astype(np.int64),
        author.astype(np.int64),
        np.array([ms_snowflake(int(ms)) + number % 4096 for number, ms in enumerate(message)], np.int64),
        rng.random(rows) < 0.0018,
        _colours(rows),
        _unit(near + 0.3 * varied + 0.2 * noise),
        _unit(words),
    )


def _colours(rows: int) -> npt.NDArray[np.uint8]:
    """[rows, SAMPLES] of pictures that show six colours each, one more than another; a few colours are in most."""
    rng = np.random.default_rng(13)
    order = rng.permutation(CELLS)
    shown = order[rng.zipf(1.3, (rows, 6)) % CELLS].astype(np.uint8)
    return np.sort(np.take_along_axis(shown, rng.zipf(1.5, (rows, SAMPLES)) % 6, axis=1), axis=1)


def filters(data: Data) -> dict[str, Filter]:
    """The four filters of the goals, by name: each close to 100, 10, 2 and 0.1 % of the rows."""
    counts = np.bincount(data.channel - 1_000, minlength=CHANNELS) / len(data)
    by_size = np.argsort(np.abs(counts - 0.02))
    tries = (np.random.default_rng(seed).choice(CHANNELS, 5, replace=False) for seed in range(3_000))
    five = min(tries, key=lambda chosen: abs(counts[chosen].sum() - 0.10))
    authors, sizes = np.unique(data.author, return_counts=True)
    author = authors[np.argmin(np.abs(sizes - len(data) // 1000))]
    every = frozenset(ChannelId(1_000 + number) for number in range(CHANNELS))
    return {
        "all": Filter(every),
        "5 channels": Filter(frozenset(ChannelId(1_000 + int(number)) for number in five)),
        "1 channel": Filter(frozenset({ChannelId(1_000 + int(by_size[0]))})),
        "author": Filter(every, frozenset({UserId(int(author))})),
    }


def allowed_rows(data: Data, allowed: Filter) -> npt.NDArray[np.bool_]:
    """[n] which rows a filter of `filters` lets through."""
    mask = np.isin(data.channel, list(allowed.channels)) & ~data.deleted
    if allowed.authors is not None:
        mask &= np.isin(data.author, list(allowed.authors))
    return mask


def write(path: Path, data: Data, guild: int = GUILD) -> None:
    """Fills the migrated database at `path` as a finished crawl leaves it. Another `guild` has other channels and
    message ids.
    """
    channels_from, message_bits = 1_000 * (guild - GUILD), guild - GUILD << 12
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("INSERT OR IGNORE INTO models VALUES (1, 'bench', 'bench', ?, 'f')", (DIMENSION,))
    connection.execute(
        "INSERT OR IGNORE INTO guilds (guild_id, name, consent, added_ms) VALUES (?, 'bench', 1, 0)", (guild,)
    )
    connection.executemany(
        "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (?, ?, 'text', 'c')",
        [(channels_from + 1_000 + number, guild) for number in range(CHANNELS)],
    )
    connection.executemany(
        "INSERT INTO users (user_id, name) VALUES (?, 'u')", [(500_000 + number,) for number in range(AUTHORS)]
    )
    for start in range(0, len(data), CHUNK):
        rows = list(_rows(data, start, min(start + CHUNK, len(data))))
        connection.executemany(
            "INSERT INTO messages (message_id, guild_id, channel_id, author_id, edited_ms, checked_ms)"
            " VALUES (?, ?, ?, ?, NULL, 0)",
            [(m + message_bits, guild, c + channels_from, a) for _, m, c, a, *_ in rows],
        )
        connection.executemany(
            "INSERT INTO pictures (picture_id, sha256, colours, byte_count, state) VALUES (?, ?, ?, 1, 'ready')",
            [(number, number.to_bytes(32, "big"), colours) for number, *_, colours in rows],
        )
        connection.executemany(
            "INSERT INTO places (place_id, message_id, guild_id, ordinal, picture_id, source, link, state)"
            " VALUES (?, ?, ?, 0, ?, 'attachment', 'l', 'ready')",
            [(number, m + message_bits, guild, number) for number, m, *_ in rows],
        )
        connection.executemany(
            "INSERT INTO embeddings (picture_id, model_id, vector) VALUES (?, 1, ?)",
            [(number, vector) for number, *_, vector, _ in rows],
        )
        connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def delete_marked(path: Path, data: Data) -> None:
    """Deletes the messages of `data.deleted`, as a moderator's purge does."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys = ON")
    gone = [(int(message),) for message in data.message[data.deleted]]
    connection.executemany("DELETE FROM messages WHERE message_id = ?", gone)
    connection.commit()
    connection.close()


def _rows(data: Data, start: int, stop: int) -> Iterator[tuple[int, int, int, int, bytes, bytes]]:
    for row in range(start, stop):
        yield (
            row + 1, int(data.message[row]), int(data.channel[row]), int(data.author[row]), data.vectors[row].tobytes(),
            data.colours[row].tobytes(),
        )  # fmt: skip


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
