"""Promises to members that come with a bundle: who wants nothing stored, and which messages must not come back.

They come before anything else, so that nothing is read which they forbid; and in batches, because others wait for the
writer. Of a kill in between the same import makes the rest.
"""

from __future__ import annotations

from typing import Final, Protocol

from indexer.database.database import Database, first
from indexer.records.ids import MADE_UP

ROWS_AT_ONCE = 5_000  # stored in one transaction: some 20 ms

# `rows` is a condition on the rows `b` of the bundle's table.
_OPT_OUTS: Final = (
    "INSERT INTO main.opt_outs (guild_id, user_id, at_ms) SELECT b.guild_id, b.user_id, b.at_ms FROM bundle.opt_outs b"
    " WHERE {rows} ON CONFLICT DO NOTHING"
)
# One that another bot made everywhere holds for the servers that come: a stranger's file must not make this bot forget
# anybody elsewhere.
_OPT_OUTS_OF_ANOTHER: Final = (
    "INSERT INTO main.opt_outs (guild_id, user_id, at_ms) SELECT g.guild_id, b.user_id, b.at_ms FROM bundle.opt_outs b"
    " JOIN bundle.guilds g ON b.guild_id IN (0, g.guild_id) WHERE g.guild_id != 0 AND {rows} ON CONFLICT DO NOTHING"
)
_DELETIONS: Final = (
    "INSERT INTO main.deletions (message_id) SELECT b.message_id FROM bundle.deletions b WHERE {rows} AND NOT EXISTS ("
    "   SELECT 1 FROM main.messages m WHERE m.message_id = b.message_id"
    "   AND m.guild_id NOT IN (SELECT guild_id FROM bundle.guilds)) ON CONFLICT DO NOTHING"
)
_DELETED_HERE: Final = (
    "INSERT INTO main.deleted_here (message_id, channel_id) SELECT b.message_id, b.channel_id"
    " FROM bundle.deleted_here b JOIN bundle.channels s USING (channel_id)"
    f" WHERE {{rows}} AND b.message_id < {MADE_UP} AND NOT EXISTS ("
    "   SELECT 1 FROM main.channels c WHERE c.channel_id = b.channel_id AND c.guild_id != s.guild_id)"
    " ON CONFLICT DO NOTHING"
)


# Where the folder keeps its promises outside too: opt-outs are noted by a trigger, these in one record for thousands.
_NOTED: Final = (
    "INSERT INTO main.promises_waiting (kind, what)"
    " SELECT 'deleted', json_object('messages', json_group_array(json_array(b.message_id, b.channel_id)))"
    " FROM bundle.deleted_here b JOIN main.deleted_here d USING (message_id)"
    f" WHERE {{rows}} AND b.message_id < {MADE_UP} AND EXISTS (SELECT 1 FROM main.promise_journal) GROUP BY NULL"
)


class Counted(Protocol):
    """Where it is noted how many came along."""

    opt_outs: int
    deletions: int


async def store_promises(db: Database, told_by_discord: bool, counted: Counted) -> None:
    """The bundle is attached as `bundle`. Promises of this folder's bot (`told_by_discord`) hold as they are."""
    author = ("guild_id", "user_id")
    if not told_by_discord:
        async with db.transaction() as tx:
            ((servers,),) = await tx.execute_fetchall("SELECT count(*) FROM bundle.guilds")
        at_once = max(ROWS_AT_ONCE // max(servers, 1), 1)
        counted.opt_outs += await _in_batches(db, "opt_outs", author, _OPT_OUTS_OF_ANOTHER, at_once)
        return
    counted.opt_outs += await _in_batches(db, "opt_outs", author, _OPT_OUTS, ROWS_AT_ONCE)
    counted.deletions += await _in_batches(db, "deletions", ("message_id",), _DELETIONS, ROWS_AT_ONCE)
    counted.deletions += await _in_batches(
        db, "deleted_here", ("message_id",), _DELETED_HERE, ROWS_AT_ONCE, noted=_NOTED
    )


async def _in_batches(
    db: Database, table: str, key: tuple[str, ...], insert: str, at_once: int, *, noted: str | None = None
) -> int:
    """Stores by `insert`, for `at_once` rows of the bundle's table after the others. Returns how many are new.

    `noted`: a statement for the same rows, after that.
    """
    columns, marks = ", ".join(f"b.{name}" for name in key), ", ".join("?" * len(key))
    stored, above, low = 0, "true", ()
    while True:
        async with db.transaction(durable=True) as tx:
            high = await first(
                tx,
                f"SELECT {columns} FROM bundle.{table} b WHERE {above} ORDER BY {columns} LIMIT 1 OFFSET ?",
                (*low, at_once - 1),
            )
            below = "true" if high is None else f"({columns}) <= ({marks})"
            cursor = await tx.execute(insert.format(rows=f"{above} AND {below}"), (*low, *(high or ())))
            stored += max(cursor.rowcount, 0)
            if noted is not None:
                await tx.execute(noted.format(rows=f"{above} AND {below}"), (*low, *(high or ())))
        if high is None:
            return stored
        above, low = f"({columns}) > ({marks})", tuple(high)
