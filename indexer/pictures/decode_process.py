"""The bot's side of a decode worker: it starts the process, sends it one picture at a time, and kills it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.errors import Reason, Rejected
from indexer.pictures.decode_protocol import ANSWER, REQUEST
from indexer.pictures.lockdown.report import Lockdown
from indexer.platforms.processes import kill, minimal_environment
from indexer.records.copies import Copy
from indexer.records.pictures import THUMBNAIL_SIDE, DecodedPicture, Pixels, PixelSpec

_CHUNK = 256 * 1024  # bytes written to a pipe at once, so that a large file does not block the event loop for long
_START_S = 30.0  # a worker starts in 0.2 s; if it takes longer than this, the machine is broken or overloaded
# libde265 (HEIC) starts a thread; an arena of its own for it would take 64 MB of the address space.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
_MAX_HEADER = 64 * 1024  # bytes; a header is some 300


class WorkerDied(Exception):
    """The worker ended, or sent an invalid answer."""


class CannotStart(Exception):
    """A worker could not be started."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of a worker. `memory_bytes` is address space in addition to what the worker has at its start."""

    spec: PixelSpec
    max_pixels: int
    frames: int
    memory_bytes: int
    nice: int

    def as_json(self) -> str:
        return json.dumps(
            {
                "size": self.spec.size,
                "resize_mode": self.spec.resize_mode,
                "interpolation": self.spec.interpolation,
                "fill": self.spec.fill,
                "max_pixels": self.max_pixels,
                "frames": self.frames,
                "memory_bytes": self.memory_bytes,
                "nice": self.nice,
            }
        )


def command(arguments: str, module: str = "indexer.pictures.decode_worker") -> list[str]:
    """The command line of a worker: `main(arguments)` of a module.

    It is a new program, isolated and without site: no start-up files run, and it has no copy of the bot's memory.
    """
    root = str(Path(__file__).parents[2])
    paths = [root, *(path for path in sys.path if path and path != root)]
    code = f"import sys; sys.path[:] = {paths!r}; from {module} import main; main({arguments!r})"
    return [sys.executable, "-I", "-S", "-c", code]


def _environment() -> dict[str, str]:
    return {**minimal_environment(sys.platform, os.environ), **_ONE_THREAD}


@contextmanager
def _a_death() -> Iterator[None]:
    """A broken pipe or an invalid answer in the block is raised as WorkerDied."""
    try:
        yield
    except (OSError, asyncio.IncompleteReadError, ValueError, KeyError, TypeError) as error:
        raise WorkerDied(f"{type(error).__name__}: {error}") from error


def _raise_rejected(header: dict[str, object]) -> None:
    if "reason" in header:
        raise Rejected(Reason(str(header["reason"])), str(header.get("detail", "")))


def _copy(fields: dict[str, object]) -> Copy:
    """Raises ValueError, KeyError or TypeError where a worker says what no comparison gives."""
    correlation, share, turned = fields["correlation"], fields["share"], fields["turned"]
    if not isinstance(correlation, float) or not isinstance(share, float) or not isinstance(turned, int):
        raise TypeError(f"{correlation!r}, {share!r}, {turned!r}")
    if not (0 <= correlation <= 1 and 0 <= share <= 1 and 0 <= turned <= 180):
        raise ValueError(f"{correlation}, {share}, {turned}")
    flags = (fields[name] is True for name in ("mirrored", "framed", "captioned"))
    mirrored, framed, captioned = flags
    return Copy(correlation, share, mirrored, turned, framed, captioned)


