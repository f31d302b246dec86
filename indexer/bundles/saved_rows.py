"""Saved searches and watched pictures of a server that moves. They are their members' own: no bundle has them.

With them goes what is to be told of them, and what was told, so that nobody is told twice and nobody misses anything.
They lie in tables of their own beside a bundle's rows. Places are named by message and ordinal, as there. The gates of
notices stay: they are made anew. storing_saved.py takes them in.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final

from indexer.bundles import content
from indexer.database.connections import BUSY_MS
from indexer.errors import StorageError

SCHEMA: Final = (
    """CREATE TABLE moved_models (
    model_id INTEGER PRIMARY KEY, name TEXT NOT NULL, pretrained TEXT NOT NULL, dimension INTEGER NOT NULL,
    fingerprint TEXT NOT NULL
) STRICT""",
    """CREATE TABLE moved_saved (
    saved_id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL, user_id INTEGER NOT NULL, name TEXT NOT NULL,
    question TEXT NOT NULL, created_ms INTEGER NOT NULL, sha256 BLOB, perceptual_hash INTEGER, model_id INTEGER,
    vector BLOB, after_id INTEGER, language TEXT, channel_id INTEGER, told_ms INTEGER
) STRICT""",
    """CREATE TABLE moved_matches (
    saved_id INTEGER NOT NULL REFERENCES moved_saved, message_id INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    told INTEGER NOT NULL, sending INTEGER NOT NULL, PRIMARY KEY (saved_id, told, message_id, ordinal)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE moved_watched (
    watch_id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL, added_by INTEGER NOT NULL, after_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL, alike INTEGER NOT NULL, message_id INTEGER, ordinal INTEGER, sha256 BLOB,
    perceptual_hash INTEGER, model_id INTEGER, vector BLOB, small_copy BLOB
) STRICT""",
    """CREATE TABLE moved_watched_matches (
    watch_id INTEGER NOT NULL REFERENCES moved_watched, message_id INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    band TEXT NOT NULL, copy TEXT, sending INTEGER NOT NULL, PRIMARY KEY (watch_id, message_id, ordinal)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE moved_new (
    seq INTEGER PRIMARY KEY, follower TEXT NOT NULL, message_id INTEGER NOT NULL, ordinal INTEGER NOT NULL
) STRICT""",
    "CREATE TABLE moved (digest BLOB NOT NULL) STRICT",
)
_TABLES: Final = tuple(statement.split("(")[0].split()[2] for statement in SCHEMA)[:-1]

_STAYS: Final = (
    "NOT EXISTS (SELECT 1 FROM opt_outs o WHERE o.user_id = {member} AND o.guild_id IN (0, {table}.guild_id))"
)
_PLACE: Final = (  # of a message that goes along
    "JOIN source.places p USING (place_id) WHERE p.message_id IN (SELECT message_id FROM messages)"
)

_COPIES: Final = (
    "INSERT INTO moved_saved SELECT s.saved_id, s.guild_id, s.user_id, s.name, s.question, s.created_ms, s.sha256,"
    " s.perceptual_hash, s.model_id, s.vector, n.after_id, n.language, n.channel_id, n.told_ms"
    " FROM source.saved_searches s LEFT JOIN source.saved_notices n USING (saved_id)"
    " WHERE s.guild_id IN (SELECT guild_id FROM guilds) AND " + _STAYS.format(member="s.user_id", table="s"),
    "INSERT INTO moved_matches SELECT m.saved_id, p.message_id, p.ordinal, 0, m.sending"
    f" FROM moved_saved JOIN source.saved_matches m USING (saved_id) {_PLACE}",
    "INSERT INTO moved_matches SELECT m.saved_id, p.message_id, p.ordinal, 1, 0"
    f" FROM moved_saved JOIN source.saved_told m USING (saved_id) {_PLACE}",
    "INSERT INTO moved_watched SELECT w.watch_id, w.guild_id, w.added_by, w.after_id, w.channel_id, w.alike,"
    " p.message_id, p.ordinal, w.sha256, w.perceptual_hash, w.model_id, w.vector, w.small_copy"
    " FROM source.watched_pictures w LEFT JOIN source.places p USING (place_id)"
    " WHERE w.guild_id IN (SELECT guild_id FROM guilds)"
    " AND (p.place_id IS NULL OR p.message_id IN (SELECT message_id FROM messages))"
    " AND " + _STAYS.format(member="w.added_by", table="w"),
    "INSERT INTO moved_watched_matches SELECT m.watch_id, p.message_id, p.ordinal, m.band, m.copy, m.sending"
    f" FROM moved_watched JOIN source.watched_matches m USING (watch_id) {_PLACE}",
    "INSERT INTO moved_new SELECT n.seq, n.follower, p.message_id, p.ordinal"
    f" FROM source.new_pictures n {_PLACE} AND n.guild_id IN (SELECT guild_id FROM guilds)",
    "INSERT INTO moved_models SELECT model_id, name, pretrained, dimension, fingerprint FROM source.models"
    " WHERE model_id IN (SELECT model_id FROM moved_saved UNION SELECT model_id FROM moved_watched)",
)


def add(database: Path, rows: Path) -> None:
    """Adds them to the gathered rows of one server. Nobody writes the database meanwhile. Blocks."""
    with closing(sqlite3.connect(rows.absolute().as_uri(), uri=True, isolation_level=None)) as connection:
        execute = connection.execute
        execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        execute("ATTACH ? AS source", (f"{database.absolute().as_uri()}?mode=ro",))
        execute("BEGIN")
        for statement in (*SCHEMA, *_COPIES):
            execute(statement)
        digest = sha256()
        for table in _TABLES:
            for row in execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4"):
                digest.update(repr(row).encode())
        execute("INSERT INTO moved VALUES (?)", (digest.digest(),))
        execute("COMMIT")


def require_there(connection: sqlite3.Connection, folder: Path) -> None:
    """Raises StorageError where the rows `bundle` have them and the database `main` never took them in. Blocks."""
    if not _has(connection, "bundle", "moved"):
        return
    arrived = (
        _has(connection, "main", "arrivals")
        and connection.execute(
            "SELECT 1 FROM main.arrivals JOIN bundle.moved USING (digest) WHERE guild_id IN (SELECT guild_id"
            " FROM bundle.guilds)"
        ).fetchone()
    )
    if not arrived:
        raise StorageError(
            f"Saved searches and watched pictures did not come to {folder}. If a bot of an earlier version runs there,"
            " start the new one. Nothing was deleted anywhere."
        )


def _has(connection: sqlite3.Connection, schema: str, table: str) -> bool:
    sql = f"SELECT 1 FROM {schema}.sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(sql, (table,)).fetchone() is not None


def gathered_in(rows: Path) -> bool:
    """Whether they are among the gathered rows. Blocks."""
    with closing(content.connect(rows)) as connection:
        return _has(connection, "main", "moved")
