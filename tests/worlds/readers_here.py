"""Readers of pictures in the process of the tests, where the process of a reader is not what is tested.

A reader's process takes 0.3 s of a processor to start, for Python, numpy and Pillow, and a bot starts two. Such a
reader gives the same answers by the same code and speaks the same protocol. It has no process, so it has no lock-down
either. The fixture `reader_processes` brings the processes back; all tests in tests/pictures have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Self
from unittest import mock

from indexer.pictures import decode_worker
from indexer.pictures.decode_picture import Limits
from indexer.pictures.decode_process import Worker, WorkerSettings
from indexer.pictures.lockdown.report import Lockdown

_PROCESS_START = vars(Worker)["start"]


class ReaderHere(Worker):
    """Opens pictures in a thread."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._limits = Limits(settings.max_pixels, settings.memory_bytes, settings.frames, videos=settings.videos)
        self._answers = asyncio.StreamReader()
        self._ending = None
        self.size = settings.spec.size
        self.lockdown = Lockdown({})
        self.served = 0

    @classmethod
    async def start(cls, settings: WorkerSettings) -> Self:
        return cls(settings)

    @property
    def pid(self) -> int:
        raise AssertionError("this reader has no process: the test needs the fixture `reader_processes`")

    async def ask(self, head: bytes, *files: bytes) -> None:
        self.served += 1
        answers = BytesIO()
        request = BytesIO(b"".join([head, *files]))
        await asyncio.to_thread(decode_worker.serve, request, answers, self._settings.spec, self._limits)
        self._answers.feed_data(answers.getvalue())

    async def _end(self) -> str:
        return "SIGKILL"


@contextmanager
def readers_here() -> Iterator[None]:
    """Until the block ends, readers are started in this process."""

    def unlimited(seconds: float) -> None:
        """A limit of processor time would end the process of the tests."""

    with (
        mock.patch.object(Worker, "start", ReaderHere.start),
        mock.patch.object(decode_worker, "limit_processor_time", unlimited),
    ):
        yield


@contextmanager
def readers_in_processes() -> Iterator[None]:
    """Until the block ends, readers are processes again."""
    with mock.patch.object(Worker, "start", _PROCESS_START):
        yield
