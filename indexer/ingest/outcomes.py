"""Stores the outcome of pictures: embedded, known already, or failed with a reason and a next attempt.

Every method is one transaction. It ends its items: their progress counts them, and their claims are released. A run
ends with its last item. So what else a run must wait for (thumbnails) is given to a method as `before_end`: it is
awaited when the transaction is committed, before the items end. Where it fails, the items end nevertheless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet

from indexer.backoff import Backoff
from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import Reason
from indexer.ingest.items import Content, Item, Prepared
from indexer.progress import Progress
from indexer.records.ids import GuildId, ModelId, PictureId, PlaceId
from indexer.records.messages import Message
from indexer.records.pictures import EmbeddedFrame, Moment, Vectors
from indexer.settings import Keep
from indexer.store import embeddings, frames, messages, pictures, places

# A failed place is tried again after 1, 2, 4, … minutes, at most a day: 12 times over about two days. After that it is
# tried only on request.
PLACE_BACKOFF = Backoff(tries=12, first_s=60.0, longest_s=86_400.0)

# Reasons that are properties of the bytes: the same bytes are never opened again. The cause of all other reasons may be
# the machine or the network.
OF_THE_BYTES = frozenset(
    {Reason.EMPTY, Reason.NOT_A_PICTURE, Reason.VIDEO, Reason.DOCUMENT, Reason.CORRUPT, Reason.TRUNCATED,
     Reason.UNSUPPORTED, Reason.NEEDS_HEIC, Reason.NEEDS_RAW, Reason.TOO_MANY_PIXELS, Reason.TOO_MANY_PARTS}
)  # fmt: skip
# Reasons that a later try does not change by itself.
FINAL = OF_THE_BYTES | {Reason.TOO_MANY_BYTES, Reason.HOST_NOT_ALLOWED, Reason.TOO_SLOW, Reason.TOO_MUCH_MEMORY,
                        Reason.WORKER_DIED}  # fmt: skip


BeforeEnd = Callable[[], Awaitable[None]]


class Outcomes:
    """Writes outcomes. Belongs to one event loop."""

    def __init__(self, db: Database, model_id: ModelId, keep: Keep, frames: int, backoff: Backoff = PLACE_BACKOFF):
        """`frames`: so many of an animation are looked for."""
        self._frames = frames
        self._db = db
        self._keep = keep
        self._model_id = model_id
        self._backoff = backoff
        self._contents: dict[bytes, Content] = {}
        self._claims: dict[PlaceId, Item] = {}
        self._waited: list[tuple[set[PlaceId], asyncio.Event]] = []

    @property
    def claimed(self) -> AbstractSet[PlaceId]:
        """The places that an item has."""
        return self._claims.keys()

    def claim(self, item: Item) -> bool:
        """Reserves its place for it: no two items ever fetch a place at once. False where another item has it."""
        if item.place_id in self._claims:
            return False
        self._claims[item.place_id] = item
        return True

    async def others_ended(self, guild_id: GuildId, progress: Progress) -> None:
        """Waits until the places of the guild that items of others than this run have at this moment are released."""
        held = {
            item.place_id
            for item in self._claims.values()
            if item.guild_id == guild_id and item.progress is not progress
        }
        if not held:
            return
        waited = (held, asyncio.Event())
        self._waited.append(waited)
        try:
            await waited[1].wait()
        finally:
            self._waited.remove(waited)

    def _unclaim(self, item: Item) -> None:
        if self._claims.get(item.place_id) is not item:
            return
        del self._claims[item.place_id]
        for held, ended in self._waited:
            held.discard(item.place_id)
            if not held:
                ended.set()

    def gather(self, sha256: bytes, item: Item) -> Content | None:
        """The content to work on, with `item` in it. None where another item has the same bytes and works on them.

        In that case this item ends together with the other one.
        """
        content = self._contents.get(sha256)
        if content is not None:
            content.items.append(item)
            return None
        content = self._contents[sha256] = Content(sha256, [item])
        return content

    async def known(self, sha256: bytes) -> pictures.PictureRow | None:
        """The picture of these bytes where it is embedded or rejected already; None elsewhere, and where more frames of
        it are to be looked for.
        """
        async with self._db.reader() as connection:
            stored_picture = await pictures.by_sha256(connection, sha256)
            if stored_picture is None or stored_picture.rejected is not None:
                return stored_picture
            sought = await embeddings.frames_sought(connection, self._model_id, stored_picture.id)
            if sought is None or (sought < self._frames and (stored_picture.frame_count or 1) > 1):
                return None
        return stored_picture

    async def attach_known(self, content: Content, known: pictures.PictureRow, before_end: BeforeEnd) -> bool:
        """Ends the content's items with the picture that `known` found. False where it has been deleted meanwhile, with
        the last message that showed it."""
        if not await self._attach(content, known.id, known.rejected is not None, before_end):
            return False
        self._forget(content)
        return True

    async def embedded(self, batch: list[tuple[Prepared, Vectors]], before_end: BeforeEnd) -> None:
        """Stores pictures with the vectors of their frames ([n, d] float32, unit length) and ends their items."""
        async with self._db.transaction() as tx:
            ids = await pictures.add_all(tx, [prepared.picture for prepared, _ in batch])
            vectors = [shown[0] for _, shown in batch]
            await embeddings.add(tx, self._model_id, list(zip(ids, vectors, strict=True)))
            moving = zip(ids, batch, strict=True)
            await frames.put(
                tx,
                self._model_id,
                [
                    _animation(picture_id, prepared.picture.moments, shown, self._frames)
                    for picture_id, (prepared, shown) in moving
                    if prepared.picture.moments
                ],
            )
            counts = [len(prepared.content.items) for prepared, _ in batch]
            shown = [
                (item.place_id, picture_id)
                for (prepared, _), picture_id in zip(batch, ids, strict=True)
                for item in prepared.content.items
            ]
            await places.attach_all(tx, shown)
        try:
            await before_end()
        finally:
            for (prepared, _), count in zip(batch, counts, strict=True):
                if count and (run := prepared.content.items[0].progress) is not None:
                    run.embedded += 1
                self._end_all(prepared.content, prepared.content.items[:count])
        for (prepared, _), picture_id in zip(batch, ids, strict=True):
            await self._attach(prepared.content, picture_id, failed=False)  # items that joined meanwhile
            self.release(prepared.content)

    async def rejected(self, content: Content, byte_count: int, reason: Reason) -> None:
        """Records that these bytes cannot be searched."""
        if reason not in OF_THE_BYTES:
            await self.failed_content(content, reason)
            return
        while content.items:
            items = list(content.items)
            async with self._db.transaction() as tx:
                picture_id = await pictures.add_rejected(tx, content.sha256, byte_count, reason)
                await places.attach_all(tx, [(item.place_id, picture_id) for item in items])
            self._end_all(content, items, failed=True)
        self._forget(content)

    async def failed_content(self, content: Content, reason: Reason) -> None:
        """Records a failure of every item of a content."""
        while content.items:
            items = list(content.items)
            await self._fail(items, reason)
            self._end_all(content, items, failed=True)
        self._forget(content)

    async def failed(self, item: Item, reason: Reason) -> None:
        """Records a failure of an item whose bytes were not downloaded."""
        await self._fail([item], reason)
        self._end(item, failed=True)

    async def postponed(self, place_id: PlaceId, attempts: int, reason: Reason) -> None:
        """Records a failed attempt of a place that has no item. `attempts` were made before."""
        async with self._db.transaction() as tx:
            await places.failed(tx, place_id, reason, self._next_attempt(attempts, reason))

    async def gone(self, item: Item, message: Message | None, asked_ms: int) -> None:
        """Ends an item whose message was deleted (None) or edited (`message` is its version of `asked_ms`)."""
        async with self._db.transaction() as tx:
            if message is None:
                await messages.delete(tx, [item.message_id])
            else:
                await messages.store(tx, [message], keep=self._keep, seen_ms=asked_ms)
        self.withdraw(item)

    def withdraw(self, item: Item) -> None:
        """Ends an item without an outcome, unless it has ended already. Its place does not change."""
        if self._claims.get(item.place_id) is not item:
            return
        self._unclaim(item)
        if item.progress is not None:
            item.progress.withdrew(1)

    def take_back(self, content: Content) -> list[Item]:
        """The items of a content that cannot be used, so that their pictures are had in another way."""
        items = list(content.items)
        content.items.clear()
        self._forget(content)
        return items

    def release(self, content: Content) -> None:
        """Ends a content's items without an outcome."""
        for item in content.items:
            self.withdraw(item)
        content.items.clear()
        self._forget(content)

    async def _attach(
        self, content: Content, picture_id: PictureId, failed: bool, before_end: BeforeEnd | None = None
    ) -> bool:
        """Attaches the items of the content, and those that join meanwhile. False where the picture was deleted."""
        while content.items:
            items = list(content.items)
            async with self._db.transaction() as tx:
                if await pictures.get(tx, picture_id) is None:
                    return False
                await places.attach_all(tx, [(item.place_id, picture_id) for item in items])
            try:
                if before_end is not None:
                    await before_end()
            finally:
                self._end_all(content, items, failed=failed)
        return True

    async def _fail(self, items: list[Item], reason: Reason) -> None:
        async with self._db.transaction() as tx:
            for item in items:
                await places.failed(tx, item.place_id, reason, self._next_attempt(item.attempts, reason))
                if item.progress is not None and reason in (Reason.UNREACHABLE, Reason.READERS_BUSY):
                    item.progress.unreachable += 1

    def _next_attempt(self, attempts: int, reason: Reason) -> int | None:
        """When a place with `attempts` earlier failures is due again (Unix milliseconds); None: only on request."""
        if reason in FINAL or attempts + 1 >= self._backoff.tries:
            return None
        return now_ms() + round(self._backoff.wait_s(attempts + 1) * 1000)

    def _end_all(self, content: Content, items: list[Item], *, failed: bool = False) -> None:
        del content.items[: len(items)]
        for item in items:
            self._end(item, failed=failed)

    def _end(self, item: Item, *, failed: bool = False) -> None:
        self._unclaim(item)
        if item.progress is not None:
            item.progress.finished(failed=failed)

    def _forget(self, content: Content) -> None:
        if self._contents.get(content.sha256) is content:
            del self._contents[content.sha256]


def _animation(picture_id: PictureId, moments: Sequence[Moment], vectors: Vectors, sought: int) -> frames.Animation:
    first, *others = moments
    further = (EmbeddedFrame(moment, vector) for moment, vector in zip(others, vectors[1:], strict=True))
    return frames.Animation(picture_id, first.at_ms, sought, tuple(further))