class Worker:
    """One process. It decodes one picture at a time. `lockdown` is the worker's own report about its lock-down."""

    def __init__(self, process: asyncio.subprocess.Process, size: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._size = size
        self._ending: asyncio.Task[str] | None = None
        self.lockdown = Lockdown({})
        self.served = 0

    @classmethod
    async def start(cls, settings: WorkerSettings) -> Worker:
        """Starts a worker. Raises CannotStart."""
        # The environment may hold the bot's token, so a process that reads untrusted files does not get it. The worker
        # has a session of its own, so that Ctrl-C reaches only the bot.
        try:
            process = await asyncio.create_subprocess_exec(
                *command(settings.as_json()),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env=_environment(), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CannotStart(str(error)) from error
        worker = cls(process, settings.spec.size)
        try:
            async with asyncio.timeout(_START_S):
                parts = json.loads(await worker._header())
            worker.lockdown = Lockdown({str(part): str(why) for part, why in parts.items()})
        except TimeoutError as error:
            await worker.kill()
            raise CannotStart(f"no sign of life within {_START_S:g} s") from error
        except (asyncio.IncompleteReadError, WorkerDied, ValueError, AttributeError) as error:
            raise CannotStart(await worker.kill()) from error
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def decode(self, data: bytes, budget_s: float, *, thumbnail: bool = False) -> DecodedPicture:
        """Decodes a file in at most `budget_s` seconds of processor time. After that SIGPROF ends the process.

        Raises Rejected for this picture, WorkerDied when this worker can no longer be used.
        """
        with _a_death():
            await self._ask(REQUEST.pack(len(data), budget_s, thumbnail, 0), data)
            return await self._picture(json.loads(await self._header()), data)

    async def compare(self, question: bytes, candidate: bytes, budget_s: float) -> Copy | None:
        """Whether the pictures of two files are copies of each other. Limits and errors as of `decode`."""
        with _a_death():
            await self._ask(REQUEST.pack(len(question), budget_s, False, len(candidate)), question, candidate)
            header = json.loads(await self._header())
            _raise_rejected(header)
            return None if header["copy"] is None else _copy(header["copy"])

    async def _ask(self, head: bytes, *files: bytes) -> None:
        self.served += 1
        self._requests.write(head)
        for data in files:
            for at in range(0, len(data), _CHUNK):
                self._requests.write(memoryview(data)[at : at + _CHUNK])
                await self._requests.drain()

    async def _header(self) -> bytes:
        (length,) = ANSWER.unpack(await self._answers.readexactly(ANSWER.size))
        if length > _MAX_HEADER:
            raise WorkerDied(f"an answer's header of {length} bytes")
        return await self._answers.readexactly(length)

    async def _picture(self, header: dict[str, object], data: bytes) -> DecodedPicture:
        _raise_rejected(header)

        def number(key: str, most: int) -> int:
            value = header[key]
            if not isinstance(value, int) or not 0 <= value <= most:
                raise ValueError(f"{key} = {value!r}")
            return value

        frames = [await self._pixels(self._size, self._size) for _ in range(number("frames", 64))]
        thumbnail = None
        if header.get("thumbnail") is not None:
            thumbnail = await self._pixels(*_size_of_thumbnail(header["thumbnail"]))
        return DecodedPicture(
            sha256=bytes.fromhex(str(header["sha256"])),
            frames=tuple(frames),
            width=number("width", 2**31),
            height=number("height", 2**31),
            format=str(header["format"]),
            frame_count=number("frame_count", 2**31),
            byte_count=len(data),
            perceptual_hash=number("perceptual_hash", 2**64 - 1),
            thumbnail=thumbnail,
        )

    async def _pixels(self, width: int, height: int) -> Pixels:
        data = await self._answers.readexactly(width * height * 3)
        return np.frombuffer(data, np.uint8).reshape((height, width, 3))

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


def _size_of_thumbnail(size: object) -> tuple[int, int]:
    """Width and height. Raises ValueError for what no thumbnail has."""
    match size:
        case [int(width), int(height)] if 0 < width <= THUMBNAIL_SIDE and 0 < height <= THUMBNAIL_SIDE:
            return width, height
    raise ValueError(f"thumbnail = {size!r}")
