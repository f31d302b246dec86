"""What is stored, as answers to whoever asks. Each answer is read in one snapshot; none of them needs the model.

Whoever shows an answer to a member names the channels that this member may see: nothing of others is counted or given.
Every method raises RetryLater where the database is not free in time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from indexer.clock import now_ms
from indexer.database.database import Database, open_database
from indexer.database.until_commit import UntilCommit
from indexer.errors import Reason
from indexer.records.hits import Filter, PlaceDetail
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId, PlaceId, Serves, UserId
from indexer.records.messages import Channel, Guild
from indexer.reports import channel_coverage, coverage, data_export, failures, overview, status
from indexer.reports.channel_coverage import ChannelCoverage
from indexer.reports.data_export import Held, HeldMessage
from indexer.reports.failures import Failure
from indexer.reports.overview import Overview
from indexer.reports.status import Status
from indexer.store import audit, authors, channels, guilds, message_lookup, opt_outs, places

GUILDS = 64  # that are asked for by their id, remembered until the next commit


class Reports:
    """Safe to use from many tasks at once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._guild = UntilCommit(db, guilds.get, GUILDS)

    async def status(self) -> Status:
        """The whole data folder, counted."""
        async with self._db.reader() as connection:
            return await status.read(connection)

    async def guilds(self) -> list[Guild]:
        """Every guild of which something is stored."""
        async with self._db.reader() as connection:
            return await guilds.known(connection)

    async def guild(self, guild_id: GuildId) -> Guild | None:
        """The guild, where something is stored of it."""
        return await self._guild.get(guild_id)

    async def archived_only(self, guild_id: GuildId) -> bool:
        """Whether this guild is known by archives alone: a folder of pictures, or a server without this bot."""
        async with self._db.reader() as connection:
            return await guilds.is_archived_only(connection, guild_id)

    async def elsewhere(self, serves: Serves) -> list[Guild]:
        """The guilds in Discord that another process of this bot serves: what is stored of them here rests."""
        async with self._db.reader() as connection:
            return [
                guild
                for guild in await guilds.known(connection)
                if not serves(guild.id) and not await guilds.is_archived_only(connection, guild.id)
            ]

    async def consented(self) -> frozenset[GuildId]:
        """The guilds that may be read."""
        async with self._db.reader() as connection:
            return frozenset(await guilds.consented(connection))

    async def channels(self, guild_id: GuildId) -> list[Channel]:
        """The guild's channels and threads, as they were seen last."""
        async with self._db.reader() as connection:
            return await channels.of_guild(connection, guild_id)

    async def authors_named(
        self, guild_id: GuildId, name: str, among: Collection[ChannelId] | None = None
    ) -> frozenset[UserId]:
        """The authors of that name, letter case aside, who have a stored message in these channels (None: in any)."""
        async with self._db.reader() as connection:
            return await authors.named(connection, guild_id, name, among)

    async def author_names(
        self, typed: str, among: Collection[ChannelId], without: Collection[UserId], limit: int
    ) -> list[str]:
        """Up to `limit` names that begin so, of authors of stored messages in these channels, but for `without`."""
        async with self._db.reader() as connection:
            return await authors.names_beginning(connection, typed, among, without, limit)

    async def coverage(self, guild_id: GuildId, among: Collection[ChannelId]) -> int:
        """The percentage of these channels' pictures that is indexed, rounded down, 0–100."""
        async with self._db.reader() as connection:
            return await coverage.coverage(connection, guild_id, among, now_ms())

    async def channel_coverage(self, guild_id: GuildId) -> list[ChannelCoverage]:
        """How far each channel and thread of the guild is indexed."""
        async with self._db.reader() as connection:
            return await channel_coverage.of_guild(connection, guild_id, now_ms())

    async def audit(self, limit: int, guild_id: GuildId | None = None) -> list[audit.Entry]:
        """The newest lines of the audit log first, of one guild or of all."""
        async with self._db.reader() as connection:
            return await audit.recent(connection, limit, guild_id)

    async def overview(self, guild_id: GuildId, among: Collection[ChannelId]) -> Overview:
        """The guild's index as far as these channels hold it."""
        async with self._db.reader() as connection:
            return await overview.of_channels(connection, guild_id, among)

    async def failures(
        self,
        limit: int,
        *,
        guild_id: GuildId | None = None,
        among: Collection[ChannelId] | None = None,
        reasons: Collection[Reason] | None = None,
        skip: int = 0,
    ) -> tuple[list[Failure], int]:
        """Up to `limit` pictures that could not be read, after `skip` others; and how many there are in all."""
        async with self._db.reader() as connection:
            return await failures.newest(
                connection, limit, guild_id=guild_id, channel_ids=among, reasons=reasons, skip=skip
            )

    async def random_place(self, guild_id: GuildId, filter: Filter) -> PlaceDetail | None:
        """A place inside the filter, each message with the same chance; None where there is none."""
        return next(iter(await self.random_places(guild_id, filter, 1)), None)

    async def random_places(self, guild_id: GuildId, filter: Filter, count: int) -> list[PlaceDetail]:
        """Up to `count` places inside the filter, of different messages, each message with the same chance."""
        async with self._db.reader() as connection:
            chosen = await places.random(connection, guild_id, filter, count)
            details = await places.describe(connection, chosen)
        return [details[place_id] for place_id in chosen if place_id in details]

    async def described(self, place_ids: Collection[PlaceId]) -> dict[PlaceId, PlaceDetail]:
        """Everything that is shown of these places, as far as they still exist."""
        async with self._db.reader() as connection:
            return await places.describe(connection, place_ids)

    async def first_picture(self, guild_id: GuildId, message_id: MessageId) -> PictureId | None:
        """The first picture that a message shows and that can be searched for; None where there is none."""
        async with self._db.reader() as connection:
            return await message_lookup.first_picture(connection, guild_id, message_id)

    async def held(self, user_id: UserId, guild_id: GuildId | None = None) -> Held:
        """How much is stored of this author, in one guild or (None) in all."""
        async with self._db.reader() as connection:
            return await data_export.held(connection, user_id, guild_id)

    async def held_messages(self, user_id: UserId) -> list[HeldMessage]:
        """Every stored message of this author in all guilds, oldest first."""
        async with self._db.reader() as connection:
            return [message async for message in data_export.messages(connection, user_id)]

    async def opted_out(self, user_id: UserId) -> list[GuildId]:
        """Where this person opted out; EVERYWHERE may be among them."""
        async with self._db.reader() as connection:
            return await opt_outs.of_user(connection, user_id)

    async def unfinished_opt_outs(self) -> list[tuple[UserId, GuildId]]:
        """The opt-outs (author, guild or EVERYWHERE) of which not every message is deleted yet."""
        async with self._db.reader() as connection:
            return await opt_outs.unfinished(connection)


@asynccontextmanager
async def open_reports(folder: Path) -> AsyncIterator[Reports]:
    """Reports on a data folder, beside a running bot. Raises StorageError where there is no database to read."""
    async with open_database(folder, write=False) as db:
        yield Reports(db)
