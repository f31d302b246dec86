"""Copies what goes along out of a data folder's database, as of one moment, while others write.

What was promised by then holds, also where it was only written down (docs/adr/0015): nothing of an author who opted
out, no deleted message or channel. A message that an edit has changed meanwhile stays out, and its place in the history
counts as not read, so that the next bot asks for it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.backup.snapshot import pin
from indexer.bundles import content
from indexer.clock import now_ms
from indexer.database.connections import BUSY_MS
from indexer.database.stoppable_thread import Check, stoppable
from indexer.errors import TellPerson
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId

Tell = Callable[[str, int, int | None], None]

CACHE_KIB = 64 * 1024


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes along. `guilds` None: every server, and promises to members of any. `channels`: of the one guild named,
    with their threads; None: all.
    """

    guilds: tuple[GuildId, ...] | None
    channels: tuple[ChannelId, ...] | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """`at_ms` (Unix milliseconds) is the moment. `application_id` of the bot whose folder it is; None: of none yet."""

    at_ms: int
    application_id: int | None
    counts: Mapping[str, int]


# Each table in an order in which what it needs is there. `chosen_*` are temporary tables with ids.
_COPIES: Sequence[tuple[str, str]] = (
    (
        "guilds",
        "SELECT guild_id, name, consent, origin_id FROM source.guilds WHERE guild_id IN (SELECT guild_id FROM chosen)",
    ),
    (
        "channels",
        "SELECT channel_id, guild_id, parent_id, kind, name, age_restricted, archived, origin_id FROM source.channels"
        " WHERE channel_id IN (SELECT channel_id FROM chosen_channels)",
    ),
    (
        "messages",
        "SELECT m.message_id, m.guild_id, m.channel_id, m.author_id, m.edited_ms, m.checked_ms, m.origin_id,"
        " t.content, t.file_names, t.alt_texts FROM source.messages m JOIN source.texts t USING (message_id)"
        " WHERE m.channel_id IN (SELECT channel_id FROM read_channels)"
        " AND NOT EXISTS (SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id = 0)"
        " AND NOT EXISTS (SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id = m.guild_id)"
        " AND m.message_id NOT IN (SELECT message_id FROM source.deletions)"
        " AND m.message_id NOT IN (SELECT message_id FROM deletions)"
        " AND m.message_id NOT IN (SELECT message_id FROM source.deleted_here)"
        " AND m.message_id NOT IN (SELECT message_id FROM left_out) ORDER BY m.message_id",
    ),
    (
        "users",
        "SELECT user_id, name, bot FROM source.users WHERE user_id IN (SELECT author_id FROM messages)",
    ),
    (
        "places",
        "SELECT message_id, ordinal, picture_id, source, link, file_name, alt_text, content_type, byte_count, width,"
        " height, flags, state, reason, attempts, next_attempt_ms, path FROM source.places"
        " WHERE message_id IN (SELECT message_id FROM messages) ORDER BY message_id, ordinal",
    ),
    (
        "exif",
        "SELECT p.message_id, p.ordinal, e.camera, e.lens, e.x, e.y, e.z FROM source.exif e"
        " JOIN source.places p USING (place_id) WHERE p.message_id IN (SELECT message_id FROM messages) ORDER BY 1, 2",
    ),
    (
        "tags",
        "SELECT p.message_id, p.ordinal, t.tag FROM source.tags t"
        " JOIN source.places p USING (place_id) WHERE p.message_id IN (SELECT message_id FROM messages) ORDER BY 1, 2",
    ),
    (
        "pictures",
        "SELECT picture_id, sha256, perceptual_hash, colours, width, height, format, frame_count, byte_count, state,"
        " reason"
        " FROM source.pictures WHERE picture_id IN (SELECT picture_id FROM places) ORDER BY picture_id",
    ),
    (
        "picture_texts",
        "SELECT picture_id, kind, body, confidence FROM source.picture_texts"
        " WHERE picture_id IN (SELECT picture_id FROM pictures) ORDER BY picture_id, kind",
    ),
    (
        "models",
        "SELECT model_id, name, pretrained, dimension, fingerprint FROM source.models m WHERE EXISTS ("
        " SELECT 1 FROM source.embeddings e WHERE e.model_id = m.model_id)",
    ),
    (
        "embeddings",
        f"SELECT (e.model_id << {content.MODEL_SHIFT}) + e.picture_id, e.vector, e.at_ms, e.frames_sought FROM models m"
        " CROSS JOIN pictures p JOIN source.embeddings e ON e.picture_id = p.picture_id AND e.model_id = m.model_id"
        " ORDER BY m.model_id, p.picture_id",
    ),
    (
        "frames",
        f"SELECT (f.model_id << {content.MODEL_SHIFT}) + f.picture_id, f.at_ms, f.perceptual_hash, f.vector"
        " FROM models m CROSS JOIN pictures p JOIN source.frames f ON f.picture_id = p.picture_id"
        " AND f.model_id = m.model_id ORDER BY m.model_id, p.picture_id, f.at_ms",
    ),
    (
        "tried_models",
        "SELECT guild_id, model_id FROM source.tried_models WHERE guild_id IN (SELECT guild_id FROM guilds)"
        " AND model_id IN (SELECT model_id FROM models)",
    ),
    (
        "spans",
        "SELECT channel_id, origin_id, low, high FROM source.spans"
        " WHERE channel_id IN (SELECT channel_id FROM read_channels)",
    ),
    (
        "deleted_here",
        "SELECT message_id, channel_id FROM source.deleted_here"
        " WHERE channel_id IN (SELECT channel_id FROM read_channels)",
    ),
    (
        "origins",
        "SELECT origin_id, kind, location, version, media_folders FROM source.origins WHERE origin_id IN ("
        " SELECT origin_id FROM guilds UNION SELECT origin_id FROM channels UNION SELECT origin_id FROM spans"
        " UNION SELECT DISTINCT origin_id FROM messages)",
    ),
)


