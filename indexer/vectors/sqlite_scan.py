"""The scan of embeddings in SQLite: it gives the same answers without FAISS and without a segment."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from indexer.records.hits import Candidate, Filter
from indexer.records.ids import GuildId, ModelId
from indexer.store.filter_sql import PLACE_INSIDE, filter_values
from indexer.vectors.candidates import make_place, ranked
from indexer.vectors.columns import Bytes, Floats, Ints, score
from indexer.vectors.compaction_input import has_frames
from indexer.vectors.sample import chosen

FETCH_ROWS = 20_000  # read at once: a row is 300 bytes as Python objects and 48 as numbers
CHUNK = 2048  # vectors scored at once: 4 MB of float32 at 512 dimensions

_PLACES = f"""
    SELECT p.picture_id, m.message_id, p.place_id, m.channel_id, m.author_id, p.flags
    FROM messages m JOIN places p USING (message_id)
    WHERE m.guild_id = :guild AND {PLACE_INSIDE}
        AND EXISTS (SELECT 1 FROM embeddings e
                    WHERE e.picture_id = p.picture_id AND e.model_id = :model AND length(e.vector) = :bytes)
"""  # noqa: S608 -- constants
_VECTORS = (
    "SELECT picture_id, vector FROM embeddings WHERE model_id = ? AND picture_id IN (SELECT value FROM json_each(?))"
)
_FRAMES = """
    SELECT picture_id, vector FROM frames
    WHERE model_id = ? AND picture_id IN (SELECT value FROM json_each(?)) AND length(vector) = ?
"""


def search(
    connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, query: Floats, k: int, allowed: Filter
) -> tuple[tuple[Candidate, ...], int]:
    """The k best pictures inside the filter and how many places are inside it. One snapshot. Blocks.

    Memory: 48 bytes a place inside the filter, and CHUNK vectors.
    """
    connection.execute("BEGIN")
    try:
        places = _places(connection, guild_id, model_id, len(query), allowed)
        pictures, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        moving = has_frames(connection, model_id)
        for chunk, vectors in _vectors(connection, model_id, np.unique(places[:, 0]), 2 * len(query), frames=moving):
            pictures = np.concatenate([pictures, chunk])
            scores = np.concatenate([scores, score(vectors, query)])
            order = np.argsort(-scores, kind="stable")
            if moving:  # of several frames of a picture the best one
                _, first = np.unique(pictures[order], return_index=True)
                order = order[np.sort(first)]
            if len(order) > k:
                order = order[scores[order] >= scores[order[k - 1]]]
            pictures, scores = pictures[order], scores[order]
    finally:
        connection.execute("ROLLBACK")
    shown = defaultdict(list)
    for picture, *place in places[np.isin(places[:, 0], pictures)].tolist():
        shown[picture].append(make_place(*place))
    return ranked(pictures, scores, shown, k), len(places)


def sample(
    connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, dimension: int, allowed: Filter, count: int
) -> Bytes:
    """[n, 2·dimension] float16 bytes of the sample (sample.py) inside the filter. One snapshot. Blocks."""
    connection.execute("BEGIN")
    try:
        places = _places(connection, guild_id, model_id, dimension, allowed)
        pictures = places[chosen(places[:, 1], places[:, 2], places[:, 0], count), 0]
        vectors = np.empty((len(pictures), 2 * dimension), np.uint8)
        for chunk, rows in _vectors(connection, model_id, pictures, 2 * dimension):
            order = np.argsort(pictures)
            vectors[order[np.searchsorted(pictures, chunk, sorter=order)]] = rows
    finally:
        connection.execute("ROLLBACK")
    return vectors


def _places(
    connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, dimension: int, allowed: Filter
) -> Ints:
    """[n, 6] every place inside the filter with an embedding, in the order of _PLACES' columns."""
    cursor = connection.execute(
        _PLACES,
        {
            "guild": guild_id,
            "model": model_id,
            "bytes": 2 * dimension,
            **filter_values(allowed),
        },
    )
    chunks = [np.empty((0, 6), np.int64)]
    while rows := cursor.fetchmany(FETCH_ROWS):
        chunks.append(np.array(rows, np.int64))
    return np.concatenate(chunks)


def _vectors(
    connection: sqlite3.Connection, model_id: ModelId, pictures: Ints, width: int, *, frames: bool = False
) -> Iterator[tuple[Ints, Bytes]]:
    """`frames`: with the further frames of these pictures, whose ids then occur several times."""
    for start in range(0, len(pictures), CHUNK):
        chunk = json.dumps(pictures[start : start + CHUNK].tolist())
        rows = connection.execute(_VECTORS, (model_id, chunk)).fetchall()
        if frames:
            rows += connection.execute(_FRAMES, (model_id, chunk, width)).fetchall()
        ids = np.fromiter((picture for picture, _ in rows), np.int64, len(rows))
        yield ids, np.frombuffer(b"".join(vector for _, vector in rows), np.uint8).reshape(-1, width)
