"""The bot's side of a reader of words: what it is asked, one picture at a time, and what its answers may be.

request   length u64 · seconds of processor time f64 · file
answer    length u32 · JSON {"lines": [[text, confidence], …]}, or {"reason", "detail"} for a rejected picture
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from indexer.picture_texts.ocr.lines import Line
from indexer.picture_texts.ocr.models import Models
from indexer.pictures.file_type import picture_format
from indexer.pictures.lockdown.report import Lockdown
from indexer.pictures.worker_pool import WorkerPool
from indexer.pictures.worker_process import WorkerProcess, a_death, raise_rejected
from indexer.platforms.processes import go_on, halt

MODULE = "indexer.picture_texts.ocr.reader_worker"
REQUEST = struct.Struct("<Qd")

# Address space beyond what the models take: the detection of 2 million pixels needs some 700 MB of it, a file of 100
# million pixels some 400 MB before it is shrunk.
MEMORY_BYTES = 1536 * 1024**2
# Seconds of processor time. A screenshot of two million pixels full of text takes 6 s.
BUDGET_S = 60.0
# By the clock. A reader is halted while members search, and gets what others leave of the processor.
LONGEST_S = 1800.0
NICE = 19
MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """`max_pixels`: a larger picture is shrunk before it is read. `most_opened`: a larger one is not opened at all."""

    models: Models
    max_pixels: int
    most_opened: int

    def as_json(self) -> str:
        return json.dumps(
            {
                "parent": os.getpid(),
                "detection": str(self.models.detection),
                "recognition": str(self.models.recognition),
                "keys": None if self.models.keys is None else str(self.models.keys),
                "max_pixels": self.max_pixels,
                "most_opened": self.most_opened,
                "memory_bytes": MEMORY_BYTES,
                "nice": NICE,
            }
        )


class ReaderProcess(WorkerProcess):
    """A process that reads one picture at a time."""

    start_s: ClassVar[float] = 180.0  # it starts in 3 s of processor time, and has the lowest priority
    most_header: ClassVar[int] = 512 * 1024

    @classmethod
    async def start(cls, settings: ReaderSettings) -> Self:
        """Starts a reader. Raises CannotStart."""
        return await cls.begin(settings.as_json(), MODULE)

    async def read(self, data: bytes, budget_s: float) -> list[Line]:
        """The lines of a picture file, from top to bottom, in at most `budget_s` seconds of processor time.

        Raises Rejected for this picture, WorkerDied when this process can no longer be used.
        """
        with a_death():
            await self.ask(REQUEST.pack(len(data), budget_s), data)
            header = json.loads(await self.header())
            raise_rejected(header)
            return [_line(*line) for line in header["lines"][:MOST_LINES]]


def _line(text: object, confidence: object) -> Line:
    """Raises TypeError or ValueError where a reader says what no line is."""
    if not isinstance(text, str) or not isinstance(confidence, float | int):
        raise TypeError(f"{text!r}, {confidence!r}")
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence = {confidence}")
    return Line(text, float(confidence))


class Readers:
    """One reader, started with the first picture and kept until `rest`. Belongs to one event loop."""

    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._reader: ReaderProcess | None = None
        self._halted = False
        self._pool = WorkerPool(self._start, count=1, budget_s=BUDGET_S, longest_s=LONGEST_S, waiting=1)

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return None if self._reader is None or self._reader.ended else self._reader.pid

    @property
    def lockdown(self) -> Lockdown:
        """What locks down the reader that was started last."""
        return Lockdown({}) if self._reader is None else self._reader.lockdown

    async def _start(self) -> ReaderProcess:
        self._reader = await ReaderProcess.start(self._settings)
        if self._halted:
            self.halt()
        return self._reader

    async def read(self, data: bytes) -> list[Line]:
        """The lines of a picture file. Raises Rejected (also where it killed its reader twice), ReadersBusy where no
        reader can be started, Stop when the readers are closed meanwhile.
        """
        picture_format(data)  # a file of another type needs no reader
        return await self._pool.run(lambda reader, budget_s: reader.read(data, budget_s), len(data))

    def halt(self) -> None:
        """Takes the processor from the reader until `go_on`, in the middle of a picture too."""
        self._halted = True
        if (pid := self.pid) is not None:
            halt(pid)

    def go_on(self) -> None:
        self._halted = False
        if (pid := self.pid) is not None:
            go_on(pid)

    async def rest(self) -> None:
        """Ends the process where it reads nothing: the next picture starts one."""
        await self._pool.rest()

    async def close(self) -> None:
        """Ends the process."""
        await self._pool.close()


@asynccontextmanager
async def open_readers(settings: ReaderSettings) -> AsyncIterator[Readers]:
    """A reader that ends with the block."""
    readers = Readers(settings)
    try:
        yield readers
    finally:
        await readers.close()
