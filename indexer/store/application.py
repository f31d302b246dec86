"""Which application (Discord's word for a bot's account) has read what is stored."""

from __future__ import annotations

import aiosqlite

from indexer.database.database import first
from indexer.errors import StorageError


async def get(connection: aiosqlite.Connection) -> int | None:
    """The application that owns the database; None: no bot has connected with it yet."""
    row = await first(connection, "SELECT application_id FROM application")
    return None if row is None else int(row[0])


async def claim(tx: aiosqlite.Connection, application_id: int, *, adopt: bool) -> int | None:
    """Records that this application stores into the database. The first application owns the database.

    Raises StorageError where another application owns it, unless `adopt` is true: then this application becomes the
    owner, and the id of the former owner is returned.
    """
    former = await get(tx)
    if former == application_id:
        return None
    if former is not None and not adopt:
        raise StorageError(
            f"This data folder belongs to the bot with application id {former}, but the token is that of"
            f" {application_id}; nothing was changed. Give the other bot's token, or another data_dir. If this bot is"
            " to take over the index, start it once with `afterimage run --adopt`: servers that it is not in within a"
            " day are then forgotten."
        )
    await tx.execute_fetchall(
        "INSERT OR REPLACE INTO application (one, application_id) VALUES (1, ?)", (application_id,)
    )
    return former
