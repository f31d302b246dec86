"""Compares rows that were gathered with what a data folder has of them: before anything is deleted where they were.

What the folder must not store, or has in a later version, counts as there: its own promises hold, and a bot that runs
on it goes on meanwhile. A picture that another server of the folder shows keeps what was made of it there.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

from indexer.bundles import content, saved_rows
from indexer.database.connections import connect_readonly
from indexer.errors import StorageError

_PICTURE_OF: Final = f"b.embedding_id & {(1 << content.MODEL_SHIFT) - 1}"
_MODEL_OF: Final = f"b.embedding_id >> {content.MODEL_SHIFT}"
_SAME_MODEL: Final = (
    "(m.name, m.pretrained, m.dimension, m.fingerprint) = (n.name, n.pretrained, n.dimension, n.fingerprint)"
)
# Made here before, perhaps by another machine, whose last bits differ.
_ELSEWHERE: Final = (
    "EXISTS (SELECT 1 FROM main.places q WHERE q.picture_id = c.picture_id"
    " AND q.guild_id NOT IN (SELECT guild_id FROM bundle.guilds))"
)

# The messages whose rows must be here as they were gathered, and their pictures.
_COMPARED: Final = (
    "CREATE TEMP TABLE compared (message_id INTEGER PRIMARY KEY)",
    "INSERT INTO compared SELECT b.message_id FROM bundle.messages b"
    " LEFT JOIN main.messages m USING (message_id) WHERE NOT EXISTS ("
    "   SELECT 1 FROM main.opt_outs o WHERE o.user_id = b.author_id AND o.guild_id IN (0, b.guild_id))"
    " AND NOT EXISTS (SELECT 1 FROM main.deletions d WHERE d.message_id = b.message_id)"
    " AND NOT EXISTS (SELECT 1 FROM main.deleted_here d WHERE d.message_id = b.message_id)"
    " AND (m.message_id IS NULL"
    "   OR (ifnull(m.edited_ms, 0), m.checked_ms) <= (ifnull(b.edited_ms, 0), b.checked_ms))",
    "CREATE TEMP TABLE shown (picture_id INTEGER PRIMARY KEY)",
    "INSERT OR IGNORE INTO shown SELECT picture_id FROM bundle.places"
    " WHERE picture_id IS NOT NULL AND message_id IN (SELECT message_id FROM compared)",
)

# Each counts rows that were gathered and are not here as they were.
_LACKING: Final = {
    "channels": "SELECT count(*) FROM bundle.channels b WHERE NOT EXISTS (SELECT 1 FROM main.channels c"
    " WHERE (c.channel_id, c.guild_id) = (b.channel_id, b.guild_id))",
    "messages": "SELECT count(*) FROM compared CROSS JOIN bundle.messages b USING (message_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.messages m"
    " JOIN main.texts t USING (message_id) WHERE m.message_id = b.message_id"
    " AND (m.guild_id, m.channel_id, m.author_id, t.content, t.file_names, t.alt_texts)"
    "   = (b.guild_id, b.channel_id, b.author_id, b.content, b.file_names, b.alt_texts)"
    " AND m.edited_ms IS b.edited_ms)",
    "pictures in messages": "SELECT count(*) FROM compared CROSS JOIN bundle.places b USING (message_id)"
    " LEFT JOIN bundle.pictures s USING (picture_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.places p LEFT JOIN main.pictures c USING (picture_id)"
    " WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal AND p.link = b.link AND c.sha256 IS s.sha256)",
    "embeddings": f"SELECT count(*) FROM bundle.embeddings b JOIN bundle.models n ON n.model_id = {_MODEL_OF}"
    f" JOIN shown ON shown.picture_id = {_PICTURE_OF} JOIN bundle.pictures s ON s.picture_id = shown.picture_id"
    " WHERE NOT EXISTS (SELECT 1 FROM main.pictures c JOIN main.embeddings e USING (picture_id)"
    f"   JOIN main.models m USING (model_id) WHERE c.sha256 = s.sha256 AND {_SAME_MODEL}"
    f"   AND (e.vector = b.vector OR {_ELSEWHERE}))",
    "frames of animations": f"SELECT count(*) FROM bundle.frames b JOIN bundle.models n ON n.model_id = {_MODEL_OF}"
    f" JOIN shown ON shown.picture_id = {_PICTURE_OF} JOIN bundle.pictures s ON s.picture_id = shown.picture_id"
    " WHERE NOT EXISTS (SELECT 1 FROM main.pictures c JOIN main.frames f USING (picture_id)"
    f"   JOIN main.models m USING (model_id) WHERE c.sha256 = s.sha256 AND {_SAME_MODEL}"
    f"   AND ((f.at_ms, f.vector) = (b.at_ms, b.vector) OR {_ELSEWHERE}))",
    "tags": "SELECT count(*) FROM compared CROSS JOIN bundle.tags b USING (message_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.places p JOIN main.tags t"
    " USING (place_id) WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal AND t.tag = b.tag)",
    "texts of pictures": "SELECT count(*) FROM shown CROSS JOIN bundle.picture_texts b USING (picture_id)"
    " JOIN bundle.pictures s USING (picture_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.pictures c JOIN main.picture_texts t USING (picture_id)"
    f"   WHERE c.sha256 = s.sha256 AND t.kind = b.kind AND (t.body = b.body OR {_ELSEWHERE}))",
    "stretches of history": "SELECT count(*) FROM bundle.spans b WHERE b.origin_id = 0 AND NOT EXISTS ("
    " SELECT 1 FROM main.spans s WHERE s.channel_id = b.channel_id AND s.origin_id = 0"
    "   AND s.low <= b.low AND s.high >= b.high)",
    "camera data": "SELECT count(*) FROM compared CROSS JOIN bundle.exif b USING (message_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.places p JOIN main.exif e"
    " USING (place_id) WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal"
    " AND (e.camera, e.lens) = (b.camera, b.lens) AND e.x IS b.x AND e.y IS b.y AND e.z IS b.z)",
    "messages deleted by hand": "SELECT count(*) FROM bundle.deleted_here b WHERE NOT EXISTS ("
    " SELECT 1 FROM main.deleted_here d WHERE d.message_id = b.message_id)",
    "opt-outs": "SELECT count(*) FROM bundle.opt_outs b WHERE NOT EXISTS ("
    " SELECT 1 FROM main.opt_outs o WHERE o.guild_id = b.guild_id AND o.user_id = b.user_id)",
    # A message has one server: one that another server here has was not deleted in this one.
    "deletions": "SELECT count(*) FROM bundle.deletions b WHERE NOT EXISTS ("
    " SELECT 1 FROM main.deletions d WHERE d.message_id = b.message_id) AND NOT EXISTS ("
    " SELECT 1 FROM main.messages m WHERE m.message_id = b.message_id"
    "   AND m.guild_id NOT IN (SELECT guild_id FROM bundle.guilds))",
}


def compare(database: Path, rows: Path) -> None:
    """Raises StorageError where something of the file `rows` is missing in the database. Blocks."""
    with closing(connect_readonly(database)) as connection:
        connection.execute("PRAGMA query_only = OFF")  # for the temporary tables; the file stays open for reading only
        connection.execute("ATTACH ? AS bundle", (content.uri(rows),))
        connection.execute("BEGIN")  # one snapshot for all of them, beside whoever writes
        for sql in _COMPARED:
            connection.execute(sql)
        saved_rows.require_there(connection, database.parent)
        for what, sql in _LACKING.items():
            ((count,),) = connection.execute(sql)
            if count:
                raise StorageError(
                    f"{count:,} {what} are missing in {database.parent}, or differ there. Nothing was deleted anywhere;"
                    " please report it."
                )
