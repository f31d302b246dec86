"""Decodes pictures in separate processes: a hostile file can kill a worker, but not the bot.

Questions and indexing have separate workers, so that no question waits for posted pictures. The pictures of one
member's questions are opened one at a time. The reasons are in docs/adr/0005-decode-in-processes.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from indexer.errors import Stop
from indexer.one_at_a_time import OneAtATime
from indexer.pictures.decode_memory import worker_memory
from indexer.pictures.decode_pool import Pool, PoolSettings
from indexer.pictures.decode_process import Worker, WorkerSettings
from indexer.pictures.extras import readers_version
from indexer.pictures.file_type import picture_format
from indexer.pictures.lockdown.report import Lockdown
from indexer.pictures.worker_process import CannotStart
from indexer.records.copies import Copy
from indexer.records.ids import UserId
from indexer.records.pictures import DecodedPicture, Pixels, PixelSpec
from indexer.settings import DecodeSettings

log = logging.getLogger(__name__)

# Raise it with every change that makes a rejected picture readable. Then the next start tries once more the pictures
# that other versions of the readers could not open.
READERS_VERSION = readers_version(1)

_MAX_WORKERS = 4  # beyond that the encoder is the bottleneck on every machine we measured
# With two workers, one member's slow picture does not stop the others.
QUESTION_WORKERS = 2
PREVIEW_WORKERS = 1
# Seconds of processor time. The slowest normal files within the limits on bytes and pixels take 1.2 s (a progressive
# JPEG of 99 million pixels). A phone's picture takes 0.1 s.
QUESTION_BUDGET_S = 3.0
# By the clock, a picture may take this many times its processor time, because a busy machine slows it. Indexing has a
# lower priority, so its factor is larger.
_QUESTION_PATIENCE = 3
_INDEXING_PATIENCE = 20
# If both run on the same core, a question's worker gets nine tenths of it, an indexing worker one tenth (nice(7): 1.25
# a step).
_INDEXING_NICE = 10
_QUESTIONS_WAITING = 64
_INDEXING_WAITING = 1024  # the pipeline needs far fewer at once
_PREVIEWS_WAITING = 64
_PREVIEW = PixelSpec(64)  # what a model would see is not looked at


class Turn:
    """A member's turn to have pictures opened. Nothing else opens pictures for a member, so each uses one reader."""

    def __init__(self, readers: Pool) -> None:
        self._readers = readers

    async def decode(self, data: bytes) -> DecodedPicture:
        """Like `Decoder.decode`, but with the workers of questions, and with a thumbnail. Call it for one picture at a
        time.
        """
        picture_format(data)
        return await self._readers.decode(data, thumbnail=True)

    async def compare(self, question: bytes, candidate: bytes) -> Copy | None:
        """Whether the pictures of two files are copies of each other, and what was done to them. Raises as `decode`."""
        picture_format(question)
        picture_format(candidate)
        return await self._readers.compare(question, candidate)


class Decoder:
    """All decode workers of the bot. `lockdown` says which parts of the lock-down are in force in them."""

    def __init__(self, questions: Pool, indexing: Pool, previews: Pool, lockdown: Lockdown) -> None:
        self._questions = questions
        self._indexing = indexing
        self._previews = previews
        self._pools = (questions, indexing, previews)
        self._members: OneAtATime[UserId] = OneAtATime()
        self.lockdown = lockdown

    @property
    def workers(self) -> int:
        """How many there are now."""
        return sum(pool.workers for pool in self._pools)

    @property
    def pids(self) -> list[int]:
        """The processes of the workers."""
        return [pid for pool in self._pools for pid in pool.pids]

    @property
    def waiting(self) -> int:
        """Posted pictures that wait for a worker."""
        return self._indexing.waiting

    @property
    def questions_waiting(self) -> int:
        """Pictures of questions that wait for a worker."""
        return self._questions.waiting

    @property
    def died(self) -> int:
        """How many workers have died over a picture."""
        return sum(pool.died for pool in self._pools)

    async def decode(self, data: bytes, *, thumbnail: bool = False) -> DecodedPicture:
        """Decodes the bytes of a file that is indexed into the model's input, and a thumbnail where it is wanted.

        Raises Rejected when the picture cannot be read: it is no picture, damaged, too large or too slow, or it kills
        its reader. Raises ReadersBusy when too many pictures wait or no reader can be started now. Raises Stop when the
        pool is closed meanwhile. A cancellation frees the worker at once.
        """
        picture_format(data, videos=True)  # a file of another type is rejected before it needs a worker
        return await self._indexing.decode(data, thumbnail=thumbnail)

    async def compare(self, left: bytes, right: bytes) -> Copy | None:
        """Whether two posted pictures are copies of each other: as `Turn.compare`, but with the workers of indexing."""
        picture_format(left)
        picture_format(right)
        return await self._indexing.compare(left, right)

    async def preview(self, data: bytes) -> Pixels:
        """The thumbnail of a file, for a person who looks.

        It has a worker of its own, which starts with the first preview. Raises as `decode`.
        """
        picture_format(data)
        thumbnail = (await self._previews.decode(data, thumbnail=True)).thumbnail
        assert thumbnail is not None, "it was asked for"
        return thumbnail

    @asynccontextmanager
    async def turn_of(self, member: UserId) -> AsyncIterator[Turn]:
        """The member's turn to have pictures opened, as long as the block lasts: for a question, a contact sheet or a
        reply with copies.

        Waits until the member's earlier turns have ended. Raises ReadersBusy where several wait already.
        """
        async with self._members.turn(member):
            yield Turn(self._questions)

    async def close(self) -> None:
        """Ends every worker. Waiting callers get Stop."""
        for pool in self._pools:
            await pool.close()


