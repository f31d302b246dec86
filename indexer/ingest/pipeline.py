"""crawl → fetch → decode → embed → store: runs of guilds, and the stages (stages.py) in one TaskGroup.

The encoder sets the pace: a full queue makes the stage before it wait, and at last no further page of history is
requested. If a stage drops an item (a cancelled run, a killed process), its place is still `pending` in SQLite. The
next run fetches it again, with a fresh link.

Memory, whatever the size of a guild and however many guilds run:

    bytes of files   workers × max_download_bytes    (workers = fetch.concurrency + decode.workers)
                     (with a cluster also MOST_FILES × 7.5 MB at most, while a run uses it)
    pixels           (2 × PIXEL_LANE + workers + 3 batches) × frames × size² × 3, for each guild that runs
                     (with a cluster two batches for each of its encoders)
    links            (2 × LINK_LANE + concurrency × 1,000) × about 2 KB, for each guild that runs

With the defaults and a model of 256 pixels: 384 MiB if every file were as large as allowed (a few MiB in practice,
since the media proxy's copies have some 30 KB), 20 MiB of pixels (60 if all were animations of three scenes), under
10 MiB of links. tests/ingest/test_pipeline.py tests these bounds of the queues.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from types import TracebackType

from indexer.backoff import Backoff
from indexer.clock import now_ms
from indexer.crawl.guild_crawl import GuildCrawl, Run
from indexer.crawl.histories import Histories
from indexer.crawl.sweep import Sweep
from indexer.crawl.vanished import remove_vanished
from indexer.database.database import Database
from indexer.encode.model_on_demand import BATCHES_AN_ENCODER, CLUSTER_FAULT, FILES_AN_ENCODER
from indexer.errors import TellPerson, Told
from indexer.fair_semaphore import FairSemaphore
from indexer.ingest.download import Decodes, EncodesFiles, Fetches
from indexer.ingest.fair_queue import Lane
from indexer.ingest.items import BACKLOG, LIVE, Item
from indexer.ingest.outcomes import Outcomes
from indexer.ingest.pending import PendingPlaces
from indexer.ingest.stage_times import DOWNLOAD, ENCODE, STORE, StageTimes
from indexer.ingest.stages import Stages
from indexer.ingest.thumbnails import Thumbnails
from indexer.pictures.extras import VIDEO, installed
from indexer.ports import Encoder, Mirror
from indexer.progress import Progress, State
from indexer.records.ids import DISCORD, ChannelId, GuildId, ModelId, OriginId, Serves, serves_all
from indexer.sentence import Sentence
from indexer.settings import Settings
from indexer.store import embeddings, guilds
from indexer.store.message_pictures import NewPlace
from indexer.supervisor import Faults, contained, plainest, supervised
from indexer.thumbnails.kept_thumbnails import KeptThumbnails

log = logging.getLogger(__name__)

ENCODERS = 3  # batches under way: two are embedded, one for each stream, while a third is stored
# A run has tried all pictures if at most this share could not be downloaded (a few hosts are always down). If the share
# is larger, the CDN was down, and the earlier model continues to answer.
UNREACHED_SHARE = 0.01
SWEEP_RESTARTS = Backoff(tries=0, first_s=60.0, longest_s=900.0)  # long pauses, because nobody waits for the sweep
MOST_FILES = 256  # under way to a cluster: 7 MB as the media proxy gives them, 1.9 GB if all were as large as may be
HOUSEKEEPING_S = 30.0  # seconds between two searches for failed places that are due again


class Pipeline:
    """Indexes guilds. Its stages run as long as the `async with` block. Runs of guilds begin and end inside it."""

    def __init__(
        self,
        db: Database,
        histories: Histories,
        fetcher: Fetches,
        decoder: Decodes,
        encoder: Encoder,
        model_id: ModelId,
        settings: Settings,
        faults: Faults,
        kept: KeptThumbnails | None = None,
        serves: Serves = serves_all,
        cluster: EncodesFiles | None = None,
    ) -> None:
        """`serves`: a guild of another process is left as it is: this one cannot tell there what it may read.
        `cluster`: for runs that are asked to use it."""
        self._cluster = cluster
        self._db = db
        self._histories = histories
        self._model_id = model_id
        self._settings = settings
        self._faults = faults
        self._serves = serves
        decoders = settings.decode.workers or min(os.cpu_count() or 1, 4)
        self._workers = settings.fetch.concurrency + decoders
        keep = settings.crawl.keep
        self._outcomes = Outcomes(db, model_id, keep, settings.decode.frames)
        thumbnails = Thumbnails(decoder, kept)
        self._stages = Stages(
            db.room,
            histories,
            fetcher,
            thumbnails,
            encoder,
            self._outcomes,
            settings.model.batch_size,
            settings.fetch.max_video_bytes if settings.decode.frames > 1 and installed(VIDEO) else 0,
            cluster,
        )
        # Nothing is read while the disk has no room.
        self._slots = FairSemaphore(settings.crawl.concurrency, db.room.wait)
        self._pending_places = PendingPlaces(
            db, histories, keep, model_id, self._outcomes, self._stages.admit, self._slots, settings.decode.frames
        )
        self._sweep = Sweep(
            db,
            histories.discord,
            keep=keep,
            slots=self._slots,
            again_days=settings.crawl.sweep_again_days,
            busy=lambda guild_id: self.runs(guild_id) or not serves(guild_id),
        )
        self._runs: dict[GuildId, Progress] = {}
        self._running: set[GuildId] = set()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Pipeline:
        """Starts the stages. A Stop in one of them cancels the block."""
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        for _ in range(self._workers):
            self._begin("preparing pictures", self._stages.prepare_forever)
        for _ in range(_batches_under_way(self._settings)):
            self._begin("embedding pictures", self._stages.embed_forever)
        self._begin("housekeeping", self._housekeep)
        if self._histories.connected:
            self._begin("sweep", lambda: self._sweep.forever(self._settings.crawl.sweep_per_minute), SWEEP_RESTARTS)
        return self

    def _begin(self, name: str, stage: Callable[[], Awaitable[None]], backoff: Backoff | None = None) -> None:
        assert self._group is not None
        task = self._group.create_task(supervised(name, stage, self._faults, backoff=backoff), name=name)
        self._tasks.append(task)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        assert self._group is not None
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise plainest(group) from group
        finally:
            self._group = None

    async def run_guild(
        self,
        guild_id: GuildId,
        only: frozenset[ChannelId] | None = None,
        origin_id: OriginId = DISCORD,
        *,
        fleet: bool = False,
    ) -> Progress:
        """Reads the guild's history of this origin to its end and embeds every picture of the guild.

        `fleet`: its files are opened and embedded in the cluster, as long as that can be reached.
        `only` limits the reading to these channels and their threads (none: what is pending is fetched, nothing read).
        Continues where an earlier run ended; known pictures are not fetched or embedded again. Returns when all is done
        (DONE), or all except some channels (INCOMPLETE). A cancellation at any point loses nothing. Raises TellPerson
        where a person must correct something (a missing intent), ChannelClosed where the guild cannot be read,
        RetryLater where its channels cannot be listed for a long time, Stop, and RuntimeError when the guild runs
        already.
        """
        if self._group is None:
            raise RuntimeError("enter the pipeline first: `async with pipeline:`")
        history = await self._histories.of(origin_id)
        if guild_id in self._running:
            raise RuntimeError(f"server {guild_id} is being indexed already")
        progress = self._runs[guild_id] = Progress(guild_id)
        self._running.add(guild_id)
        lane = Lane(BACKLOG, guild_id)
        try:
            reader = GuildCrawl(
                self._db,
                history,
                Run(guild_id, only, origin_id),
                self._settings.crawl,
                self._slots,
                progress,
                lambda fresh: self._stages.admit(_items(fresh, origin_id, lane, progress)),
            )
            async with self._in_cluster(lane) if fleet else nullcontext():
                async with asyncio.TaskGroup() as group:
                    if only is None or only:
                        group.create_task(reader.run())
                    taking_up = group.create_task(self._take_up(guild_id, lane, progress))
                await progress.settled()
            if only is None and isinstance(history, Mirror):
                await remove_vanished(self._db, guild_id, history)
            reached = taking_up.result() and progress.unreachable <= UNREACHED_SHARE * progress.places_done
            if only is None and reached and not reader.postponed:
                async with self._db.transaction() as tx:
                    await embeddings.tried_all(tx, guild_id, self._model_id)
            progress.state = State.INCOMPLETE if reader.postponed else State.DONE
            if reader.postponed:
                progress.reason = Sentence("job-incomplete", {"channels": len(reader.postponed)})
        except asyncio.CancelledError:
            progress.state = State.CANCELLED
            raise
        except BaseExceptionGroup as group_error:
            progress.state = State.FAILED
            error = plainest(group_error)
            progress.reason = error.sentence if isinstance(error, Told) else None
            raise error from group_error
        finally:
            self._stages.drop(lane)
            self._running.discard(guild_id)
            progress.ended_ms = now_ms()
        return progress

    @asynccontextmanager
    async def _in_cluster(self, lane: Lane) -> AsyncIterator[None]:
        """Files of the lane are opened and embedded in the cluster until the block ends, by workers for it alone.

        A job that goes on after a restart may find no cluster: then this machine does the work.
        """
        async with AsyncExitStack() as stack:
            count = 0
            if self._cluster is not None:
                try:
                    await stack.enter_async_context(self._cluster.joined())
                    count = _files_under_way(self._settings)
                    self._stages.to_cluster.add(lane)
                    stack.callback(self._stages.to_cluster.discard, lane)
                except TellPerson as error:
                    self._faults.add(CLUSTER_FAULT, error)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            name = "preparing files for the cluster"
            workers = [
                group.create_task(supervised(name, lambda: self._stages.prepare_forever(lane), self._faults), name=name)
                for _ in range(count)
            ]
            yield
            for worker in workers:
                worker.cancel()

    def progress(self, guild_id: GuildId) -> Progress | None:
        """The progress of the guild's run, or how its last run ended. None where it had no run since the start."""
        progress = self._runs.get(guild_id)
        if progress is None:
            return None
        resting = self._db.room.reason if progress.state is State.RUNNING else None
        return replace(progress, reason=resting or progress.reason)

    def known_and_embedded(self) -> tuple[int, int]:
        """Of the last run of each guild since the start: places whose picture was known, and pictures embedded."""
        runs = self._runs.values()
        embedded = sum(run.embedded for run in runs)
        return max(sum(run.places_done - run.failed for run in runs) - embedded, 0), embedded

    @property
    def times(self) -> StageTimes:
        """How long its stages take."""
        return self._stages.times

    @property
    def waiting(self) -> dict[str, int]:
        """Pictures that wait in its queues, by the stage that takes them next; with those that are stored just now."""
        stages = self._stages
        return {DOWNLOAD: len(stages.links), ENCODE: len(stages.pixels), STORE: stages.times.under_way(STORE)}

    def runs(self, guild_id: GuildId) -> bool:
        """Whether the guild is being indexed now."""
        return guild_id in self._running

    def submit(self, guild_id: GuildId, fresh: Sequence[NewPlace], progress: Progress | None = None) -> None:
        """Puts places of live messages at the front of the queue. `progress` counts them and their outcomes.

        Never waits for room. Places that do not fit stay pending, and housekeeping fetches them later.
        """
        progress = progress or Progress(guild_id)
        for item in _items(fresh, DISCORD, Lane(LIVE, guild_id), progress):
            self._stages.offer(item)

    async def _take_up(self, guild_id: GuildId, lane: Lane, progress: Progress) -> bool:
        """Fetches due and unembedded places, and waits for those that live work or housekeeping has already.

        Returns whether an origin answered for every unembedded picture.
        """
        await self._pending_places.take_up(guild_id, lane, progress)
        await self._outcomes.others_ended(guild_id, progress)
        await self._pending_places.take_up(guild_id, lane, progress)  # what they gave back without an outcome
        return await self._pending_places.take_up_unembedded(guild_id, lane, progress)

    async def _housekeep(self) -> None:
        """Fetches failed places that are due again, and live places for which the queue had no room."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            for guild_id in await self._pending_places.guilds_with_work():
                if guild_id not in self._running and await self._fetches(guild_id):
                    with contained("housekeeping", self._faults):  # an error in one guild must not affect the next one
                        await self._pending_places.take_up(guild_id, Lane(BACKLOG, guild_id), None)

    async def _fetches(self, guild_id: GuildId) -> bool:
        """Whether this process can have pictures of the guild: from Discord, or from archives alone."""
        if self._serves(guild_id):
            return True
        async with self._db.reader() as connection:
            return await guilds.is_archived_only(connection, guild_id)


def _batches_under_way(settings: Settings) -> int:
    """With a cluster, as many as all its encoders can have, and one that is stored."""
    if settings.model.runtime == "ray":
        return BATCHES_AN_ENCODER * settings.ray.max_replicas + 1
    return ENCODERS


def _files_under_way(settings: Settings) -> int:
    """As many as all encoders of the cluster can have."""
    return min(FILES_AN_ENCODER * settings.ray.max_replicas, MOST_FILES)


def _items(fresh: Sequence[NewPlace], origin_id: OriginId, lane: Lane, progress: Progress) -> list[Item]:
    """The newest message first."""
    newest_first = sorted(fresh, key=lambda place: (-place.message.id, place.ref.ordinal))
    return [Item.of(place, origin_id, lane, progress) for place in newest_first]
