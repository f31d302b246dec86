"""What `move`, `split` and `reshard` share: a server goes from one data folder of a bot into another one.

The folder that it leaves is held for writing from the copy to the deletion: what came in between would be lost. Where a
bot runs on the folder that it goes to, that bot stores it, in steps between which it answers and writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from bot.command_line.make_sure import make_sure
from bot.control.client import answers, ask
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.bundles import departure
from indexer.bundles.departure import Departure
from indexer.bundles.moving import (
    Copied,
    Parcel,
    copy_out,
    depart,
    keep_promises,
    require_own,
    take_in,
    verify_whole,
)
from indexer.bundles.storing import Stored
from indexer.errors import FolderInUse, StorageError
from indexer.offline_store import Store, database_path, open_store
from indexer.records.ids import GuildId
from indexer.records.messages import Guild
from indexer.reports.reports import open_reports
from indexer.settings import FleetSettings, Settings


@dataclass(frozen=True, slots=True)
class Move:
    """A server that goes from the data folder `source` into the data folder `folder`."""

    guild: Guild
    source: Path
    folder: Path


class Destination(Protocol):
    """The folder that a server goes to."""

    async def take_in(self, parcel: Parcel) -> Stored: ...

    async def take_promises(self, source: Path) -> None: ...

    async def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Here:
    """No bot runs on it."""

    store: Store
    folder: Path
    bar: WorkBar
    own: bool

    async def take_in(self, parcel: Parcel) -> Stored:
        if self.own:
            await require_own(self.store, self.folder, parcel.guild_id)
        return await take_in(self.store, self.folder, parcel, self.bar.show, alone=True)

    async def take_promises(self, source: Path) -> None:
        await keep_promises(self.store, source)

    async def finish(self) -> None:
        if self.own:
            await verify_whole(self.folder, self.bar.show)
        self.bar.show("index files written", 0, None)
        await self.store.upkeep.compact_index()


@dataclass(frozen=True, slots=True)
class _ByBot:
    """A bot runs on it, and writes its index in its own time."""

    folder: Path

    async def take_in(self, parcel: Parcel) -> Stored:
        values = {
            "guild": parcel.guild_id,
            "rows": str(parcel.rows),
            "source": str(parcel.source),
            "application": parcel.application_id,
        }
        return Stored(**await ask(self.folder, "take-in", values, terminal.note))

    async def take_promises(self, source: Path) -> None:
        await ask(self.folder, "take-promises", {"source": str(source)}, terminal.note)

    async def finish(self) -> None:
        pass


@asynccontextmanager
async def _destination(settings: Settings, folder: Path, bar: WorkBar, *, own: bool) -> AsyncIterator[Destination]:
    if not own and await answers(folder):
        yield _ByBot(folder)
        return
    async with open_store(settings_of(settings, folder)) as store:
        yield _Here(store, folder, bar, own)


def settings_of(settings: Settings, folder: Path) -> Settings:
    """Those that a folder is opened with. Promises of one that is not the configuration's own wait in it for its next
    start: under this folder's name in the storage, that the server goes here would hold where it went.
    """
    if folder.resolve() == settings.data_dir.resolve():
        return settings
    return replace(settings, data_dir=folder, fleet=FleetSettings())


async def copy(settings: Settings, move: Move, *, own: bool, quiet: bool) -> Copied:
    """Copies the server and compares every row; beside a bot that runs on the source, too. `own`: into a folder that
    has no other server, and which is verified as a whole. Raises StorageError, TellPerson, RetryLater, Refused.
    """
    with work_bar(quiet=quiet) as bar:
        async with _destination(settings, move.folder, bar, own=own) as destination:
            return await _copied(move, destination, bar, leaves=False)


async def carry_over(settings: Settings, move: Move, *, own: bool, yes: bool, quiet: bool) -> Copied:
    """As `copy`, and then the server is deleted in the source, after asking (`yes`: without). Killed, the same call
    goes on. Raises as `copy`; FolderInUse where a bot runs on the source; TellPerson where nobody said yes.
    """
    if move.folder.exists() and move.source.samefile(move.folder):
        raise StorageError(f"{move.folder} is the folder that {move.guild.name} is in. Name the other one.")
    async with _source(settings, move.source) as store:
        left = await asyncio.to_thread(departure.of, move.source, move.guild.id)
        if left is not None and left.folder.resolve() != move.folder.resolve():
            raise StorageError(
                f"{left.name} went to {left.folder}, where it is whole, and its rows in {move.source} were being"
                f" deleted: finish that first (`afterimage move {left.guild_id} --to {left.folder}`)."
            )
        with work_bar(quiet=quiet) as bar:
            async with _destination(settings, move.folder, bar, own=own) as destination:
                if left is None:
                    copied = await _copied(move, destination, bar, leaves=True)
                else:
                    copied = Copied(move.guild.id, move.folder, Stored())
                    await destination.take_promises(move.source)
        if left is None and not yes:
            await asyncio.to_thread(_ask, move)
        with work_bar(quiet=quiet) as bar:
            await keep_promises(store, move.folder)
            await depart(store, Departure(move.guild.id, move.guild.name, move.folder), bar.show)
            await store.upkeep.compact_index()
        return copied


async def _copied(move: Move, destination: Destination, bar: WorkBar, *, leaves: bool) -> Copied:
    copied = await copy_out(move.source, move.guild.id, move.folder, destination.take_in, bar.show, leaves=leaves)
    await destination.finish()
    return copied


@asynccontextmanager
async def _source(settings: Settings, source: Path) -> AsyncIterator[Store]:
    try:
        async with open_store(settings_of(settings, source)) as store:
            yield store
    except FolderInUse as error:
        if not str(error).startswith(str(source)):
            raise
        raise FolderInUse(
            f"{error} It would go on storing what is posted in the server while that leaves: stop it, give this command"
            " again, and start the bot with shards that do not have the server."
        ) from error


def _ask(move: Move) -> None:
    make_sure(
        f"The server is whole in {move.folder}: every row was compared. Its copy in {move.source} is deleted now."
    )


async def servers_in(settings: Settings, folder: Path) -> list[Guild]:
    """The servers whose rows are in this data folder, also those whose rows were being deleted when a process was
    killed. A folder without a database has none.
    """
    if not await asyncio.to_thread(database_path(settings_of(settings, folder)).exists):
        return []
    async with open_reports(folder) as reports:
        known = {guild.id: guild for guild in await reports.guilds()}
    for left in await asyncio.to_thread(departure.unfinished, folder):
        known.setdefault(left.guild_id, Guild(left.guild_id, left.name))
    return list(known.values())


async def found_in(settings: Settings, folders: Iterable[Path]) -> dict[GuildId, tuple[Guild, list[Path]]]:
    """Each server with the folders that have rows of it."""
    found: dict[GuildId, tuple[Guild, list[Path]]] = {}
    for folder in folders:
        for guild in await servers_in(settings, folder):
            found.setdefault(guild.id, (guild, []))[1].append(folder)
    return found


def as_dict(copied: Copied, move: Move, *, deleted: bool) -> dict[str, object]:
    """For JSON."""
    values = copied.as_dict(deleted)
    return {**values, "name": move.guild.name, "from": str(move.source)}


def stored_lines(copied: Copied) -> list[str]:
    """What came in, in words."""
    stored = copied.stored
    if not any(asdict(stored).values()):
        return [f"{copied.folder} had the server already, whole"]
    return [
        f"{copied.folder} has the server: {stored.messages + stored.known:,} messages, {stored.embeddings:,} embeddings"
        " came in, and every row was compared"
    ]
