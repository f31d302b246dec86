"""Has every picture read, one after the other, while nobody asks: for its words, for a caption, or for both.

New pictures come first, then those of channels that were put first, then all others in the order of their SHA-256: what
was read so far must say nothing of where else a picture was posted (docs/adr/0055). What is done stands in SQLite after
each picture, so a kill costs the picture that was being read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from indexer.backoff import Backoff
from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import Reason, Rejected, RetryLater
from indexer.picture_texts.reading import PictureReader
from indexer.questions import Questions
from indexer.records.ids import PictureId
from indexer.records.picture_texts import TextKind
from indexer.store import picture_texts, readings
from indexer.store.readings import Source
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

RESTARTS = Backoff(tries=0, first_s=5.0, longest_s=600.0)
# What is tried again, and how often. A file may be on a disk that is not there now. A reader that is halted for most of
# the time that it may take has not shown that the picture is slow.
LATER = {
    Reason.UNREACHABLE: Backoff(tries=8, first_s=60.0, longest_s=86_400.0),
    Reason.TOO_SLOW: Backoff(tries=2, first_s=3_600.0, longest_s=3_600.0),
    Reason.GONE: Backoff(tries=4, first_s=86_400.0, longest_s=604_800.0),
}
POLL_S = 5.0  # between two looks for new pictures while there is nothing to read
PASS_S = 3_600.0  # between two looks through all pictures
IDLE_S = 30.0  # without a picture, after which the readers' processes end
FRESH = 1000  # new pictures that are remembered; what does not fit is found by the next look through all
AT_ONCE = 32
SOURCES = 3  # places of a picture that are tried
# So many pictures in a row could not be had: then it is the network, and reading rests.
MOST_UNREACHABLE = 5


class HasFiles(Protocol):
    """The part of Files that the lane needs."""

    async def of(self, source: Source, least_px: int) -> bytes: ...


class PictureTextLane:
    """Belongs to one event loop. `run` is one task under the supervisor, `make_room` another."""

    def __init__(
        self,
        db: Database,
        readers: Sequence[PictureReader],
        files: HasFiles,
        questions: Questions,
        changed: asyncio.Event,
        faults: Faults,
        *,
        archives_only: bool = False,
    ) -> None:
        """Of several readers, one that cannot read for a while is left aside meanwhile, and counted in `faults`.
        `archives_only`: pictures that only Discord has are left for a process that is connected to it.
        """
        self._db = db
        self._readers = readers
        self._files = files
        self._questions = questions
        self._changed = changed
        self._faults = faults
        self._archives_only = archives_only
        self._aside_until_s: dict[TextKind, float] = {}  # monotonic
        self._fresh: deque[PictureId] = deque(maxlen=FRESH)
        self._newest = PictureId(0)
        self._wanted: deque[PictureId] = deque()
        self._some_wanted = True
        self._others: deque[tuple[PictureId, bytes]] = deque()
        self._after = b""
        self._next_pass_s = 0.0
        self._unreachable = 0

    async def make_room(self) -> None:
        """Halts the readers whenever a question comes, until nobody has asked for a while."""
        while True:
            self._questions.began.clear()
            await self._questions.began.wait()
            for reader in self._readers:
                reader.halt()
            try:
                await self._questions.until_quiet()
            finally:
                for reader in self._readers:
                    reader.go_on()

    async def run(self) -> None:
        """Reads until cancelled. Raises RetryLater where nothing can be had for a while."""
        await self.begin()
        worked_s = time.monotonic()
        while True:
            await self._db.room.wait()
            await self._questions.until_quiet()
            picture_id = await self.next_picture()
            if picture_id is not None:
                await self.read(picture_id)
                worked_s = time.monotonic()
                continue
            if time.monotonic() - worked_s >= IDLE_S:
                for reader in self._readers:
                    await reader.rest()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), POLL_S)

    async def begin(self) -> None:
        """Before the first picture: from here on new ones come first, and all others are looked through."""
        async with self._db.transaction() as tx:
            for reader in self._readers:
                await readings.begin(tx, reader.kind, reader.name)
        async with self._db.reader() as connection:
            self._newest = await readings.newest(connection)
        self._start_over()

    def _start_over(self) -> None:
        self._changed.clear()
        self._fresh.clear()
        self._wanted.clear()
        self._others.clear()
        self._some_wanted = True
        self._after, self._next_pass_s = b"", 0.0

    async def next_picture(self) -> PictureId | None:
        """The picture to read next; None where there is none now."""
        back = [kind for kind, until_s in self._aside_until_s.items() if time.monotonic() >= until_s]
        for kind in back:
            del self._aside_until_s[kind]
        if back or self._changed.is_set():
            self._start_over()
        kinds = [reader.kind for reader in self._readers if reader.kind not in self._aside_until_s]
        async with self._db.reader() as connection:
            files = self._archives_only
            fresh, self._newest = await readings.newer_than(connection, kinds, self._newest, FRESH, files=files)
            self._fresh.extend(fresh)
            if not self._fresh and not self._wanted and self._some_wanted:
                self._wanted.extend(await readings.wanted_first(connection, kinds, AT_ONCE, files=files))
            if not (self._fresh or self._wanted or self._others) and time.monotonic() >= self._next_pass_s:
                self._others.extend(
                    await readings.in_order_of_content(connection, kinds, self._after, AT_ONCE, files=files)
                )
                if not self._others:
                    due = await readings.due(connection, kinds, now_ms(), AT_ONCE, files=files)
                    self._others.extend((picture_id, b"") for picture_id in due)
                    self._after = b""
                    if not self._others:
                        self._next_pass_s = time.monotonic() + PASS_S
        if self._fresh:
            return self._fresh.pop()
        if self._wanted:
            return self._wanted.popleft()
        if self._some_wanted:
            self._some_wanted = False
            if not self._archives_only:
                async with self._db.transaction() as tx:
                    await readings.none_first(tx, kinds)
        if not self._others:
            return None
        picture_id, self._after = self._others.popleft()
        return picture_id

    async def read(self, picture_id: PictureId) -> None:
        """Has one picture read by each reader that it waits for, and stores what came of it. Raises RetryLater where
        reading should rest.
        """
        kinds = [reader.kind for reader in self._readers if reader.kind not in self._aside_until_s]
        async with self._db.reader() as connection:
            sources = await readings.sources(connection, picture_id, SOURCES, files=self._archives_only)
            failures = await readings.to_read(connection, picture_id, kinds, now_ms())
        readers = [reader for reader in self._readers if reader.kind in failures]
        if not readers:  # a new picture may stand among all others, too
            return
        try:
            data = await self._file_of(sources, max(reader.least_px for reader in readers))
        except Rejected as rejected:
            for reader in readers:
                await self._failed(picture_id, reader.kind, rejected, failures[reader.kind])
            self._count_unreachable(rejected)
            return
        self._unreachable = 0
        for reader in readers:
            try:
                await self._read_by(reader, picture_id, data)
            except Rejected as rejected:
                await self._failed(picture_id, reader.kind, rejected, failures[reader.kind])
            except RetryLater as error:
                self._put_aside(reader, error)

    async def _read_by(self, reader: PictureReader, picture_id: PictureId, data: bytes) -> None:
        """Raises Rejected, RetryLater."""
        reading = await reader.read(data)
        self._faults.healthy(_fault(reader))
        async with self._db.transaction() as tx:
            await picture_texts.put(tx, picture_id, reader.kind, reading.text, reading.confidence)
            await readings.was_read(tx, picture_id, reader.kind)

    def _put_aside(self, reader: PictureReader, error: RetryLater) -> None:
        """The other readers go on without it. Raises the error where there is no other."""
        if len(self._readers) == 1:
            raise error
        self._faults.add(_fault(reader), error)
        pause_s = RESTARTS.wait_s(self._faults.in_a_row(_fault(reader)), error.retry_after)
        self._aside_until_s[reader.kind] = time.monotonic() + pause_s

    async def _file_of(self, sources: list[Source], least_px: int) -> bytes:
        error = Rejected(Reason.GONE, "no message shows it any more")
        for source in sources:
            try:
                return await self._files.of(source, least_px)
            except Rejected as rejected:
                error = rejected
            except RetryLater as later:
                error = Rejected(Reason.UNREACHABLE, str(later))
        raise error

    async def _failed(self, picture_id: PictureId, kind: TextKind, rejected: Rejected, failures: int) -> None:
        """Records why the picture was not read."""
        log.info("no text (%s) of picture %d: %s", kind, picture_id, rejected)
        later = LATER.get(rejected.reason)
        due_ms = None
        if later is not None and failures + 1 < later.tries:
            due_ms = now_ms() + round(later.wait_s(failures + 1) * 1000)
        async with self._db.transaction() as tx:
            await readings.failed(tx, picture_id, kind, rejected.reason, due_ms)

    def _count_unreachable(self, rejected: Rejected) -> None:
        """Raises RetryLater where too many in a row could not be had."""
        self._unreachable = self._unreachable + 1 if rejected.reason is Reason.UNREACHABLE else 0
        if self._unreachable >= MOST_UNREACHABLE:
            self._unreachable = 0
            raise RetryLater(f"{MOST_UNREACHABLE} pictures in a row could not be had: {rejected.detail}")


def _fault(reader: PictureReader) -> str:
    """The name of this reader's work among the faults."""
    return f"texts of pictures: {reader.kind}"
