"""Bundles that are asked for while the bot runs: each is made in a thread, fetched once, and deleted.

Its file holds messages. So it is on the disk for a short time: until it was fetched, KEPT_S seconds at most, and no
longer where somebody wants to be forgotten, a channel is deleted, or the bot leaves the server.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import ExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol

from indexer.backup.work_folder import work_folder
from indexer.bundles.export import export_bundle
from indexer.bundles.gather import Selection
from indexer.clock import now_ms
from indexer.correlation import Cause, cause, caused_by
from indexer.crawl.removals import ChannelDeleted, GuildLeft, OptedOut, Removal, Removals
from indexer.database.database import FILE_NAME, Database, to_the_end
from indexer.errors import DiskFull, TellPerson, Told
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId
from indexer.records.messages import Guild
from indexer.sentence import Sentence
from indexer.settings import Settings
from indexer.store import audit
from indexer.supervisor import Faults, contained

NAME = "making bundles"  # the name of this work among the faults
REMEMBERED = 20
KEPT_S = 300.0
LONGEST_S = 3600.0  # of making one
WORK_PREFIX = ".afterimage-bundle-"


class BundleState(StrEnum):
    MAKING = "making"
    READY = "ready"
    GONE = "gone"


@dataclass(slots=True, eq=False)
class GuildBundle:
    """A bundle of a guild, or of some of its channels. While it is made, `done` of `total` of a step called `step` are
    done (`total` None: not known). `expires_ms`: until when it can be fetched. `reason`: why there is no file any more.
    `is_outdated`: it must not be read any more, also by whoever has begun to.
    """

    id: int
    guild: Guild
    channels: tuple[ChannelId, ...] | None
    began_ms: int = field(default_factory=now_ms)
    state: BundleState = BundleState.MAKING
    step: str = ""
    done: int = 0
    total: int | None = None
    path: Path | None = None
    byte_count: int = 0
    expires_ms: int | None = None
    reason: Sentence | None = None
    is_outdated: bool = False
    task: asyncio.Task[None] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self) -> None:
        """To be called when nothing of it is on the disk any more."""
        self.state, self.path = BundleState.GONE, None

    @property
    def file_name(self) -> str:
        """For whoever saves it: plain letters alone."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.guild.name).strip("-").lower()[:60] or "server"
        return f"{name}-{datetime.fromtimestamp(self.began_ms / 1000, UTC):%Y-%m-%d}.bundle.zst"