def gather(database: Path, selection: Selection, target: Path, stop: Check, tell: Tell) -> Gathered:
    """Writes the content into the new file `target`. Blocks.

    Raises TellPerson where nothing of the selection is stored, sqlite3.Error where the disk refuses.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(target.absolute().as_uri(), uri=True, isolation_level=None)) as connection:
        content.create(connection)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("ATTACH ? AS source", (f"{database.absolute().as_uri()}?mode=ro",))
        with stoppable(connection, stop):
            removals = pin(connection, database, "source")
            at_ms = now_ms()
            row = connection.execute("SELECT application_id FROM source.application").fetchone()
            _keep_promises(connection, selection, removals, at_ms)
            _choose(connection, selection, removals)
            for done, (table, sql) in enumerate(_COPIES):
                tell("tables copied", done, len(_COPIES))
                connection.execute(f"INSERT INTO {table} {sql}")
            _open_spans(connection)
            connection.execute("COMMIT")
            return Gathered(at_ms, None if row is None else row[0], content.counts(connection))


def _keep_promises(
    connection: sqlite3.Connection, selection: Selection, removals: Sequence[Mapping[str, Any]], at_ms: int
) -> None:
    """Opt-outs and deletions that concern the selection. Of deletions no server is known: whichever may be of it."""
    guilds = selection.guilds
    connection.execute("CREATE TEMP TABLE chosen (guild_id INTEGER PRIMARY KEY)")
    if guilds is None:
        connection.execute("INSERT INTO chosen SELECT guild_id FROM source.guilds")
        connection.execute("INSERT INTO opt_outs SELECT guild_id, user_id, at_ms FROM source.opt_outs")
        connection.execute("INSERT INTO deletions SELECT message_id FROM source.deletions")
    else:
        connection.executemany("INSERT INTO chosen VALUES (?)", [(guild_id,) for guild_id in guilds])
        connection.execute(
            "INSERT INTO opt_outs SELECT guild_id, user_id, at_ms FROM source.opt_outs"
            " WHERE guild_id = 0 OR guild_id IN (SELECT guild_id FROM chosen)"
        )
        connection.execute(
            "INSERT INTO deletions SELECT message_id FROM source.deletions WHERE message_id > ?",
            (min(guilds, default=0),),  # a message is newer than its server
        )
    for removal in removals:
        match removal:
            case {"kind": "OptedOut", "user_id": user_id, "guild_id": guild_id}:
                if guilds is None or guild_id == EVERYWHERE or guild_id in guilds:
                    connection.execute("INSERT OR IGNORE INTO opt_outs VALUES (?, ?, ?)", (guild_id, user_id, at_ms))
            case {"kind": "MessagesDeleted", "message_ids": message_ids}:
                rows = [(message_id,) for message_id in message_ids]
                connection.executemany("INSERT OR IGNORE INTO deletions VALUES (?)", rows)
            case {"kind": "GuildLeft", "guild_id": guild_id}:
                connection.execute("DELETE FROM chosen WHERE guild_id = ?", (guild_id,))
            case _:
                pass  # of one channel or message: see _choose


def _choose(connection: sqlite3.Connection, selection: Selection, removals: Sequence[Mapping[str, Any]]) -> None:
    """Fills the temporary tables: `chosen_channels` are known, those of `read_channels` bring their messages."""
    execute = connection.execute
    execute("CREATE TEMP TABLE read_channels (channel_id INTEGER PRIMARY KEY)")
    execute("CREATE TEMP TABLE chosen_channels (channel_id INTEGER PRIMARY KEY)")
    execute("CREATE TEMP TABLE left_out (message_id INTEGER PRIMARY KEY, channel_id INTEGER)")
    execute(
        "INSERT INTO read_channels SELECT channel_id FROM source.channels"
        " WHERE guild_id IN (SELECT guild_id FROM chosen)"
    )
    if selection.channels is not None:
        execute("CREATE TEMP TABLE asked (channel_id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO asked VALUES (?)", [(channel_id,) for channel_id in selection.channels])
        execute(
            "DELETE FROM read_channels WHERE channel_id NOT IN (SELECT channel_id FROM source.channels"
            " WHERE channel_id IN (SELECT channel_id FROM asked) OR parent_id IN (SELECT channel_id FROM asked))"
        )
    for removal in removals:
        match removal:
            case {"kind": "ChannelDeleted", "channel_id": channel_id}:
                execute(
                    "DELETE FROM read_channels WHERE channel_id IN (SELECT channel_id FROM source.channels"
                    " WHERE channel_id = ?1 OR parent_id = ?1)",
                    (channel_id,),
                )
            case {"kind": "MessageChanged", "channel_id": channel_id, "message_id": message_id}:
                execute("INSERT OR IGNORE INTO left_out VALUES (?, ?)", (message_id, channel_id))
            case _:
                pass  # see _keep_promises
    execute("INSERT INTO chosen_channels SELECT channel_id FROM read_channels")
    execute(
        "INSERT OR IGNORE INTO chosen_channels SELECT p.channel_id FROM source.channels c"
        " JOIN source.channels p ON p.channel_id = c.parent_id"
        " WHERE c.channel_id IN (SELECT channel_id FROM read_channels)"
    )
    if execute("SELECT 1 FROM chosen_channels LIMIT 1").fetchone() is None and selection.guilds is not None:
        raise TellPerson("bundle-nothing-stored")


def _open_spans(connection: sqlite3.Connection) -> None:
    """Messages that were left out for an edit count as not read."""
    for message_id, channel_id in connection.execute("SELECT message_id, channel_id FROM left_out").fetchall():
        cut = connection.execute(
            "DELETE FROM spans WHERE channel_id = ?1 AND low <= ?2 AND high >= ?2 RETURNING origin_id, low, high",
            (channel_id, message_id),
        ).fetchall()
        for origin_id, low, high in cut:
            parts = ((low, message_id - 1), (message_id + 1, high))
            rows = [(channel_id, origin_id, first, last) for first, last in parts if first <= last]
            connection.executemany("INSERT INTO spans VALUES (?, ?, ?, ?)", rows)
