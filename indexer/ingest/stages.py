"""The stages of the pipeline: download and decode one picture after the other, then embed them in batches.

Bounded queues join them. Each item ends in an outcome or is withdrawn, so that a later run takes its place up again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from indexer.crawl.histories import Histories
from indexer.database.database import to_the_end
from indexer.database.room import Room
from indexer.errors import AfterimageError, Reason, Rejected, RetryLater, Stop
from indexer.ingest.download import FETCH_BACKOFF, EncodesFiles, Fetches, PlaceGone, download, failure_of, sha256_of
from indexer.ingest.fair_queue import FairQueue, Lane
from indexer.ingest.items import Content, Item, Prepared
from indexer.ingest.outcomes import Outcomes
from indexer.ingest.stage_times import DECODE, DOWNLOAD, ENCODE, STORE, StageTimes
from indexer.ingest.thumbnails import Thumbnails
from indexer.ports import Encoder, Priority
from indexer.records.pictures import Vectors

log = logging.getLogger(__name__)

LINK_LANE = 128  # links of a lane that wait for a worker; each guild has a lane of live work and one of backlog
PIXEL_LANE = 16  # decoded pictures of a lane that wait for the encoder: two batches of the default size

# Camera raw files have up to 128 MB each (indexer/picture_links.py); other files stay below fetch.max_download_bytes.
LARGE_BYTES, LARGE_AT_ONCE = 32 * 1024**2, 2

# Seconds that a cancelled worker has to store pictures and their thumbnails. The whole end of a container has ten.
STORING_S = 4.0


@dataclass(slots=True)
class Stages:
    """Each stage runs until it is cancelled, in as many tasks as its owner starts. `batch_size`: pictures at once.
    `max_video_bytes`: of the largest video that is fetched; 0: none is. `cluster` opens and embeds the files of the
    lanes in `to_cluster`.
    """

    room: Room
    histories: Histories
    fetcher: Fetches
    thumbnails: Thumbnails
    encoder: Encoder
    outcomes: Outcomes
    batch_size: int
    max_video_bytes: int = 0
    cluster: EncodesFiles | None = None
    times: StageTimes = field(default_factory=StageTimes)
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))
    links: FairQueue[Item] = field(default_factory=lambda: FairQueue(LINK_LANE))
    pixels: FairQueue[Prepared] = field(default_factory=lambda: FairQueue(PIXEL_LANE))
    to_cluster: set[Lane] = field(default_factory=set)  # whose files are opened and embedded there

    async def admit(self, items: Sequence[Item]) -> None:
        """Puts items into their lane and waits for room. Leaves out items whose place another item has already.

        All items are claimed before the first one waits, so that no other task takes their places meanwhile.
        """
        claimed = [item for item in items if self.outcomes.claim(item)]
        for item in claimed:
            if item.progress is not None:
                item.progress.began()
        for number, item in enumerate(claimed):
            try:
                await self.links.put(item.lane, item)
            except BaseException:
                for waiting_item in claimed[number:]:
                    self.outcomes.withdraw(waiting_item)
                raise

    def offer(self, item: Item) -> None:
        """Puts an item into its lane without waiting. It stays pending if the lane is full or its place is taken."""
        if self.outcomes.claim(item):
            if item.progress is not None:
                item.progress.began()
            if not self.links.offer(item.lane, item):
                self.outcomes.withdraw(item)

    def drop(self, lane: Lane) -> None:
        """Takes out what waits in the lane; a later run fetches it."""
        for item in self.links.drop(lane):
            self.outcomes.withdraw(item)

    async def prepare_forever(self, lane: Lane | None = None) -> None:
        """`lane`: what is in this one alone."""
        while True:
            await self.room.wait()
            item = await self.links.get(lane)
            try:
                async with self.large if (item.ref.size or 0) > LARGE_BYTES else nullcontext():
                    await self._prepare(item)
            except BaseException:  # a cancellation, a busy database, or a bug: the place stays unchanged
                self.outcomes.withdraw(item)
                raise

    async def _prepare(self, item: Item) -> None:
        """Downloads and decodes one item for the encoder's queue, or ends the item."""
        wanted = bool(item.ref.video_url) and (item.ref.video_size or 0) <= self.max_video_bytes
        await self._prepare_file(item, video=wanted and self.max_video_bytes > 0)

    async def _prepare_file(self, item: Item, *, video: bool) -> None:
        """`video`: of the whole video where it can be had and opened, else of Discord's still picture of it."""
        most = self.max_video_bytes if video else 0
        try:
            with self.times.timed(DOWNLOAD):
                data = await download(item, self.fetcher, self.histories, FETCH_BACKOFF, max_video_bytes=most)
        except PlaceGone as gone:
            await self.outcomes.gone(item, gone.message, gone.asked_ms)
            return
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 -- any error of one picture is recorded and is never fatal
            if video:
                await self._prepare_file(item, video=False)
            else:
                await self.outcomes.failed(item, _reason(error, item))
            return
        content = self.outcomes.gather(await sha256_of(data), item)
        if content is None:
            return
        try:
            prepared = await self._open(content, item.lane, data, video=video)
            del data  # not needed while the pixels wait for the encoder
            if prepared is not None:
                await self.pixels.put(item.lane, prepared)
        except BaseException:
            self.outcomes.release(content)
            raise

    async def _open(self, content: Content, lane: Lane, data: bytes, *, video: bool) -> Prepared | None:
        """The decoded picture. None where the content has ended: it is known already, or cannot be read."""
        thumbnail = self.thumbnails.wanted(content)
        known = await self.outcomes.known(content.sha256)
        if known is not None and not (video and known.rejected):
            made = await self.thumbnails.missing(content.sha256, data) if thumbnail and known.rejected is None else {}
            ending = self.outcomes.attach_known(content, known, lambda: self.thumbnails.keep(made))
            if await to_the_end(ending, at_most_s=STORING_S):
                return None
        try:
            with self.times.timed(DECODE):
                if self.cluster is not None and lane in self.to_cluster:
                    encoded = await self.cluster.encode(data, content.sha256, thumbnail=thumbnail)
                    if encoded is not None:
                        return Prepared(content, encoded.picture, encoded.small_copy, encoded.vectors)
                picture, small_copy = await self.thumbnails.decode(data, thumbnail=thumbnail)
            if picture.sha256 != content.sha256:  # a hostile file has taken the reader over
                raise RuntimeError("its reader answered for another file")
            return Prepared(content, picture, small_copy)
        except Rejected as error:
            log.info("place %d: %s", content.items[0].place_id, error)
            if video:
                for item in self.outcomes.take_back(content):
                    await self._prepare_file(item, video=False)
            else:
                await self.outcomes.rejected(content, len(data), error.reason)
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 -- one picture, whatever is wrong with it, ends no worker
            await self.outcomes.failed_content(content, _reason(error, content.items[0]))
        return None

    async def embed_forever(self) -> None:
        while True:
            batch = [await self.pixels.get()]
            while len(batch) < self.batch_size:
                more = self.pixels.get_nowait()
                if more is None:
                    break
                batch.append(more)
            try:
                await self._embed(batch)
            except BaseException:  # cancelled, or a busy database: items without an outcome are fetched again later
                for prepared in batch:
                    self.outcomes.release(prepared.content)
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
                    self.outcomes.release(prepared.content)
                case Exception() as error:
                    if prepared.content.items:
                        await self.outcomes.failed_content(prepared.content, _reason(error, prepared.content.items[0]))
                case vectors:
                    done.append((prepared, vectors))
        if done:
            made = {prepared.content.sha256: prepared.thumbnail for prepared, _ in done if prepared.thumbnail}
            ending = self.outcomes.embedded(done, lambda: self.thumbnails.keep(made))
            with self.times.timed(STORE, len(done)):
                await to_the_end(ending, at_most_s=STORING_S)

    async def _vectors(self, prepared: Prepared) -> Vectors | Exception:
        """The vectors of a picture's frames, or the error that prevented them. Raises Stop."""
        if prepared.vectors is not None:
            return prepared.vectors
        try:
            with self.times.timed(ENCODE):
                return await self.encoder.encode_pixels(prepared.picture.frames, Priority.INDEXING)
        except Stop:
            raise
        except Exception as error:  # noqa: BLE001 -- recorded with the place
            return error


def _reason(error: Exception, item: Item) -> Reason:
    if isinstance(error, AfterimageError):
        log.info("place %d of message %d: %s", item.place_id, item.message_id, error)
    else:
        log.error("place %d of message %d", item.place_id, item.message_id, exc_info=error)
    return failure_of(error)
