"""Promises that also go to a storage elsewhere: what waits for it, and what came from it (migration 0030).

Triggers write down opt-outs and consent; messages that somebody deletes from the index, or takes back, are written down
here, thousands in one record. Where the folder has no journal, nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from indexer.clock import now_ms
from indexer.database.database import as_json, first
from indexer.records.ids import MADE_UP, ChannelId, GuildId
from indexer.store import origins, spans


@dataclass(frozen=True, slots=True)
class Position:
    """How far the folder has followed the journal. `begun`: what held before was added to it. `behind`: it must be read
    before anything else, because the folder is new or was restored."""

    journal: str
    number: int
    begun: bool
    behind: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A promise that is not known to be in the storage. `carried`: it does not hold in this database yet."""

    waiting_id: int
    uid: str
    kind: str
    what: Mapping[str, Any]
    at_s: int
    carried: bool


async def position(connection: aiosqlite.Connection) -> Position | None:
    """None where the folder follows no journal."""
    row = await first(connection, "SELECT journal, number, begun, behind FROM promise_journal")
    return None if row is None else Position(row[0], row[1], bool(row[2]), bool(row[3]))


async def follow(tx: aiosqlite.Connection, journal: str) -> None:
    """From now on the folder follows this journal, from its beginning."""
    await tx.execute_fetchall(
        "INSERT INTO promise_journal (one, journal) VALUES (1, ?)"
        " ON CONFLICT (one) DO UPDATE SET journal = excluded.journal, number = 0, begun = 0, behind = 1",
        (journal,),
    )


async def begin(tx: aiosqlite.Connection, at_once: int) -> None:
    """Adds what holds here to what waits: the journal did not know it. Afterwards the folder is not behind."""
    await tx.execute_fetchall(
        "INSERT INTO promises_waiting (kind, what)"
        " SELECT 'opted-out', json_object('user', user_id, 'guild', guild_id) FROM opt_outs"
    )
    await tx.execute_fetchall(
        "INSERT INTO promises_waiting (kind, what)"
        " SELECT 'consented', json_object('guild', guild_id) FROM guilds WHERE consent = 1"
    )
    await tx.execute_fetchall(
        "INSERT INTO promises_waiting (kind, what)"
        " SELECT 'deleted', json_object('messages', json_group_array(json_array(message_id, channel_id))) FROM"
        " (SELECT message_id, channel_id, row_number() OVER (ORDER BY message_id) / ? AS part FROM deleted_here)"
        " GROUP BY part",
        (at_once,),
    )
    await tx.execute_fetchall("UPDATE promise_journal SET begun = 1")


async def up_to_date(tx: aiosqlite.Connection) -> None:
    await tx.execute_fetchall("UPDATE promise_journal SET behind = 0")


async def note_deleted(tx: aiosqlite.Connection, message_ids: Sequence[int]) -> None:
    """Those of these messages that are marked as deleted here are kept out for good. Not of collections: their ids are
    made up."""
    await tx.execute_fetchall(
        "INSERT INTO promises_waiting (kind, what)"
        " SELECT 'deleted', json_object('messages', json_group_array(json_array(message_id, channel_id)))"
        " FROM deleted_here WHERE message_id IN (SELECT value FROM json_each(?)) AND message_id < ?"
        " AND EXISTS (SELECT 1 FROM promise_journal) GROUP BY NULL",
        (as_json(message_ids), MADE_UP),
    )


async def note_undeleted(tx: aiosqlite.Connection, channel_id: ChannelId, message_ids: Sequence[int]) -> None:
    """These messages of the channel may come back."""
    if message_ids:
        await tx.execute_fetchall(
            "INSERT INTO promises_waiting (kind, what) SELECT 'undeleted', ? FROM promise_journal",
            (json.dumps({"messages": [(message_id, channel_id) for message_id in message_ids]}),),
        )


async def waiting(connection: aiosqlite.Connection, limit: int) -> list[Waiting]:
    """The oldest, in their order."""
    rows = await connection.execute_fetchall(
        "SELECT waiting_id, uid, kind, what, at_s, carried FROM promises_waiting ORDER BY waiting_id LIMIT ?", (limit,)
    )
    return [Waiting(number, uid, kind, json.loads(what), at_s, bool(c)) for number, uid, kind, what, at_s, c in rows]