def indexing_workers(settings: DecodeSettings) -> int:
    """How many processes open pictures for indexing."""
    return settings.workers or min(os.cpu_count() or 1, _MAX_WORKERS)


def _worker_settings(settings: DecodeSettings, spec: PixelSpec, nice: int) -> WorkerSettings:
    processes = (
        indexing_workers(settings) + QUESTION_WORKERS
    )  # of previews there is one, for a person who looks: not counted
    memory_bytes = settings.memory_bytes or worker_memory(processes)
    return WorkerSettings(spec, settings.max_pixels, 1, memory_bytes, nice)


@asynccontextmanager
async def open_decoder(settings: DecodeSettings, spec: PixelSpec) -> AsyncIterator[Decoder]:
    """The decode workers for a model's input. Starts one worker at once, so that a broken set-up is found at start.

    At most `settings.workers` pictures of indexing and QUESTION_WORKERS of questions are decoded at once. Raises Stop
    when no worker can be started.
    """
    budget_s = min(settings.timeout_s, QUESTION_BUDGET_S)
    questions = Pool(
        PoolSettings(
            _worker_settings(settings, spec, 0),
            QUESTION_WORKERS,
            budget_s,
            budget_s * _QUESTION_PATIENCE,
            _QUESTIONS_WAITING,
        )
    )
    indexing = Pool(
        PoolSettings(
            replace(_worker_settings(settings, spec, _INDEXING_NICE), frames=settings.frames, videos=True),
            indexing_workers(settings),
            settings.timeout_s,
            settings.timeout_s * _INDEXING_PATIENCE,
            _INDEXING_WAITING,
        )
    )
    previews = Pool(
        PoolSettings(
            _worker_settings(settings, _PREVIEW, _INDEXING_NICE),
            PREVIEW_WORKERS,
            budget_s,
            budget_s * _INDEXING_PATIENCE,
            _PREVIEWS_WAITING,
        )
    )
    try:
        lockdown = (await questions.start_one()).lockdown
    except CannotStart as error:
        raise _no_reader(error) from error
    if lockdown.missing:
        log.warning("picture readers are locked down by: %s (docs/security.md)", lockdown)
    else:
        log.info("picture readers are locked down by: %s", lockdown)
    decoder = Decoder(questions, indexing, previews, lockdown)
    try:
        yield decoder
    finally:
        await decoder.close()


@dataclass(frozen=True, slots=True)
class Readers:
    """The processes that open pictures: how many at most, the memory of each in bytes, what locks them down."""

    indexing: int
    questions: int
    memory_bytes: int
    lockdown: Lockdown

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "indexing": self.indexing,
            "questions": self.questions,
            "memory_bytes": self.memory_bytes,
            "in_force": list(self.lockdown.in_force),
            "missing": dict(self.lockdown.missing),
        }


async def describe_readers(settings: DecodeSettings) -> Readers:
    """The readers that these settings give on this machine. Starts a worker to read its lock-down. Raises Stop."""
    memory_bytes = _worker_settings(settings, PixelSpec(64), 0).memory_bytes
    return Readers(indexing_workers(settings), QUESTION_WORKERS, memory_bytes, await probe_lockdown(settings))


async def probe_lockdown(settings: DecodeSettings) -> Lockdown:
    """The lock-down that is in force in a worker. Starts a worker that reports it. Raises Stop."""
    try:
        worker = await Worker.start(_worker_settings(settings, PixelSpec(64), 0))
    except CannotStart as error:
        raise _no_reader(error) from error
    await worker.kill()
    return worker.lockdown


def _no_reader(error: CannotStart) -> Stop:
    return Stop(
        f"No picture reader could be started ({error}): check that Pillow and numpy are installed for this Python "
        "and that decode.memory_bytes is not too small."
    )
