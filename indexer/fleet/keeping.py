"""What follows from records of the journal: deletions, by the running bot's own ways or by a command's."""

from __future__ import annotations

from indexer.crawl.removals import GuildLeft, OptedOut, Removals, forget_guild, opt_out
from indexer.database.database import Database
from indexer.deletions import Deletions
from indexer.records.ids import GuildId, UserId
from indexer.store import opt_outs, promises


class InService:
    """Written down for the running service, which carries it out."""

    def __init__(self, removals: Removals, deletions: Deletions) -> None:
        self._removals = removals
        self._deletions = deletions

    async def settle_user(self, user_id: UserId) -> None:
        await self._removals.take_up()
        await self._removals.settle(lambda removal: isinstance(removal, OptedOut) and removal.user_id == user_id)

    async def settle_guild(self, guild_id: GuildId) -> None:
        await self._removals.take_up()
        await self._removals.settle(lambda removal: removal == GuildLeft(guild_id))

    async def take_up(self) -> None:
        await self._removals.take_up()
        self._deletions.look_again()


class Here:
    """Carried out at once, where nothing runs beside it."""

    def __init__(self, db: Database, deletions: Deletions) -> None:
        self._db = db
        self._deletions = deletions

    async def settle_user(self, user_id: UserId) -> None:
        await self.take_up()

    async def settle_guild(self, guild_id: GuildId) -> None:
        await self.take_up()

    async def take_up(self) -> None:
        async with self._db.reader() as connection:
            unfinished = await opt_outs.unfinished(connection)
            going = await promises.guilds_to_forget(connection)
        for user_id, where in unfinished:
            await opt_out(self._db, user_id, where)
        for guild_id in going:
            await forget_guild(self._db, guild_id)
        await self._deletions.delete_left()
