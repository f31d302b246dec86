"""Further frames of animations: more embeddings of one picture. The index's segments are derived from them, too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import ModelId, PictureId
from indexer.records.pictures import EmbeddedFrame, Moment
from indexer.store.embeddings import as_halves, as_vector
from indexer.store.pictures import as_signed, as_unsigned


@dataclass(frozen=True, slots=True)
class Animation:
    """What was found of an animation. `at_ms`: when the frame is shown that its embedding has. `sought`: so many frames
    were looked for, `further` are the others that look different.
    """

    picture_id: PictureId
    at_ms: int
    sought: int
    further: tuple[EmbeddedFrame, ...]


async def put(tx: aiosqlite.Connection, model_id: ModelId, animations: Sequence[Animation]) -> None:
    """Stores the frames of animations in place of those that they had. Their embeddings must be stored before.

    A picture that was deleted meanwhile is left out. Raises ValueError as `embeddings.add`.
    """
    if not animations:
        return
    ids = as_json(animation.picture_id for animation in animations)
    shown = [(animation.picture_id, frame) for animation in animations for frame in animation.further]
    halves = await as_halves(tx, model_id, [(picture_id, frame.vector) for picture_id, frame in shown])
    await tx.execute_fetchall(
        "DELETE FROM frames WHERE model_id = ? AND picture_id IN (SELECT value FROM json_each(?))", (model_id, ids)
    )
    await tx.executemany(
        "UPDATE embeddings SET at_ms = ?, frames_sought = ? WHERE picture_id = ? AND model_id = ?",
        [(animation.at_ms, animation.sought, animation.picture_id, model_id) for animation in animations],
    )
    await tx.executemany(
        "INSERT INTO frames (picture_id, model_id, at_ms, perceptual_hash, vector) SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE EXISTS (SELECT 1 FROM embeddings WHERE picture_id = ?1 AND model_id = ?2)"
        " ON CONFLICT (picture_id, model_id, at_ms) DO NOTHING",
        [
            (picture_id, model_id, frame.moment.at_ms, as_signed(frame.moment.perceptual_hash), half)
            for (picture_id, frame), half in zip(shown, halves, strict=True)
        ],
    )


async def of(
    connection: aiosqlite.Connection, model_id: ModelId, picture_ids: Collection[PictureId]
) -> dict[PictureId, tuple[EmbeddedFrame, ...]]:
    """The further frames of these pictures, in order of time, of those that have any."""
    if not picture_ids:
        return {}
    rows = await connection.execute_fetchall(
        "SELECT picture_id, at_ms, perceptual_hash, vector FROM frames WHERE model_id = ?"
        " AND picture_id IN (SELECT value FROM json_each(?)) ORDER BY picture_id, at_ms",
        (model_id, as_json(picture_ids)),
    )
    found: dict[PictureId, list[EmbeddedFrame]] = {}
    for picture_id, at_ms, stored_hash, half in rows:
        frame = EmbeddedFrame(Moment(at_ms, as_unsigned(stored_hash)), as_vector(half))
        found.setdefault(PictureId(picture_id), []).append(frame)
    return {picture_id: tuple(further) for picture_id, further in found.items()}
