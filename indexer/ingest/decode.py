"""Pictures are decoded in processes of their own: a hostile file may kill a worker, never the bot.

The pool is ours and not concurrent.futures' because that one gives up for good when a worker dies, can neither stop
one picture that takes too long nor limit a worker's memory, and sends pickles (docs/adr/0005-decode-in-processes.md).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from indexer.errors import ReadersBusy, Reason, Rejected, Stop
from indexer.ingest.decode_protocol import ANSWER, READY, REQUEST
from indexer.ingest.decode_sniff import picture_format
from indexer.model import DecodedPicture, PixelSpec
from indexer.ports import Priority
from indexer.settings import DecodeSettings

log = logging.getLogger(__name__)

_CHUNK = 256 * 1024  # bytes handed to a pipe at once, so that a large file never holds the loop for long
_START_S = 30.0  # a worker starts in 0.2 s; a machine so busy that it takes longer than this is broken
# By the clock a picture may take three times the processor time it is allowed: that much a busy machine may slow it.
_PATIENCE = 3
_RECYCLE = 1000  # pictures after which a worker is replaced: whatever a C library leaks goes with it
_MAX_HEADER = 64 * 1024  # bytes; a header is some 300
_MAX_WORKERS = 4  # beyond that the encoder is the bottleneck on every machine we measured
# A picture whose worker died gets one more try in a fresh one: the system may have killed it for another's sins.
_TRIES = 2


class _WorkerDied(Exception):
    """The worker ended, or answered what no sound worker answers."""


class _CannotStart(Exception):
    """A worker did not come up."""


class _Worker:
    """One process. Serves one picture at a time."""

    def __init__(self, process: asyncio.subprocess.Process, size: int) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._answers = process.stdout
        self._size = size
        self.served = 0

    @classmethod
    async def start(cls, settings: DecodeSettings, spec: PixelSpec) -> _Worker:
        """Raises _CannotStart."""
        root = str(Path(__file__).parents[2])
        paths = [root, *(path for path in sys.path if path and path != root)]
        arguments = {
            "size": spec.size,
            "resize_mode": spec.resize_mode,
            "interpolation": spec.interpolation,
            "fill": spec.fill,
            "max_pixels": settings.max_pixels,
            "frames": settings.frames,
            "memory_bytes": settings.memory_bytes,
            "timeout_s": settings.timeout_s,
        }
        code = (
            f"import sys; sys.path[:] = {paths!r}; from indexer.ingest.decode_worker import main; "
            f"main({json.dumps(arguments)!r})"
        )
        # Isolated and without site: no start-up files run, and the environment (which may hold the bot's token) stays
        # out of a process that reads strangers' files. A session of its own: Ctrl-C is the bot's to handle.
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-c", code,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise _CannotStart(str(error)) from error
        worker = cls(process, spec.size)
        try:
            async with asyncio.timeout(_START_S):
                ready = await worker._answers.readexactly(len(READY))
        except TimeoutError as error:
            await worker.kill()
            raise _CannotStart(f"no sign of life within {_START_S:g} s") from error
        except asyncio.IncompleteReadError as error:
            raise _CannotStart(await worker.kill()) from error
        except BaseException:
            await worker.kill()
            raise
        assert ready == READY
        return worker

    async def decode(self, data: bytes) -> DecodedPicture:
        """Raises Rejected for this picture, _WorkerDied when this worker is of no more use."""
        self.served += 1
        try:
            self._requests.write(REQUEST.pack(len(data)))
            for at in range(0, len(data), _CHUNK):
                self._requests.write(memoryview(data)[at : at + _CHUNK])
                await self._requests.drain()
            (length,) = ANSWER.unpack(await self._answers.readexactly(ANSWER.size))
            if length > _MAX_HEADER:
                raise _WorkerDied(f"an answer's header of {length} bytes")
            return await self._picture(json.loads(await self._answers.readexactly(length)), data)
        except (OSError, asyncio.IncompleteReadError, ValueError, KeyError, TypeError) as error:
            raise _WorkerDied(f"{type(error).__name__}: {error}") from error

    async def _picture(self, header: dict[str, object], data: bytes) -> DecodedPicture:
        if "reason" in header:
            raise Rejected(Reason(str(header["reason"])), str(header.get("detail", "")))

        def number(key: str, most: int) -> int:
            value = header[key]
            if not isinstance(value, int) or not 0 <= value <= most:
                raise ValueError(f"{key} = {value!r}")
            return value

        count = number("frames", 64)
        shape = (self._size, self._size, 3)
        frames = [
            np.frombuffer(await self._answers.readexactly(self._size**2 * 3), np.uint8).reshape(shape)
            for _ in range(count)
        ]
        return DecodedPicture(
            sha256=bytes.fromhex(str(header["sha256"])),
            frames=tuple(frames),
            width=number("width", 2**31),
            height=number("height", 2**31),
            format=str(header["format"]),
            frame_count=number("frame_count", 2**31),
            byte_count=len(data),
            perceptual_hash=number("perceptual_hash", 2**64 - 1),
        )

    async def kill(self) -> str:
        """End the process, whatever it does. Returns how it ended."""
        with suppress(ProcessLookupError):
            self._process.kill()
        # asyncio tells of a process's end only once its pipes are at theirs, and a pipe whose reader was cancelled in
        # the middle of a large answer is paused for good: without this the wait would never end.
        with suppress(OSError, RuntimeError):  # RuntimeError: somebody else reads, and will come to the end
            while await self._answers.read(_CHUNK):
                pass
        status = await self._process.wait()
        self._requests.close()
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"


class Decoder:
    """A pool of workers. Waiting pictures are served in order, queries before indexing."""

    def __init__(self, settings: DecodeSettings, spec: PixelSpec, first: _Worker) -> None:
        self._settings = settings
        self._spec = spec
        self._free = settings.workers or min(os.cpu_count() or 1, _MAX_WORKERS)  # slots, each a worker or room for one
        self._idle = [first]
        self._busy: set[_Worker] = set()
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._closed = False

    async def decode(self, data: bytes, priority: Priority = Priority.INDEXING) -> DecodedPicture:
        """Decode a file's bytes into the model's input.

        Raises Rejected when the picture cannot be read, whatever the cause: damaged, too large, too slow, or deadly to
        its reader. Raises ReadersBusy when the machine starts no reader just now, Stop when the pool is closed
        meanwhile. Cancelling frees the worker at once.
        """
        picture_format(data)  # what is no picture that can be opened takes no turn from one that is
        await self._take_slot(priority)
        try:
            ended = ""
            for _ in range(_TRIES):
                try:
                    return await self._attempt(data)
                except _CannotStart as error:
                    raise ReadersBusy(f"No picture reader could be started ({error}).") from error
                except _WorkerDied as died:
                    if self._closed:
                        raise _closed() from died
                    ended = str(died)
                    log.warning("a picture reader died over a file of %d bytes: %s", len(data), ended)
            raise Rejected(Reason.WORKER_DIED, ended)
        finally:
            self._give_slot()

    async def _attempt(self, data: bytes) -> DecodedPicture:
        worker = self._idle.pop() if self._idle else await _Worker.start(self._settings, self._spec)
        self._busy.add(worker)
        if self._closed:  # while this one was starting
            await self._end(worker)
            raise _closed()
        try:
            async with asyncio.timeout(self._settings.timeout_s * _PATIENCE):
                picture = await worker.decode(data)
        except Rejected as rejected:
            # A worker that ran out of memory may be left with a broken library inside.
            await self._put_back(worker, sound=rejected.reason is not Reason.TOO_MUCH_MEMORY)
            raise
        except TimeoutError:
            await self._put_back(worker, sound=False)
            raise Rejected(Reason.TOO_SLOW, f"over {self._settings.timeout_s * _PATIENCE:g} s") from None
        except _WorkerDied as died:
            ended = await self._end(worker)
            if ended == "SIGPROF":
                raise Rejected(Reason.TOO_SLOW, f"over {self._settings.timeout_s:g} s of processor time") from died
            raise _WorkerDied(f"{ended}; {died}") from died
        except BaseException:  # cancelled in the middle of a picture: its answer would go to the next one
            await self._put_back(worker, sound=False)
            raise
        await self._put_back(worker, sound=True)
        return picture

    async def _put_back(self, worker: _Worker, *, sound: bool) -> None:
        if sound and worker.served < _RECYCLE and not self._closed:
            self._busy.discard(worker)
            self._idle.append(worker)
        else:
            await self._end(worker)

    async def _end(self, worker: _Worker) -> str:
        try:
            return await worker.kill()
        finally:
            self._busy.discard(worker)

    async def _take_slot(self, priority: Priority) -> None:
        if self._closed:
            raise _closed()
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was our turn already: pass it on
                self._give_slot()
            raise

    def _give_slot(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def close(self) -> None:
        """End every worker; whoever waits gets Stop."""
        self._closed = True
        for _, _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(_closed())
        for worker in [*self._idle, *self._busy]:
            await worker.kill()
        self._idle.clear()


def _closed() -> Stop:
    return Stop("The picture readers are shut down.")


@asynccontextmanager
async def open_decoder(settings: DecodeSettings, spec: PixelSpec) -> AsyncIterator[Decoder]:
    """A pool of decode workers for a model's input. Starts one at once, so that a broken set-up shows at start.

    At most `settings.workers` pictures are in flight; each costs at most `settings.memory_bytes`, and
    `settings.timeout_s` of processor time or three times that by the clock. Raises Stop when none can be started.
    """
    try:
        first = await _Worker.start(settings, spec)
    except _CannotStart as error:
        raise Stop(
            f"No picture reader could be started ({error}): check that Pillow and numpy are installed for this Python "
            "and that decode.memory_bytes is not too small."
        ) from error
    decoder = Decoder(settings, spec, first)
    try:
        yield decoder
    finally:
        await decoder.close()
