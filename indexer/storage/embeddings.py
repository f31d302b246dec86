"""Embeddings: the truth that segments are derived from, one a picture and model, float16."""

from __future__ import annotations

from collections.abc import Sequence

import aiosqlite
import numpy as np

from indexer.model import ModelId, ModelSpec, PictureId, Vectors
from indexer.storage.database import first

_FLOAT16 = np.dtype("<f2")
_LENGTH_TOLERANCE = 1e-2  # a unit vector of any precision a model runs in; far from what is not normalised at all


async def model_id(tx: aiosqlite.Connection, spec: ModelSpec) -> ModelId:
    """The id of exactly this model, new or known."""
    identity = (spec.name, spec.pretrained, spec.dimension, spec.fingerprint)
    await tx.execute_fetchall(
        "INSERT INTO models (name, pretrained, dimension, fingerprint) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        identity,
    )
    row = await first(
        tx,
        "SELECT model_id FROM models WHERE name = ? AND pretrained = ? AND dimension = ? AND fingerprint = ?",
        identity,
    )
    assert row is not None
    return ModelId(row[0])


async def models(connection: aiosqlite.Connection) -> dict[ModelId, ModelSpec]:
    """Every model that has ever been used here."""
    rows = await connection.execute_fetchall(
        "SELECT model_id, name, pretrained, dimension, fingerprint FROM models ORDER BY model_id"
    )
    return {ModelId(number): ModelSpec(*spec) for number, *spec in rows}


async def add(tx: aiosqlite.Connection, model_id: ModelId, embeddings: Sequence[tuple[PictureId, Vectors]]) -> int:
    """Stores embeddings ([d] float32 of unit length), replacing earlier ones; returns how many changed something.

    A picture that is gone by now is passed over. Raises ValueError for a vector of another dimension than the model's,
    not finite, or not of unit length: nothing is stored then.
    """
    row = await first(tx, "SELECT dimension FROM models WHERE model_id = ?", (model_id,))
    if row is None:
        raise ValueError(f"model {model_id} is unknown: ask embeddings.model_id for its id first")
    for picture_id, vector in embeddings:
        if vector.shape != row:
            raise ValueError(f"picture {picture_id}: not a vector of unit length and shape {row}: {vector.shape}")
    vectors = np.array([vector for _, vector in embeddings], np.float32).reshape(-1, *row)
    unit = np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < _LENGTH_TOLERANCE
    if not unit.all():
        picture_id = embeddings[int(np.argmin(unit))][0]
        raise ValueError(f"picture {picture_id}: not a vector of unit length and shape {row}")
    cursor = await tx.executemany(
        "INSERT INTO embeddings (picture_id, model_id, vector)"
        " SELECT picture_id, ?, ? FROM pictures WHERE picture_id = ?"
        " ON CONFLICT (picture_id, model_id) DO UPDATE SET vector = excluded.vector WHERE vector != excluded.vector",
        [
            (model_id, half.tobytes(), picture_id)
            for (picture_id, _), half in zip(embeddings, vectors.astype(_FLOAT16), strict=True)
        ],
    )
    return cursor.rowcount


async def missing(
    connection: aiosqlite.Connection, model_id: ModelId, limit: int, *, below: PictureId | None = None
) -> list[PictureId]:
    """Ready pictures without an embedding of this model, newest first; `below`: go on after this one."""
    rows = await connection.execute_fetchall(
        "SELECT picture_id FROM pictures WHERE state = 'ready' AND picture_id < ifnull(?1, 9223372036854775807)"
        " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.picture_id = pictures.picture_id AND e.model_id = ?2)"
        " ORDER BY picture_id DESC LIMIT ?3",
        (below, model_id, limit),
    )
    return [PictureId(picture_id) for (picture_id,) in rows]


async def vector(connection: aiosqlite.Connection, model_id: ModelId, picture_id: PictureId) -> Vectors | None:
    """[d] float32, as stored (float16's precision); None where there is none."""
    row = await first(
        connection, "SELECT vector FROM embeddings WHERE picture_id = ? AND model_id = ?", (picture_id, model_id)
    )
    return None if row is None else np.frombuffer(row[0], _FLOAT16).astype(np.float32)
