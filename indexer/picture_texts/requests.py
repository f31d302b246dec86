"""What whoever runs the bot wants to have read: some channels first, or pictures anew. Kept over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from indexer.database.database import Database
from indexer.records.ids import ChannelId
from indexer.records.picture_texts import TextKind
from indexer.store import readings


class TextRequests:
    """Of one kind of text. Needs no reader: what is written down here is carried out by the lane, at once where it runs
    in this process.
    """

    def __init__(self, db: Database, kind: TextKind, changed: asyncio.Event, *, enabled: bool) -> None:
        """`enabled`: whether such texts are made at all. `changed` is set with each wish; the lane clears it."""
        self.db = db
        self.kind = kind
        self.enabled = enabled
        self.changed = changed

    async def counts(self) -> Mapping[str, int]:
        """As `readings.counts`."""
        async with self.db.reader() as connection:
            return await readings.counts(connection, self.kind)

    async def first(self, channel_ids: Collection[ChannelId]) -> None:
        """The pictures of these channels are read before all others."""
        async with self.db.transaction(durable=True) as tx:
            await readings.put_first(tx, self.kind, channel_ids)
        self.changed.set()

    async def again(self, channel_ids: Collection[ChannelId] | None = None) -> None:
        """The pictures of these channels (None: all pictures) are read anew; what was read stays until then."""
        async with self.db.transaction(durable=True) as tx:
            await readings.again(tx, self.kind, channel_ids)
        self.changed.set()
