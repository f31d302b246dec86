"""The bot's side of a process that reads untrusted files: it starts the process, asks it one thing at a time, kills it.

decode_process.py makes a reader of pictures of it, indexer/picture_texts/ocr a reader of words.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar, Self

from indexer.errors import Reason, Rejected
from indexer.pictures.decode_protocol import ANSWER, CANNOT_START
from indexer.pictures.lockdown.report import Lockdown
from indexer.platforms.processes import command, kill, minimal_environment

_CHUNK = 256 * 1024  # bytes written to a pipe at once, so that a large file does not block the event loop for long
# libde265 (HEIC) starts a thread; an arena of its own for it would take 64 MB of the address space.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


class WorkerDied(Exception):
    """The worker ended, or sent an invalid answer."""


class CannotStart(Exception):
    """A worker could not be started."""


def _environment() -> dict[str, str]:
    return {**minimal_environment(sys.platform, os.environ), **_ONE_THREAD}


@contextmanager
def a_death() -> Iterator[None]:
    """A broken pipe or an invalid answer in the block is raised as WorkerDied."""
    try:
        yield
    except (OSError, asyncio.IncompleteReadError, ValueError, KeyError, TypeError) as error:
        raise WorkerDied(f"{type(error).__name__}: {error}") from error


def raise_rejected(header: dict[str, object]) -> None:
    """Raises Rejected where the worker says that it rejected the file."""
    if "reason" in header:
        raise Rejected(Reason(str(header["reason"])), str(header.get("detail", "")))


class WorkerProcess:
    """One process. It does one thing at a time. `lockdown` is the worker's own report about its lock-down.

    `start_s`: how long it may take to report, in seconds by the clock. `most_header`: of an answer, in bytes.
    """

    start_s: ClassVar[float]
    most_header: ClassVar[int]

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._ending: asyncio.Task[str] | None = None
        self.lockdown = Lockdown({})
        self.served = 0

    @classmethod
    async def begin(cls, arguments: str, module: str) -> Self:
        """Starts `main(arguments)` of a module and waits for its report. Raises CannotStart."""
        # The environment may hold the bot's token, so a process that reads untrusted files does not get it. The worker
        # has a process group of its own, so that Ctrl-C reaches only the bot. Not a session of its own: Linux may share
        # the processors out by session (sched_autogroup), and its nice value would then say nothing beside the model's.
        try:
            process = await asyncio.create_subprocess_exec(
                *command(arguments, module, site=False),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env=_environment(), process_group=0,
            )  # fmt: skip
        except OSError as error:
            raise CannotStart(str(error)) from error
        worker = cls(process)
        try:
            async with asyncio.timeout(cls.start_s):
                parts = json.loads(await worker.header())
            if CANNOT_START in parts:
                await worker.kill()
                raise CannotStart(str(parts[CANNOT_START]))
            worker.lockdown = Lockdown({str(part): str(why) for part, why in parts.items()})
        except TimeoutError as error:
            await worker.kill()
            raise CannotStart(f"no sign of life within {cls.start_s:g} s") from error
        except (asyncio.IncompleteReadError, WorkerDied, ValueError, AttributeError) as error:
            raise CannotStart(await worker.kill()) from error
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, head: bytes, *files: bytes) -> None:
        """Sends a request: its head, then the files."""
        self.served += 1
        self._requests.write(head)
        for data in files:
            for at in range(0, len(data), _CHUNK):
                self._requests.write(memoryview(data)[at : at + _CHUNK])
                await self._requests.drain()

    async def header(self) -> bytes:
        """The JSON of the next answer. Raises WorkerDied, IncompleteReadError."""
        (length,) = ANSWER.unpack(await self._answers.readexactly(ANSWER.size))
        if length > self.most_header:
            raise WorkerDied(f"an answer's header of {length} bytes")
        return await self._answers.readexactly(length)

    async def kill(self) -> str:
        """Ends the process, whatever it is doing. Returns how it ended.

        Several tasks may call it at once. It continues if a caller is cancelled: otherwise the process and its pipes
        would still exist when the event loop has ended.
        """
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name="ending a picture reader")
        return await asyncio.shield(self._ending)

    @property
    def ended(self) -> bool:
        """Whether `kill` has finished."""
        return self._ending is not None and self._ending.done()

    async def _end(self) -> str:
        # Not `self._process.kill()`: it polls the process first. If the process has just ended by itself (SIGPROF: too
        # slow), that poll takes the exit status away from asyncio, which then reports 255.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                kill(self._process.pid)
        # asyncio reports the end of a process only after the end of its pipes. If a reader was cancelled in the middle
        # of a large answer, its pipe stays paused. Without this read the wait would never end.
        with suppress(OSError, RuntimeError):  # RuntimeError: another task reads, up to the end
            while await self._answers.read(_CHUNK):
                pass
        status = await self._process.wait()
        self._requests.close()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"
