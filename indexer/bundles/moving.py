"""A server goes into another data folder of the same bot: gathered, stored there, compared row by row, deleted here.

Killed at any moment, the same call goes on: storing twice changes nothing, and what is being deleted has a note.
`afterimage split` is the same with a folder that has no other server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from indexer.backup.verify import look_through
from indexer.backup.work_folder import work_folder
from indexer.bundles import departure, saved_rows
from indexer.bundles.bundle_file import CONTENT
from indexer.bundles.bundle_import import WORK_PREFIX
from indexer.bundles.comparing import compare
from indexer.bundles.departure import Departure
from indexer.bundles.gather import Selection, gather
from indexer.bundles.ownership import Ownership
from indexer.bundles.storing import Stored, store
from indexer.crawl.removals import forget_guild
from indexer.database import journal
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.database.stoppable_thread import in_stoppable_thread
from indexer.errors import StorageError
from indexer.records.ids import EVERYWHERE, GuildId, UserId
from indexer.settings import CrawlSettings
from indexer.store import application, audit, guilds, opt_outs

Tell = Callable[[str, int, int | None], None]

# What the former folder kept, the new one has, whatever it keeps later.
EVERYTHING = CrawlSettings(messages="all", bots=True)


class Open(Protocol):
    """A data folder that is open for writing."""

    @property
    def db(self) -> Database: ...


class Forgetting(Open, Protocol):
    """… and where a member can be forgotten, as a command and a bot do it."""

    async def forget_user(self, user_id: UserId) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """The gathered rows of a server in the file `rows`; they come from the folder `source` of this bot (None: no bot
    has claimed it yet).
    """

    guild_id: GuildId
    rows: Path
    source: Path
    application_id: int | None


TakeIn = Callable[[Parcel], Awaitable[Stored]]


@dataclass(frozen=True, slots=True)
class Copied:
    """A server that is whole in the data folder `folder`. `stored`: what came in now."""

    guild_id: GuildId
    folder: Path
    stored: Stored

    def as_dict(self, deleted: bool) -> dict[str, Any]:
        """For JSON. `deleted`: whether it is gone where it was."""
        told = {"id": str(self.guild_id), "folder": str(self.folder), "deleted_here": deleted}
        stored = asdict(self.stored)
        return {**told, **{name: stored[name] for name in ("messages", "known", "pictures", "embeddings", "opt_outs")}}


async def copy_out(
    data_dir: Path, guild_id: GuildId, folder: Path, take_in: TakeIn, tell: Tell, *, leaves: bool
) -> Copied:
    """Gathers a server from `data_dir`, has `take_in` store it in the data folder `folder`, and compares both.

    `leaves`: nobody writes `data_dir`, and the server leaves it, so what members have saved there goes along.
    Raises StorageError where something is missing there at the end; TellPerson where nothing of it is stored.
    """
    with work_folder(data_dir, WORK_PREFIX) as work:
        rows = work / CONTENT
        gathered = await in_stoppable_thread(
            lambda check: gather(data_dir / FILE_NAME, Selection((guild_id,)), rows, check, tell)
        )
        if leaves:
            await asyncio.to_thread(saved_rows.add, data_dir / FILE_NAME, rows)
        stored = await take_in(Parcel(guild_id, rows, data_dir, gathered.application_id))
        tell("rows compared", 0, None)
        await asyncio.to_thread(compare, folder / FILE_NAME, rows)
    return Copied(guild_id, folder, stored)


async def take_in(place: Open, folder: Path, parcel: Parcel, tell: Tell, *, alone: bool) -> Stored:
    """Stores the rows in this data folder (`folder`); they are on the disk when it returns.

    `alone`: no bot runs in this process. Raises StorageError for another bot's folder, and for one from which the same
    server was on its way; RetryLater where the database is busy.
    """
    async with place.db.reader() as connection:
        own = await application.get(connection)
    if None not in (own, parcel.application_id) and own != parcel.application_id:
        raise StorageError(
            f"{folder} has the bot with application id {own} already, and {parcel.source} that with"
            f" {parcel.application_id}: a server moves between folders of one bot. Nothing was changed."
        )
    left = await asyncio.to_thread(departure.of, folder, parcel.guild_id)
    if left is not None:
        raise StorageError(
            f"{left.name} is on its way from {folder} to {left.folder}, and its rows here were being deleted: finish"
            f" that first (`afterimage move {left.guild_id} --to {left.folder}`). Nothing was changed."
        )
    ownership = Ownership(parcel.application_id, str(parcel.source), "", same_machine=True)
    moved = parcel.guild_id if await asyncio.to_thread(saved_rows.gathered_in, parcel.rows) else None
    stored = await store(place.db, parcel.rows, ownership, EVERYTHING, tell, alone=alone, moved=moved)
    async with place.db.transaction(durable=True) as tx:  # everything before it is on the disk with it
        await audit.add(tx, "guild.arrive", guild_id=parcel.guild_id, detail={"from": str(parcel.source)})
    return stored


async def require_own(place: Open, folder: Path, guild_id: GuildId) -> None:
    """Raises StorageError where the data folder has another server."""
    async with place.db.reader() as connection:
        others = [guild.name for guild in await guilds.known(connection) if guild.id != guild_id]
    if others:
        raise StorageError(
            f"{folder} has the server {others[0]} already: a server is split into a folder of its own."
            " `afterimage move` moves it into a folder that has others, and `afterimage merge` joins folders."
        )


async def verify_whole(folder: Path, tell: Tell) -> None:
    """Raises StorageError where the data folder is not sound."""
    verified = await in_stoppable_thread(lambda check: look_through(folder, check, tell))
    if verified.faults:
        raise StorageError(f"{folder} is not sound ({verified.faults[0].text}). Nothing was deleted anywhere.")


async def keep_promises(place: Forgetting, other: Path) -> int:
    """Opt-outs everywhere that the data folder `other` knows hold in this one too. Returns how many were new."""
    async with open_database(other, write=False) as db, db.reader() as connection:
        wanted = await opt_outs.everywhere(connection)
    for removal in await asyncio.to_thread(journal.pending, other / journal.FILE_NAME):
        if removal.get("kind") == "OptedOut" and removal.get("guild_id") == EVERYWHERE:
            wanted.add(UserId(int(removal["user_id"])))
    async with place.db.reader() as connection:
        new = wanted - await opt_outs.everywhere(connection)
        # A kill may have come between an opt-out and the end of its deletions.
        begun = {user_id for user_id, where in await opt_outs.unfinished(connection) if where == EVERYWHERE}
    for user_id in sorted(new | begun):
        await place.forget_user(user_id)
    return len(new)


async def depart(place: Open, gone: Departure, tell: Tell) -> None:
    """Deletes the server here, where nobody else waits for the writer. Killed, the same call goes on."""
    data_dir = place.db.path.parent
    await asyncio.to_thread(departure.note, data_dir, gone)
    tell("server deleted here", 0, None)
    await forget_guild(place.db, gone.guild_id, alone=True)
    await asyncio.to_thread(departure.done, data_dir, gone.guild_id)
