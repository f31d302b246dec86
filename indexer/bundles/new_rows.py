"""Stores a batch of a bundle's messages that are not known here, and what is new of those that are known, in SQL alone.

The bundle is attached as `bundle`; the tables of TEMPORARY say how its numbers read here. One statement a table and a
batch: with rows of Python's between them it took three times as long.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from indexer.bundles.content import MODEL_SHIFT
from indexer.records.ids import MessageId
from indexer.records.messages import PlaceFlag

TEMPORARY: Final = {
    "incoming_origins": "id INTEGER PRIMARY KEY, own INTEGER NOT NULL",
    "incoming_models": "id INTEGER PRIMARY KEY, own INTEGER NOT NULL",
    "incoming_messages": "message_id INTEGER PRIMARY KEY, known INTEGER NOT NULL",
    "incoming_pictures": "id INTEGER PRIMARY KEY, own INTEGER NOT NULL, state TEXT NOT NULL, fresh INTEGER NOT NULL",
}

_PICTURE = "sha256, perceptual_hash, colours, width, height, format, frame_count, byte_count, state, reason"
_PLACE = "source, link, file_name, alt_text, content_type, byte_count, width, height, flags, attempts"  # as they come
# The same place here and there: after an update it has the same link at the same ordinal.
_SAME_PLACE = (
    "temp.incoming_messages i CROSS JOIN bundle.places b ON b.message_id = i.message_id"
    " CROSS JOIN main.places p ON p.message_id = b.message_id AND p.ordinal = b.ordinal AND p.link = b.link"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages `low` … `high` of the bundle, but for `refused`. `keep_all`: also those without a picture.
    `with_paths`: where an archive has the files is stored too.
    """

    low: MessageId
    high: MessageId
    refused: tuple[MessageId, ...]
    keep_all: bool
    with_paths: bool


@dataclass(frozen=True, slots=True)
class Brought:
    """How many came in. `bare` messages have no picture, and are not wanted here."""

    messages: int
    bare: int
    pictures: int
    embeddings: int


def store(connection: sqlite3.Connection, batch: Batch) -> Brought:
    """Inside the caller's transaction. Blocks. A message that is known keeps its row and its words."""
    execute = connection.execute
    bare = _choose(connection, batch)
    _map_pictures(connection)
    fresh = execute(
        f"INSERT INTO main.pictures (picture_id, {_PICTURE})"
        f" SELECT i.own, {', '.join('b.' + name for name in _PICTURE.split(', '))}"
        " FROM temp.incoming_pictures i CROSS JOIN bundle.pictures b ON b.picture_id = i.id WHERE i.fresh"
    ).rowcount
    _make_ready(connection)
    embedded = execute(
        "INSERT INTO main.embeddings (picture_id, model_id, vector) SELECT i.own, m.own, e.vector"
        " FROM temp.incoming_models m CROSS JOIN temp.incoming_pictures i"
        f" CROSS JOIN bundle.embeddings e ON e.embedding_id = (m.id << {MODEL_SHIFT}) + i.id"
        " WHERE i.state = 'ready' ON CONFLICT DO NOTHING"
    ).rowcount
    _frames(connection)
    execute(
        "INSERT INTO main.picture_texts (picture_id, kind, body, confidence) SELECT i.own, t.kind, t.body, t.confidence"
        " FROM temp.incoming_pictures i CROSS JOIN bundle.picture_texts t ON t.picture_id = i.id"
        " WHERE true ON CONFLICT DO NOTHING"
    )
    stored = _messages(connection)
    _places(connection, batch.with_paths)
    return Brought(stored, bare, max(fresh, 0), max(embedded, 0))


def _choose(connection: sqlite3.Connection, batch: Batch) -> int:
    """Fills `incoming_messages`; returns how many messages without a picture were left out."""
    execute = connection.execute
    execute("DELETE FROM temp.incoming_messages")
    execute(
        "INSERT INTO temp.incoming_messages (message_id, known)"
        " SELECT b.message_id, m.message_id IS NOT NULL"
        " FROM bundle.messages b LEFT JOIN main.messages m USING (message_id)"
        " WHERE b.message_id BETWEEN ? AND ? AND b.message_id NOT IN (SELECT value FROM json_each(?))",
        (batch.low, batch.high, json.dumps(batch.refused)),
    )
    if batch.keep_all:
        return 0
    return execute(
        "DELETE FROM temp.incoming_messages WHERE NOT known"
        " AND NOT EXISTS (SELECT 1 FROM bundle.places b WHERE b.message_id = incoming_messages.message_id)"
    ).rowcount


