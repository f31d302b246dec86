"""Deletes many messages in steps, each a transaction of its own, so that nobody waits for the writer for long."""

from __future__ import annotations

from indexer.database.database import Database
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId, UserId
from indexer.store import messages, opt_outs

STEP = 500  # messages in one transaction: some 50 ms
ALONE_STEP = 25_000  # where nobody waits for the writer


async def empty(
    db: Database,
    *,
    guild_id: GuildId | None = None,
    channel_id: ChannelId | None = None,
    author_id: UserId | None = None,
    alone: bool = False,
) -> int:
    """Deletes all messages that have all the given ids; returns how many. `alone`: nobody else waits for the writer.

    The caller must make sure that no such message is stored meanwhile, and must call it again after a kill. Raises
    RetryLater where the database is busy. What was deleted until then stays deleted.
    """
    step = ALONE_STEP if alone else STEP
    deleted = 0
    while True:
        async with db.transaction() as tx:
            gone = await messages.delete_some(tx, step, guild_id=guild_id, channel_id=channel_id, author_id=author_id)
        if not gone:
            return deleted
        deleted += gone


async def empty_opted_out(db: Database) -> int:
    """As `empty`, of every author who opted out, where they did."""
    async with db.reader() as connection:
        unfinished = await opt_outs.unfinished(connection)
    return sum(
        [
            await empty(db, guild_id=None if where == EVERYWHERE else where, author_id=user_id)
            for user_id, where in unfinished
        ]
    )
