"""Takes in the saved searches and watched pictures of a server that moves here: once, whatever is killed in between.

What is here already stays as it is. A move that is given again brings nothing that came before; where more has happened
in the former folder since, it brings what is newer, and takes away what was deleted there. Everything is one
transaction, and compared within it: a bot that runs here changes the rows right after.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Final

from indexer.clock import now_ms
from indexer.database.connections import in_thread
from indexer.database.database import Database
from indexer.errors import StorageError
from indexer.records.ids import GuildId, ms_snowflake
from indexer.records.pictures import ModelSpec
from indexer.store import embeddings

TEMPORARY: Final = {
    "moved_model_ids": "id INTEGER PRIMARY KEY, own INTEGER NOT NULL",
    "moved_saved_ids": "id INTEGER PRIMARY KEY, own INTEGER NOT NULL, fresh INTEGER NOT NULL",
    "moved_watched_ids": "id INTEGER PRIMARY KEY, own INTEGER NOT NULL, fresh INTEGER NOT NULL",
}

_STAYS: Final = (
    "NOT EXISTS (SELECT 1 FROM main.opt_outs o WHERE o.user_id = {member} AND o.guild_id IN (0, b.guild_id))"
)
_SAME_SEARCH: Final = "s.guild_id = b.guild_id AND s.user_id = b.user_id AND s.name = b.name"
_HERE: Final = "(SELECT p.place_id FROM main.places p WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal)"
_SAME_WATCH: Final = (
    "w.guild_id = b.guild_id AND w.added_by = b.added_by AND w.after_id = b.after_id AND w.channel_id = b.channel_id"
    f" AND w.alike = b.alike AND w.sha256 IS b.sha256 AND w.place_id IS {_HERE}"
)
_COMES: Final = f"(b.message_id IS NULL OR {_HERE} IS NOT NULL)"  # a watched picture whose message is here
# Of what came before, only what was posted since.
_NEW: Final = "(i.fresh OR b.message_id > :after)"
_PLACE: Final = "CROSS JOIN main.places p ON p.message_id = b.message_id AND p.ordinal = b.ordinal"
_MATCHES: Final = f"bundle.moved_matches b JOIN temp.moved_saved_ids i ON i.id = b.saved_id {_PLACE}"
_NOT_TOLD: Final = "NOT EXISTS (SELECT 1 FROM main.saved_told t WHERE t.saved_id = i.own AND t.place_id = p.place_id)"

_DELETED: Final = (
    "DELETE FROM main.saved_searches AS s WHERE s.saved_id IN (SELECT value FROM json_each(:saved))"
    " AND s.guild_id = :guild AND s.created_ms <= :before_ms"
    f" AND NOT EXISTS (SELECT 1 FROM bundle.moved_saved b WHERE {_SAME_SEARCH})",
    "DELETE FROM main.watched_pictures AS w WHERE w.watch_id IN (SELECT value FROM json_each(:watched))"
    f" AND w.guild_id = :guild AND NOT EXISTS (SELECT 1 FROM bundle.moved_watched b WHERE {_SAME_WATCH})",
)
# A row keeps its number where that is free: managers name what is watched by it, and Discord knows a notice by it.
_NUMBERED: Final = (
    "INSERT INTO temp.moved_saved_ids (id, own, fresh) SELECT b.saved_id, coalesce(s.saved_id,"
    " CASE WHEN NOT EXISTS (SELECT 1 FROM main.saved_searches o WHERE o.saved_id = b.saved_id) THEN b.saved_id"
    "   ELSE (SELECT max(ifnull((SELECT max(saved_id) FROM main.saved_searches), 0),"
    "     (SELECT max(saved_id) FROM bundle.moved_saved))) + row_number() OVER (ORDER BY b.saved_id) END),"
    " s.saved_id IS NULL"
    f" FROM bundle.moved_saved b LEFT JOIN main.saved_searches s ON {_SAME_SEARCH}"
    f" WHERE {_STAYS.format(member='b.user_id')}"
    " AND (s.saved_id IS NULL OR s.saved_id IN (SELECT value FROM json_each(:saved)))",
    "INSERT INTO temp.moved_watched_ids (id, own, fresh) SELECT b.watch_id, coalesce(w.watch_id,"
    " CASE WHEN NOT EXISTS (SELECT 1 FROM main.watched_pictures o WHERE o.watch_id = b.watch_id) THEN b.watch_id"
    "   ELSE (SELECT max(ifnull((SELECT seq FROM main.sqlite_sequence WHERE name = 'watched_pictures'), 0),"
    "     (SELECT max(watch_id) FROM bundle.moved_watched))) + row_number() OVER (ORDER BY b.watch_id) END),"
    " w.watch_id IS NULL"
    f" FROM bundle.moved_watched b LEFT JOIN main.watched_pictures w ON {_SAME_WATCH}"
    f" WHERE {_STAYS.format(member='b.added_by')} AND {_COMES}"
    " AND (w.watch_id IS NULL OR w.watch_id IN (SELECT value FROM json_each(:watched))) GROUP BY b.watch_id",
)
_STORED: Final = (
    "INSERT INTO main.saved_searches (saved_id, guild_id, user_id, name, question, created_ms, sha256, perceptual_hash,"
    " model_id, vector) SELECT i.own, b.guild_id, b.user_id, b.name, b.question, b.created_ms, b.sha256,"
    " b.perceptual_hash, m.own, b.vector FROM temp.moved_saved_ids i JOIN bundle.moved_saved b ON b.saved_id = i.id"
    " LEFT JOIN temp.moved_model_ids m ON m.id = b.model_id WHERE i.fresh",
    "INSERT INTO main.saved_notices (saved_id, guild_id, after_id, language, channel_id, told_ms)"
    " SELECT i.own, b.guild_id, b.after_id, b.language, b.channel_id, b.told_ms"
    " FROM temp.moved_saved_ids i JOIN bundle.moved_saved b ON b.saved_id = i.id"
    " WHERE i.fresh AND b.after_id IS NOT NULL",
    f"INSERT OR IGNORE INTO main.saved_told (saved_id, place_id) SELECT i.own, p.place_id FROM {_MATCHES}"
    " WHERE b.told AND i.own IN (SELECT saved_id FROM main.saved_notices)",
    "INSERT OR IGNORE INTO main.saved_matches (saved_id, place_id, sending)"
    f" SELECT i.own, p.place_id, i.fresh AND b.sending FROM {_MATCHES}"
    f" WHERE NOT b.told AND {_NEW} AND {_NOT_TOLD} AND i.own IN (SELECT saved_id FROM main.saved_notices)",
    "INSERT INTO main.watched_pictures (watch_id, guild_id, added_by, after_id, channel_id, alike, place_id, sha256,"
    " perceptual_hash, model_id, vector, small_copy) SELECT i.own, b.guild_id, b.added_by, b.after_id, b.channel_id,"
    f" b.alike, {_HERE}, b.sha256, b.perceptual_hash, m.own, b.vector, b.small_copy"
    " FROM temp.moved_watched_ids i JOIN bundle.moved_watched b ON b.watch_id = i.id"
    " LEFT JOIN temp.moved_model_ids m ON m.id = b.model_id WHERE i.fresh",
    "INSERT OR IGNORE INTO main.watched_matches (watch_id, place_id, band, copy, sending)"
    " SELECT i.own, p.place_id, b.band, b.copy, i.fresh AND b.sending"
    f" FROM bundle.moved_watched_matches b JOIN temp.moved_watched_ids i ON i.id = b.watch_id {_PLACE} WHERE {_NEW}",
    "INSERT INTO main.new_pictures (follower, guild_id, place_id) SELECT b.follower, :guild, p.place_id"
    f" FROM bundle.moved_new b {_PLACE} WHERE b.message_id > :after AND NOT EXISTS ("
    "   SELECT 1 FROM main.new_pictures n WHERE n.place_id = p.place_id AND n.follower = b.follower) ORDER BY b.seq",
    "INSERT OR REPLACE INTO main.arrivals (guild_id, digest, at_ms, saved, watched) SELECT :guild, digest, :now_ms,"
    " (SELECT json_group_array(own) FROM temp.moved_saved_ids),"
    " (SELECT json_group_array(own) FROM temp.moved_watched_ids) FROM bundle.moved",
)
# Each counts what came and is not here as it was.
_LACKING: Final = {
    "saved searches": f"SELECT count(*) FROM bundle.moved_saved b WHERE {_STAYS.format(member='b.user_id')}"
    f" AND NOT EXISTS (SELECT 1 FROM main.saved_searches s WHERE {_SAME_SEARCH} AND (s.created_ms != b.created_ms"
    "   OR (s.question = b.question AND s.sha256 IS b.sha256 AND s.vector IS b.vector)))",
    "notices of saved searches": "SELECT count(*) FROM temp.moved_saved_ids i JOIN bundle.moved_saved b"
    " ON b.saved_id = i.id WHERE i.fresh AND b.after_id IS NOT NULL AND NOT EXISTS ("
    "   SELECT 1 FROM main.saved_notices n WHERE n.saved_id = i.own AND n.told_ms = b.told_ms"
    "   AND n.after_id = b.after_id AND n.language = b.language AND n.channel_id IS b.channel_id)",
    "pictures that members are to be told of": f"SELECT count(*) FROM {_MATCHES} WHERE i.fresh AND NOT EXISTS ("
    "   SELECT 1 FROM main.saved_matches f WHERE NOT b.told AND (f.saved_id, f.place_id) = (i.own, p.place_id)"
    "   UNION ALL SELECT 1 FROM main.saved_told t WHERE (t.saved_id, t.place_id) = (i.own, p.place_id))",
    "watched pictures": f"SELECT count(*) FROM bundle.moved_watched b WHERE {_STAYS.format(member='b.added_by')}"
    f" AND {_COMES} AND NOT EXISTS (SELECT 1 FROM main.watched_pictures w WHERE {_SAME_WATCH})",
    "matches of watched pictures": "SELECT count(*) FROM bundle.moved_watched_matches b"
    f" JOIN temp.moved_watched_ids i ON i.id = b.watch_id {_PLACE} WHERE i.fresh AND NOT EXISTS ("
    "   SELECT 1 FROM main.watched_matches f WHERE (f.watch_id, f.place_id) = (i.own, p.place_id))",
    "new pictures that were not looked at": f"SELECT count(*) FROM bundle.moved_new b {_PLACE}"
    " WHERE b.message_id > :after AND NOT EXISTS ("
    "   SELECT 1 FROM main.new_pictures n WHERE n.place_id = p.place_id AND n.follower = b.follower)",
}


@dataclass(frozen=True, slots=True)
class _Before:
    """What came with an earlier try of the same move, by when."""

    digest: bytes = b""
    at_ms: int = 0
    saved: str = "[]"
    watched: str = "[]"

    @property
    def after(self) -> int:
        """Messages with a larger id were posted since."""
        return ms_snowflake(self.at_ms)


async def store_saved(db: Database, guild_id: GuildId) -> None:
    """The server's rows are attached as `bundle`, with saved_rows.py's tables; its messages are stored.

    Raises StorageError where something did not come in: then nothing of it did.
    """
    async with db.transaction(durable=True) as tx:
        rows = await tx.execute_fetchall("SELECT * FROM bundle.moved_models")
        models = [(number, await embeddings.model_id(tx, ModelSpec(*spec))) for number, *spec in rows]
        await tx.executemany("INSERT INTO temp.moved_model_ids VALUES (?, ?)", models)
        await in_thread(tx, partial(_store, guild_id=guild_id))


def _store(connection: sqlite3.Connection, guild_id: GuildId) -> None:
    (digest,) = connection.execute("SELECT digest FROM bundle.moved").fetchone()
    row = connection.execute(
        "SELECT digest, at_ms, saved, watched FROM main.arrivals WHERE guild_id = ?", (guild_id,)
    ).fetchone()
    before = _Before() if row is None else _Before(*row)
    if before.digest == digest:
        return
    values = {
        "guild": guild_id,
        "before_ms": before.at_ms,
        "after": before.after,
        "saved": before.saved,
        "watched": before.watched,
        "now_ms": now_ms(),
    }
    for statement in (*_DELETED, *_NUMBERED, *_STORED):
        connection.execute(statement, values)
    for what, sql in _LACKING.items():
        ((count,),) = connection.execute(sql, values)
        if count:
            raise StorageError(
                f"{count:,} {what} would be missing in the new folder, or differ there. Nothing was deleted anywhere;"
                " please report it."
            )