def _map_pictures(connection: sqlite3.Connection) -> None:
    """Fills `incoming_pictures`: of new messages all, of known ones those that are stored here, or that a place here
    waits for. A picture that is new gets the next number, in the bundle's order.
    """
    execute = connection.execute
    execute("DELETE FROM temp.incoming_pictures")
    (newest,) = execute("SELECT ifnull((SELECT seq FROM main.sqlite_sequence WHERE name = 'pictures'), 0)").fetchone()
    execute(
        "WITH wanted AS ("
        "   SELECT b.picture_id, 1 AS shown FROM temp.incoming_messages i CROSS JOIN bundle.places b USING (message_id)"
        "   WHERE NOT i.known AND b.picture_id IS NOT NULL"
        "   UNION ALL"
        f"  SELECT b.picture_id, p.state != 'ready' FROM {_SAME_PLACE} WHERE i.known AND b.state = 'ready'"
        "), once AS (SELECT picture_id, max(shown) AS shown FROM wanted GROUP BY picture_id)"
        " INSERT INTO temp.incoming_pictures (id, own, state, fresh)"
        " SELECT b.picture_id, ifnull(o.picture_id, ? + row_number() OVER (ORDER BY b.picture_id)),"
        "   CASE WHEN 'ready' IN (b.state, o.state) THEN 'ready' ELSE b.state END, o.picture_id IS NULL"
        " FROM once CROSS JOIN bundle.pictures b USING (picture_id) LEFT JOIN main.pictures o ON o.sha256 = b.sha256"
        " WHERE o.picture_id IS NOT NULL OR once.shown",
        (newest,),
    )


def _make_ready(connection: sqlite3.Connection) -> None:
    """Pictures that could not be opened here, and could there."""
    found = connection.execute(
        "SELECT b.perceptual_hash, b.colours, b.width, b.height, b.format, b.frame_count, o.picture_id"
        " FROM temp.incoming_pictures i CROSS JOIN main.pictures o ON o.picture_id = i.own AND o.state = 'rejected'"
        " CROSS JOIN bundle.pictures b ON b.picture_id = i.id AND b.state = 'ready' WHERE NOT i.fresh"
    ).fetchall()
    connection.executemany(
        "UPDATE main.pictures SET perceptual_hash = ?, colours = ?, width = ?, height = ?, format = ?,"
        " frame_count = ?, state = 'ready', reason = NULL WHERE picture_id = ?",
        found,
    )
    connection.executemany(
        "UPDATE main.places SET state = 'ready', reason = NULL, next_attempt_ms = NULL"
        " WHERE picture_id = ? AND state = 'failed'",
        [(picture_id,) for *_, picture_id in found],
    )


def _frames(connection: sqlite3.Connection) -> None:
    """Further frames of animations that have none here, and of which fewer were looked for."""
    found = connection.execute(
        "SELECT b.at_ms, b.frames_sought, o.embedding_id, b.embedding_id FROM temp.incoming_models m"
        f" CROSS JOIN temp.incoming_pictures i"
        f" CROSS JOIN bundle.embeddings b ON b.embedding_id = (m.id << {MODEL_SHIFT}) + i.id AND b.frames_sought > 1"
        " CROSS JOIN main.embeddings o ON o.picture_id = i.own AND o.model_id = m.own"
        "   AND o.frames_sought < b.frames_sought"
        " WHERE NOT EXISTS (SELECT 1 FROM main.frames k WHERE k.picture_id = i.own AND k.model_id = m.own)"
    ).fetchall()
    connection.executemany(
        "UPDATE main.embeddings SET at_ms = ?, frames_sought = ? WHERE embedding_id = ?", [row[:3] for row in found]
    )
    connection.executemany(
        "INSERT INTO main.frames (picture_id, model_id, at_ms, perceptual_hash, vector)"
        " SELECT o.picture_id, o.model_id, f.at_ms, f.perceptual_hash, f.vector"
        " FROM main.embeddings o CROSS JOIN bundle.frames f WHERE o.embedding_id = ? AND f.embedding_id = ?",
        [row[2:] for row in found],
    )


