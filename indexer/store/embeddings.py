"""Embeddings: one for each picture and model, float16. The index's segments are derived from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import aiosqlite
import numpy as np

from indexer.database.database import as_json, first
from indexer.records.ids import ChannelId, GuildId, ModelId, PictureId
from indexer.records.messages import Message
from indexer.records.pictures import ModelSpec, Vectors
from indexer.store.message_pictures import NewPlace, joined

_FLOAT16 = np.dtype("<f2")
_LENGTH_TOLERANCE = 1e-2  # enough for any precision of a model; a vector that is not normalised differs far more


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
    """Stores embeddings ([d] float32 of unit length) and replaces earlier ones. Returns how many rows changed.

    A picture that was deleted meanwhile is left out. Raises ValueError for a vector that has another dimension than the
    model, is not finite, or is not of unit length; then nothing is stored.
    """
    halves = await as_halves(tx, model_id, embeddings)
    # One query, and then plain rows: with a look-up inside the INSERT each row would cost half as much again.
    existing = await tx.execute_fetchall(
        "SELECT picture_id FROM json_each(?) j CROSS JOIN pictures ON picture_id = j.value",
        (as_json(picture_id for picture_id, _ in embeddings),),
    )
    existing_ids = {picture_id for (picture_id,) in existing}
    cursor = await tx.executemany(
        "INSERT INTO embeddings (picture_id, model_id, vector) VALUES (?, ?, ?)"
        " ON CONFLICT (picture_id, model_id) DO UPDATE SET vector = excluded.vector WHERE vector != excluded.vector",
        [
            (picture_id, model_id, half)
            for (picture_id, _), half in zip(embeddings, halves, strict=True)
            if picture_id in existing_ids
        ],
    )
    return cursor.rowcount


async def as_halves(
    connection: aiosqlite.Connection, model_id: ModelId, found: Sequence[tuple[PictureId, Vectors]]
) -> list[bytes]:
    """Vectors of pictures as they are stored. Raises ValueError as `add`."""
    row = await first(connection, "SELECT dimension FROM models WHERE model_id = ?", (model_id,))
    if row is None:
        raise ValueError(f"model {model_id} is unknown: ask embeddings.model_id for its id first")
    shape = (row[0],)
    for picture_id, vector in found:
        if vector.shape != shape:
            raise ValueError(f"picture {picture_id}: not a vector of unit length and shape {shape}: {vector.shape}")
    vectors = np.array([vector for _, vector in found], np.float32).reshape(-1, *shape)
    unit = np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < _LENGTH_TOLERANCE
    if not unit.all():
        picture_id = found[int(np.argmin(unit))][0]
        raise ValueError(f"picture {picture_id}: not a vector of unit length and shape {shape}")
    return [half.tobytes() for half in vectors.astype(_FLOAT16)]


async def count(connection: aiosqlite.Connection, model_id: ModelId) -> int:
    """How many pictures have an embedding of this model."""
    row = await first(connection, "SELECT count(*) FROM embeddings WHERE model_id = ?", (model_id,))
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def tried_all(tx: aiosqlite.Connection, guild_id: GuildId, model_id: ModelId) -> None:
    """Records that a run has tried every picture of the guild with this model: from now on it answers there."""
    await tx.execute_fetchall(
        "INSERT INTO tried_models (guild_id, model_id) SELECT guild_id, ? FROM guilds WHERE guild_id = ?"
        " ON CONFLICT (guild_id) DO UPDATE SET model_id = excluded.model_id",
        (model_id, guild_id),
    )


async def missing(
    connection: aiosqlite.Connection,
    model_id: ModelId,
    limit: int,
    *,
    below: PictureId | None = None,
    frames: int = 1,
) -> list[PictureId]:
    """Ready pictures without an embedding of this model, newest first, and animations of which fewer than `frames` were
    looked for. `below`: continue after this picture.
    """
    rows = await connection.execute_fetchall(
        "SELECT picture_id FROM pictures WHERE state = 'ready' AND picture_id < ifnull(?1, 9223372036854775807)"
        " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.picture_id = pictures.picture_id AND e.model_id = ?2"
        "   AND (e.frames_sought >= ?4 OR ifnull(frame_count, 1) <= 1))"
        " ORDER BY picture_id DESC LIMIT ?3",
        (below, model_id, limit, frames),
    )
    return [PictureId(picture_id) for (picture_id,) in rows]


async def blank_channels(
    connection: aiosqlite.Connection, guild_id: GuildId, model_id: ModelId, among: Collection[ChannelId], limit: int
) -> list[ChannelId]:
    """Channels and threads of `among` without any embedding of this model although they may hold pictures.

    They are not read to their beginning, or have a picture that waits. The youngest come first, at most `limit`.
    Channels of a guild that has not consented or whose job is paused are left out, and so are channels closed to the
    bot.
    """
    rows = await connection.execute_fetchall(
        "SELECT channel_id FROM channels c WHERE guild_id = :guild AND parked_reason IS NULL"
        " AND kind NOT IN ('forum', 'media')"
        " AND channel_id IN (SELECT value FROM json_each(:among))"
        " AND EXISTS (SELECT 1 FROM guilds g WHERE g.guild_id = c.guild_id AND g.consent = 1)"
        " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.guild_id = c.guild_id AND j.state = 'paused')"
        " AND NOT EXISTS (SELECT 1 FROM messages m JOIN places p USING (message_id)"
        "   JOIN embeddings e USING (picture_id) WHERE m.channel_id = c.channel_id AND e.model_id = :model)"
        " AND (NOT EXISTS (SELECT 1 FROM spans s WHERE s.channel_id = c.channel_id AND s.origin_id = 0 AND s.low = 0)"
        "   OR EXISTS (SELECT 1 FROM messages m JOIN places p USING (message_id)"
        "     WHERE m.channel_id = c.channel_id AND p.state != 'failed'))"
        " ORDER BY channel_id DESC LIMIT :limit",
        {"guild": guild_id, "model": model_id, "among": as_json(among), "limit": limit},
    )
    return [ChannelId(channel_id) for (channel_id,) in rows]


async def lacking(
    connection: aiosqlite.Connection, model_id: ModelId, messages: Collection[Message], limit: int
) -> tuple[NewPlace, ...]:
    """Places of these messages whose picture has no embedding of this model and has not failed, newest first."""
    rows = await connection.execute_fetchall(
        "SELECT place_id, message_id, ordinal, link FROM places p"
        " WHERE message_id IN (SELECT value FROM json_each(?)) AND state != 'failed'"
        " AND NOT EXISTS (SELECT 1 FROM embeddings e WHERE e.picture_id = p.picture_id AND e.model_id = ?)"
        " ORDER BY message_id DESC, ordinal LIMIT ?",
        (as_json(message.id for message in messages), model_id, limit),
    )
    return joined([tuple(row) for row in rows], messages)


async def vector(connection: aiosqlite.Connection, model_id: ModelId, picture_id: PictureId) -> Vectors | None:
    """[d] float32, as stored (float16's precision); None where there is none."""
    row = await first(
        connection, "SELECT vector FROM embeddings WHERE picture_id = ? AND model_id = ?", (picture_id, model_id)
    )
    return None if row is None else as_vector(row[0])


def as_vector(half: bytes) -> Vectors:
    """[d] float32 of a stored vector."""
    return np.frombuffer(half, _FLOAT16).astype(np.float32)


async def frames_sought(connection: aiosqlite.Connection, model_id: ModelId, picture_id: PictureId) -> int | None:
    """How many frames of the picture were looked for when it was embedded; None where it was not."""
    row = await first(
        connection,
        "SELECT frames_sought FROM embeddings WHERE picture_id = ? AND model_id = ?",
        (picture_id, model_id),
    )
    return None if row is None else int(row[0])


async def room(connection: aiosqlite.Connection) -> tuple[int, int]:
    """How many embeddings there are of all models, and the bytes of their vectors and of those of further frames."""
    row = await first(
        connection,
        "SELECT coalesce(sum(n), 0), coalesce(sum((n + further) * 2 * dimension), 0) FROM (SELECT dimension,"
        " (SELECT count(*) FROM embeddings e WHERE e.model_id = models.model_id) AS n,"
        " (SELECT count(*) FROM frames f WHERE f.model_id = models.model_id) AS further FROM models)",
    )
    assert row is not None, "an aggregate has one row"
    return int(row[0]), int(row[1])