class BundleExports:
    """One bundle is made or kept at a time. `min_free_bytes` of the disk stay free. Belongs to one event loop."""

    def __init__(
        self, db: Database, data_dir: Path, min_free_bytes: int, tasks: asyncio.TaskGroup, faults: Faults
    ) -> None:
        self._db = db
        self._data_dir = data_dir
        self._min_free_bytes = min_free_bytes
        self._tasks = tasks
        self._faults = faults
        self._numbers = itertools.count(1)
        self._recent: deque[GuildBundle] = deque(maxlen=REMEMBERED)
        self._beginning = asyncio.Lock()

    def recent(self, guild_id: GuildId) -> list[GuildBundle]:
        """Those of this guild since the start, the newest first."""
        return [bundle for bundle in reversed(self._recent) if bundle.guild.id == guild_id]

    def get(self, guild_id: GuildId, number: int) -> GuildBundle:
        """Raises TellPerson where there is none."""
        for bundle in self.recent(guild_id):
            if bundle.id == number:
                return bundle
        raise TellPerson("bundle-unknown")

    def state(self) -> Hashable:
        """Another value whenever something of these has changed."""
        return tuple((bundle.id, bundle.state, bundle.step, bundle.done, bundle.total) for bundle in self._recent)

    async def start(self, guild: Guild, channels: tuple[ChannelId, ...] | None) -> GuildBundle:
        """Begins to make one. Raises TellPerson where another one is there, or where there is no room."""
        async with self._beginning:
            if any(bundle.state is not BundleState.GONE for bundle in self._recent):
                raise TellPerson("bundle-another")
            await asyncio.to_thread(self._check_room)
            bundle = GuildBundle(next(self._numbers), guild, channels)
            await self._note("bundle.export", bundle, {"channels": None if channels is None else len(channels)})
            self._recent.append(bundle)
            bundle.task = self._tasks.create_task(self._run(bundle, cause()), name=f"bundle {bundle.id}")
            bundle.task.add_done_callback(lambda _: bundle.end())
            return bundle

    @asynccontextmanager
    async def fetching(self, bundle: GuildBundle) -> AsyncIterator[BinaryIO]:
        """The file, open. When the block ends without an error it has been fetched, and is deleted.

        Raises TellPerson where it is not there.
        """
        try:
            if bundle.path is None:
                raise FileNotFoundError
            file = await asyncio.to_thread(bundle.path.open, "rb")
        except FileNotFoundError:
            raise TellPerson("bundle-not-there") from None
        try:
            await self._note("bundle.fetch", bundle, {"bytes": bundle.byte_count})
            yield file
        finally:
            file.close()
        await self.end(bundle, Sentence("bundle-fetched"))

    async def end(self, bundle: GuildBundle, reason: Sentence) -> None:
        """Stops making it, or deletes its file; returns when nothing of it is on the disk any more."""
        self._drop(bundle, reason)
        if bundle.task is not None:
            await asyncio.wait({bundle.task})

    async def end_all(self) -> None:
        """As `end`, of every one: the bot ends."""
        for bundle in list(self._recent):
            await self.end(bundle, Sentence("bundle-stopped"))

    def on_removal(self, removal: Removal) -> None:
        """Drops what holds something that must be gone from now on."""
        for bundle in self._recent:
            match removal:
                case OptedOut(guild_id=guild_id) if guild_id not in (EVERYWHERE, bundle.guild.id):
                    continue
                case GuildLeft(guild_id=guild_id) if guild_id != bundle.guild.id:
                    continue
                case OptedOut() | GuildLeft() | ChannelDeleted():
                    bundle.is_outdated = True
                    self._drop(bundle, Sentence("bundle-outdated"))

    def _drop(self, bundle: GuildBundle, reason: Sentence) -> None:
        if bundle.state is BundleState.GONE or bundle.over.is_set():
            return
        bundle.reason = reason
        bundle.over.set()
        if bundle.state is BundleState.MAKING and bundle.task is not None:
            bundle.task.cancel()

    async def _run(self, bundle: GuildBundle, asked: Cause | None) -> None:
        with ExitStack() as opened:
            try:
                with nullcontext() if asked is None else caused_by(asked):
                    await self._make(bundle, opened)
                if bundle.state is BundleState.READY:
                    await self._keep(bundle)
            finally:
                bundle.path = None
                await to_the_end(asyncio.to_thread(opened.close))

    async def _make(self, bundle: GuildBundle, opened: ExitStack) -> None:
        """Leaves the bundle ready, or with a reason why there is none. Closing `opened` deletes the file."""

        def tell(step: str, done: int, total: int | None) -> None:
            bundle.step, bundle.done, bundle.total = step, done, total

        with contained(NAME, self._faults) as work:
            try:
                folder = await asyncio.to_thread(opened.enter_context, work_folder(self._data_dir, WORK_PREFIX))
                async with asyncio.timeout(LONGEST_S):
                    selection = Selection((bundle.guild.id,), bundle.channels)
                    made = await export_bundle(self._data_dir, selection, folder / f"{bundle.id}.zst", tell)
                bundle.path, bundle.byte_count = made.path, made.byte_count
                bundle.expires_ms = now_ms() + round(KEPT_S * 1000)
                bundle.state = BundleState.READY
            except Told as error:
                bundle.reason = error.sentence
            except DiskFull:
                bundle.reason = Sentence("bundle-no-room")
            except TimeoutError:
                bundle.reason = Sentence("bundle-too-slow")
        if work.failed:
            bundle.reason = Sentence("bundle-failed")

    async def _keep(self, bundle: GuildBundle) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(KEPT_S):
                await bundle.over.wait()
        bundle.reason = bundle.reason or Sentence("bundle-expired")
        bundle.over.set()

    def _check_room(self) -> None:
        """Raises TellPerson where the rows and the file made of them, each as large as the database, have no room."""
        needed = 2 * (self._data_dir / FILE_NAME).stat().st_size
        if shutil.disk_usage(self._data_dir).free - needed < self._min_free_bytes:
            raise TellPerson("bundle-no-room")

    async def _note(self, action: str, bundle: GuildBundle, more: dict[str, int | None]) -> None:
        async with self._db.transaction() as tx:
            await audit.add(tx, action, guild_id=bundle.guild.id, detail={"bundle": bundle.id, **more})


class Running(Protocol):
    """The open service of a bot."""

    @property
    def db(self) -> Database: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def removals(self) -> Removals: ...

    @property
    def faults(self) -> Faults: ...


@asynccontextmanager
async def open_bundle_exports(service: Running) -> AsyncIterator[BundleExports]:
    """Until the block ends: then none is made any more, and no file is left."""
    async with asyncio.TaskGroup() as tasks:
        settings = service.settings
        exports = BundleExports(service.db, settings.data_dir, settings.storage.min_free_bytes, tasks, service.faults)
        with service.removals.watched(exports.on_removal):
            try:
                yield exports
            finally:
                await exports.end_all()