async def count_waiting(connection: aiosqlite.Connection) -> int:
    row = await first(connection, "SELECT count(*) FROM promises_waiting")
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def own(connection: aiosqlite.Connection, uid: str) -> Waiting | None:
    """What waits under this id: a record that this database made."""
    rows = await connection.execute_fetchall(
        "SELECT waiting_id, uid, kind, what, at_s, carried FROM promises_waiting WHERE uid = ?", (uid,)
    )
    for number, _, kind, what, at_s, carried in rows:
        return Waiting(number, uid, kind, json.loads(what), at_s, bool(carried))
    return None


async def arrived(tx: aiosqlite.Connection, number: int, waiting_id: int | None = None) -> None:
    """The record of this number holds here; what waited for it (`waiting_id`) does not wait any more."""
    if waiting_id is not None:
        await tx.execute_fetchall("DELETE FROM promises_waiting WHERE waiting_id = ?", (waiting_id,))
    await tx.execute_fetchall("UPDATE promise_journal SET number = ?", (number,))


async def apply(tx: aiosqlite.Connection, kind: str, what: Mapping[str, Any], at_s: int) -> None:
    """Makes a record hold in this transaction, without a word to the journal. What is deleted for it follows later.

    Raises KeyError for a kind that this version does not know.
    """
    await tx.execute_fetchall("UPDATE promise_journal SET applying = 1")
    await _APPLY[kind](tx, what, at_s)
    await tx.execute_fetchall("UPDATE promise_journal SET applying = 0")


async def guilds_to_forget(connection: aiosqlite.Connection) -> list[GuildId]:
    rows = await connection.execute_fetchall("SELECT guild_id FROM guilds_to_forget ORDER BY guild_id")
    return [GuildId(guild_id) for (guild_id,) in rows]


async def _opted_out(tx: aiosqlite.Connection, what: Mapping[str, Any], at_s: int) -> None:
    await tx.execute_fetchall(
        "INSERT INTO opt_outs (guild_id, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (what["guild"], what["user"], at_s * 1000),
    )


async def _returned(tx: aiosqlite.Connection, what: Mapping[str, Any], _: int) -> None:
    await tx.execute_fetchall("DELETE FROM opt_outs WHERE guild_id = ? AND user_id = ?", (what["guild"], what["user"]))


async def _consented(tx: aiosqlite.Connection, what: Mapping[str, Any], _: int) -> None:
    """A server that the backup did not know yet gets its name when the bot is connected."""
    await tx.execute_fetchall(
        "INSERT INTO guilds (guild_id, name, consent, added_ms) VALUES (?, '', 1, ?)"
        " ON CONFLICT (guild_id) DO UPDATE SET consent = 1",
        (what["guild"], now_ms()),
    )


async def _withdrawn(tx: aiosqlite.Connection, what: Mapping[str, Any], _: int) -> None:
    await tx.execute_fetchall("UPDATE guilds SET consent = 0 WHERE guild_id = ?", (what["guild"],))


async def _forgotten(tx: aiosqlite.Connection, what: Mapping[str, Any], _: int) -> None:
    await tx.execute_fetchall(
        "INSERT INTO guilds_to_forget SELECT guild_id FROM guilds WHERE guild_id = ? ON CONFLICT DO NOTHING",
        (what["guild"],),
    )


async def _deleted(tx: aiosqlite.Connection, what: Mapping[str, Any], _: int) -> None:
    await tx.executemany("INSERT OR IGNORE INTO deleted_here (message_id, channel_id) VALUES (?, ?)", what["messages"])


async def _undeleted(tx: aiosqlite.Connection, what: Mapping[str, Any], _: int) -> None:
    messages: list[tuple[int, ChannelId]] = what["messages"]
    await tx.execute_fetchall(
        "DELETE FROM deleted_here WHERE message_id IN (SELECT value FROM json_each(?))",
        (as_json(message_id for message_id, _ in messages),),
    )
    for channel_id in {channel_id for _, channel_id in messages}:
        ids = [message_id for message_id, channel in messages if channel == channel_id]
        await spans.uncover(tx, channel_id, min(ids), max(ids))
    await origins.read_again(tx)


_APPLY = {
    "opted-out": _opted_out,
    "returned": _returned,
    "consented": _consented,
    "withdrawn": _withdrawn,
    "forgotten": _forgotten,
    "deleted": _deleted,
    "undeleted": _undeleted,
}
