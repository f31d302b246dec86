"""Texts of pictures: words read in them, captions. A text belongs to the content, so to all places that show it.

What a message says about its pictures (alt texts, file names) belongs to that message; see messages.py. Triggers of the
migration keep the searched table (`shown_texts`) equal to these rows. A text is deleted together with its picture.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

import aiosqlite

from indexer.database.database import as_json, first
from indexer.records.ids import MessageId, PictureId


async def put(
    tx: aiosqlite.Connection, picture_id: PictureId, kind: str, body: str, confidence: float | None = None
) -> bool:
    """Stores `body` as the picture's text of this kind and replaces the earlier one. An empty `body` deletes it.

    `kind` is a TextKind. `confidence` (0–1) is the certainty; None: unknown. False where the picture was deleted
    meanwhile.
    """
    if not body.strip():
        await tx.execute_fetchall("DELETE FROM picture_texts WHERE picture_id = ? AND kind = ?", (picture_id, kind))
        return await first(tx, "SELECT 1 FROM pictures WHERE picture_id = ?", (picture_id,)) is not None
    cursor = await tx.execute(
        # From `pictures`: between reading a picture and storing its text the picture may have been deleted.
        "INSERT INTO picture_texts (picture_id, kind, body, confidence)"
        " SELECT picture_id, ?2, ?3, ?4 FROM pictures WHERE picture_id = ?1"
        " ON CONFLICT (picture_id, kind) DO UPDATE SET body = excluded.body, confidence = excluded.confidence",
        (picture_id, kind, body, confidence),
    )
    return cursor.rowcount > 0


def shown_by(
    connection: sqlite3.Connection, message_ids: Collection[MessageId]
) -> dict[MessageId, dict[PictureId, dict[str, str]]]:
    """For each message whose pictures have texts: the texts of each picture by their kinds. Blocks: see in_thread."""
    rows = connection.execute(
        "SELECT DISTINCT p.message_id, t.picture_id, t.kind, t.body"
        " FROM places p JOIN picture_texts t USING (picture_id)"
        " WHERE p.message_id IN (SELECT value FROM json_each(?)) ORDER BY t.kind",
        (as_json(message_ids),),
    )
    bodies: dict[MessageId, dict[PictureId, dict[str, str]]] = {}
    for message_id, picture_id, kind, body in rows:
        bodies.setdefault(MessageId(message_id), {}).setdefault(PictureId(picture_id), {})[kind] = body
    return bodies
