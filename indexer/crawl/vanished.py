"""Deletes what a collection's folder does not have any more, after all that is new was embedded.

A file that was moved has the same bytes. Its new place must be there before the old one goes: a picture without a place
is deleted, with its embeddings.
"""

from __future__ import annotations

import logging

from indexer.database.database import Database
from indexer.ports import Mirror
from indexer.records.ids import GuildId
from indexer.store import collections
from indexer.store.emptying import STEP

log = logging.getLogger(__name__)


async def remove_vanished(db: Database, guild_id: GuildId, mirror: Mirror) -> int:
    """Returns how many messages were deleted. In steps; when it is interrupted, the next run does the rest."""
    removed = 0
    vanished = mirror.vanished  # a list that is made at each look, so it is asked for once
    for at in range(0, len(vanished), STEP):
        async with db.transaction() as tx:
            removed += await collections.remove(tx, vanished[at : at + STEP], mirror.unreadable)
    if removed:
        async with db.transaction() as tx:
            await collections.remove_empty_folders(tx, guild_id)
        log.info("%d files of collection %d are gone", removed, guild_id)
    return removed