def _messages(connection: sqlite3.Connection) -> int:
    """Authors, messages and words. What Discord said here of an author stays."""
    execute = connection.execute
    execute(
        "INSERT INTO main.users (user_id, name, bot) SELECT u.user_id, u.name, u.bot FROM bundle.users u"
        " WHERE u.user_id IN (SELECT b.author_id FROM temp.incoming_messages i"
        "   CROSS JOIN bundle.messages b USING (message_id) WHERE NOT i.known)"
        " ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, bot = ifnull(excluded.bot, bot)"
        " WHERE NOT EXISTS (SELECT 1 FROM main.messages WHERE author_id = excluded.user_id AND origin_id = 0)"
    )
    stored = execute(
        "INSERT INTO main.messages (message_id, guild_id, channel_id, author_id, edited_ms, checked_ms, origin_id)"
        " SELECT b.message_id, b.guild_id, b.channel_id, b.author_id, b.edited_ms, b.checked_ms, o.own"
        " FROM temp.incoming_messages i CROSS JOIN bundle.messages b USING (message_id)"
        " CROSS JOIN temp.incoming_origins o ON o.id = b.origin_id WHERE NOT i.known"
    ).rowcount
    execute(
        "INSERT INTO main.texts (message_id, content, file_names, alt_texts)"
        " SELECT b.message_id, b.content, b.file_names, b.alt_texts"
        " FROM temp.incoming_messages i CROSS JOIN bundle.messages b USING (message_id) WHERE NOT i.known"
    )
    return max(stored, 0)


def _places(connection: sqlite3.Connection, with_paths: bool) -> None:
    """Places of new messages; and of known ones, whose picture the bundle has while this folder waits for it."""
    execute = connection.execute
    ready = "CASE WHEN c.state = 'ready' THEN"
    execute(
        f"INSERT INTO main.places (message_id, guild_id, ordinal, picture_id, state, reason, next_attempt_ms, path,"
        f" {_PLACE}) SELECT b.message_id, m.guild_id, b.ordinal, c.own, {ready} 'ready' ELSE b.state END,"
        f"   {ready} NULL ELSE b.reason END, {ready} NULL ELSE b.next_attempt_ms END,"
        f"   {'b.path' if with_paths else 'NULL'},"
        f"   {', '.join('b.' + name for name in _PLACE.split(', '))}"
        " FROM temp.incoming_messages i CROSS JOIN bundle.places b USING (message_id)"
        " CROSS JOIN bundle.messages m USING (message_id) LEFT JOIN temp.incoming_pictures c ON c.id = b.picture_id"
        " WHERE NOT i.known"
    )
    found = execute(
        f"SELECT c.own, b.flags & {PlaceFlag.ANIMATED.value}, p.place_id FROM {_SAME_PLACE}"
        " CROSS JOIN temp.incoming_pictures c ON c.id = b.picture_id AND c.state = 'ready'"
        " WHERE i.known AND b.state = 'ready' AND p.state != 'ready'"
    ).fetchall()
    connection.executemany(
        "UPDATE main.places SET picture_id = ?, state = 'ready', reason = NULL, next_attempt_ms = NULL,"
        " flags = flags | ? WHERE place_id = ?",
        found,
    )
    execute(
        "INSERT INTO main.tags (place_id, tag, channel_id) SELECT p.place_id, t.tag, m.channel_id"
        f" FROM {_SAME_PLACE} CROSS JOIN bundle.tags t ON t.message_id = b.message_id AND t.ordinal = b.ordinal"
        " CROSS JOIN main.messages m ON m.message_id = b.message_id WHERE true ON CONFLICT DO NOTHING"
    )
    execute(
        "INSERT INTO main.exif (place_id, camera, lens, x, y, z) SELECT p.place_id, e.camera, e.lens, e.x, e.y, e.z"
        f" FROM {_SAME_PLACE} CROSS JOIN bundle.exif e ON e.message_id = b.message_id AND e.ordinal = b.ordinal"
        " WHERE true ON CONFLICT DO NOTHING"
    )
