"""crawl → fetch → decode → embed → store: the stages, joined by bounded queues in one TaskGroup.

The encoder sets the pace: a full queue makes the stage before it wait, and at last no further page of history is
requested. If a stage drops an item (a cancelled run, a killed process), its place is still `pending` in SQLite. The
next run fetches it again, with a fresh link.

Memory, whatever the size of a guild and however many guilds run:

    bytes of files   workers × max_download_bytes    (workers = fetch.concurrency + decode.workers)
    pixels           (2 × PIXEL_LANE + workers + 3 batches) × frames × size² × 3, for each guild that runs
    links            (2 × LINK_LANE + concurrency × 1,000) × about 2 KB, for each guild that runs

With the defaults and a model of 256 pixels: 384 MiB if every file were as large as allowed (a few MiB in practice,
since the media proxy's copies have some 30 KB), 20 MiB of pixels, under 10 MiB of links. tests/ingest/test_pipeline.py
tests these bounds of the queues.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import TracebackType

from indexer.backoff import Backoff
from indexer.clock import now_ms
from indexer.crawl.guild_crawl import GuildCrawl, Run
from indexer.crawl.histories import Histories
from indexer.crawl.sweep import Sweep
from indexer.crawl.vanished import remove_vanished
from indexer.database.database import Database
from indexer.errors import AfterimageError, Reason, Rejected, RetryLater, Stop, Told
from indexer.fair_semaphore import FairSemaphore
from indexer.ingest.download import FETCH_BACKOFF, Decodes, Fetches, PlaceGone, download, failure_of, sha256_of
from indexer.ingest.fair_queue import FairQueue, Lane
from indexer.ingest.items import BACKLOG, LIVE, Content, Item, Prepared
from indexer.ingest.outcomes import Outcomes, mean_vector
from indexer.ingest.pending import PendingPlaces
from indexer.ports import Encoder, Mirror, Priority
from indexer.progress import Progress, State
from indexer.records.ids import DISCORD, ChannelId, GuildId, ModelId, OriginId
from indexer.records.pictures import DecodedPicture, Vectors
from indexer.sentence import Sentence
from indexer.settings import Settings
from indexer.store import embeddings
from indexer.store.message_pictures import NewPlace
from indexer.supervisor import Faults, contained, plainest, supervised

log = logging.getLogger(__name__)

LINK_LANE = 128  # links of a lane that wait for a worker; each guild has a lane of live work and one of backlog
PIXEL_LANE = 16  # decoded pictures of a lane that wait for the encoder: two batches of the default size
ENCODERS = 3  # batches under way: two are embedded, one for each stream, while a third is stored
# A run has tried all pictures if at most this share could not be downloaded (a few hosts are always down). If the share
# is larger, the CDN was down, and the earlier model continues to answer.
UNREACHED_SHARE = 0.01
SWEEP_RESTARTS = Backoff(tries=0, first_s=60.0, longest_s=900.0)  # long pauses, because nobody waits for the sweep
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
    ) -> None:
        self._db = db
        self._histories = histories
        self._fetcher = fetcher
        self._decoder = decoder
        self._encoder = encoder
        self._model_id = model_id
        self._settings = settings
        self._faults = faults
        decoders = settings.decode.workers or min(os.cpu_count() or 1, 4)
        self._workers = settings.fetch.concurrency + decoders
        keep = settings.crawl.keep
        self._outcomes = Outcomes(db, model_id, keep)
        self._links: FairQueue[Item] = FairQueue(LINK_LANE)
        self._pixels: FairQueue[Prepared] = FairQueue(PIXEL_LANE)
        self._slots = FairSemaphore(
            settings.crawl.concurrency, db.room.wait
        )  # nothing is read while the disk has no room
        self._pending_places = PendingPlaces(db, histories, keep, model_id, self._outcomes, self._admit, self._slots)
        self._sweep = Sweep(
            db,
            histories.discord,
            keep=keep,
            slots=self._slots,
            again_days=settings.crawl.sweep_again_days,
            busy=self.runs,
        )
        self._runs: dict[GuildId, Progress] = {}
        self._running: set[GuildId] = set()
        self._group: asyncio.TaskGroup | None = None
        self._stages: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Pipeline:
        """Starts the stages. A Stop in one of them cancels the block."""
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        for _ in range(self._workers):
            self._begin("preparing pictures", self._prepare_forever)
        for _ in range(ENCODERS):
            self._begin("embedding pictures", self._embed_forever)
        self._begin("housekeeping", self._housekeep)
        if self._histories.connected:
            self._begin("sweep", lambda: self._sweep.forever(self._settings.crawl.sweep_per_minute), SWEEP_RESTARTS)
        return self

    def _begin(self, name: str, stage: Callable[[], Awaitable[None]], backoff: Backoff | None = None) -> None:
        assert self._group is not None
        task = self._group.create_task(supervised(name, stage, self._faults, backoff=backoff), name=name)
        self._stages.append(task)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stage in self._stages:
            stage.cancel()
        assert self._group is not None
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise plainest(group) from group
        finally:
            self._group = None

    async def run_guild(
        self, guild_id: GuildId, only: frozenset[ChannelId] | None = None, origin_id: OriginId = DISCORD
    ) -> Progress:
        """Reads the guild's history of this origin to its end and embeds every picture of the guild.

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
                lambda fresh: self._admit(_items(fresh, origin_id, lane, progress)),
            )
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
            for item in self._links.drop(lane):
                self._outcomes.withdraw(item)
            self._running.discard(guild_id)
            progress.ended_ms = now_ms()
        return progress

    def progress(self, guild_id: GuildId) -> Progress | None:
        """The progress of the guild's run, or how its last run ended. None where it had no run since the start."""
        progress = self._runs.get(guild_id)
        if progress is None:
            return None
        resting = self._db.room.reason if progress.state is State.RUNNING else None
        return replace(progress, reason=resting or progress.reason)

    def runs(self, guild_id: GuildId) -> bool:
        """Whether the guild is being indexed now."""
        return guild_id in self._running

    def submit(self, guild_id: GuildId, fresh: Sequence[NewPlace], progress: Progress | None = None) -> None:
        """Puts places of live messages at the front of the queue. `progress` counts them and their outcomes.

        Never waits for room. Places that do not fit stay pending, and housekeeping fetches them later.
        """
        progress = progress or Progress(guild_id)
        for item in _items(fresh, DISCORD, Lane(LIVE, guild_id), progress):
            if self._outcomes.claim(item.place_id):
                progress.began()
                if not self._links.offer(item.lane, item):
                    self._outcomes.withdraw(item)

    async def _take_up(self, guild_id: GuildId, lane: Lane, progress: Progress) -> bool:
        """Fetches due and unembedded places. Returns whether an origin answered for every unembedded picture."""
        await self._pending_places.take_up(guild_id, lane, progress)
        return await self._pending_places.take_up_unembedded(guild_id, lane, progress)

    async def _admit(self, items: Sequence[Item]) -> None:
        """Puts items into their lane and waits for room. Leaves out items whose place another item has already.

        All items are claimed before the first one waits, so that no other task takes their places meanwhile.
        """
        claimed = [item for item in items if self._outcomes.claim(item.place_id)]
        for item in claimed:
            if item.progress is not None:
                item.progress.began()
        for number, item in enumerate(claimed):
            try:
                await self._links.put(item.lane, item)
            except BaseException:
                for waiting_item in claimed[number:]:
                    self._outcomes.withdraw(waiting_item)
                raise

    async def _prepare_forever(self) -> None:
        while True:
            await self._db.room.wait()
            item = await self._links.get()
            try:
                await self._prepare(item)
            except BaseException:  # a cancellation, a busy database, or a bug: the place stays unchanged
                self._outcomes.withdraw(item)
                raise

    async def _prepare(self, item: Item) -> None:
        """Downloads and decodes one item for the encoder's queue, or ends the item."""
        try:
            data = await download(item, self._fetcher, self._histories, FETCH_BACKOFF)
        except PlaceGone as gone:
            await self._outcomes.gone(item, gone.message, gone.asked_ms)
            return
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 -- any error of one picture is recorded and is never fatal
            await self._outcomes.failed(item, _reason(error, item))
            return
        content = self._outcomes.gather(await sha256_of(data), item)
        if content is None:
            return
        try:
            picture = await self._open(content, data)
            del data  # not needed while the pixels wait for the encoder
            if picture is not None:
                await self._pixels.put(item.lane, Prepared(content, picture))
        except BaseException:
            self._outcomes.release(content)
            raise

    async def _open(self, content: Content, data: bytes) -> DecodedPicture | None:
        """The decoded picture. None where the content has ended: it is known already, or cannot be read."""
        if await self._outcomes.attach_known(content):
            return None
        try:
            return await self._decoder.decode(data)
        except Rejected as error:
            log.info("place %d: %s", content.items[0].place_id, error)
            await self._outcomes.rejected(content, len(data), error.reason)
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 -- one picture, whatever is wrong with it, ends no worker
            await self._outcomes.failed_content(content, _reason(error, content.items[0]))
        return None

    async def _embed_forever(self) -> None:
        while True:
            batch = [await self._pixels.get()]
            while len(batch) < self._settings.model.batch_size:
                more = self._pixels.get_nowait()
                if more is None:
                    break
                batch.append(more)
            try:
                await self._embed(batch)
            except BaseException:  # cancelled, or a busy database: items without an outcome are fetched again later
                for prepared in batch:
                    self._outcomes.release(prepared.content)
                raise

    async def _embed(self, batch: list[Prepared]) -> None:
        """Embeds each picture on its own. The encoder makes batches and gives a result or an error for each picture. It
        also repeats a failed batch where that can help."""
        async with asyncio.TaskGroup() as group:
            encoding = [group.create_task(self._vectors(prepared)) for prepared in batch]
        done = []
        for prepared, task in zip(batch, encoding, strict=True):
            match task.result():
                case RetryLater() as error:
                    log.warning("a picture waits for another time: %s", error)
                    self._outcomes.release(prepared.content)
                case Exception() as error:
                    if prepared.content.items:
                        await self._outcomes.failed_content(prepared.content, _reason(error, prepared.content.items[0]))
                case vectors:
                    done.append((prepared, mean_vector(vectors)))
        if done:
            await self._outcomes.embedded(done)

    async def _vectors(self, prepared: Prepared) -> Vectors | Exception:
        """The vectors of a picture's frames, or the error that prevented them. Raises Stop."""
        try:
            return await self._encoder.encode_pixels(prepared.picture.frames, Priority.INDEXING)
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 -- recorded with the place
            return error

    async def _housekeep(self) -> None:
        """Fetches failed places that are due again, and live places for which the queue had no room."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            for guild_id in await self._pending_places.guilds_with_work():
                if guild_id not in self._running:
                    with contained("housekeeping", self._faults):  # an error in one guild must not affect the next one
                        await self._pending_places.take_up(guild_id, Lane(BACKLOG, guild_id), None)


def _items(fresh: Sequence[NewPlace], origin_id: OriginId, lane: Lane, progress: Progress) -> list[Item]:
    """The newest message first."""
    newest_first = sorted(fresh, key=lambda place: (-place.message.id, place.ref.ordinal))
    return [Item.of(place, origin_id, lane, progress) for place in newest_first]


def _reason(error: Exception, item: Item) -> Reason:
    if isinstance(error, AfterimageError):
        log.info("place %d of message %d: %s", item.place_id, item.message_id, error)
    else:
        log.error("place %d of message %d", item.place_id, item.message_id, exc_info=error)
    return failure_of(error)


@asynccontextmanager
async def open_pipeline(
    db: Database,
    histories: Histories,
    fetcher: Fetches,
    decoder: Decodes,
    encoder: Encoder,
    model_id: ModelId,
    settings: Settings,
    faults: Faults,
) -> AsyncIterator[Pipeline]:
    """A running pipeline for as long as the block lasts."""
    async with Pipeline(db, histories, fetcher, decoder, encoder, model_id, settings, faults) as pipeline:
        yield pipeline
