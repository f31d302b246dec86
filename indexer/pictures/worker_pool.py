"""A pool of workers of one kind. Callers are served in order. The failure of a worker costs only one picture.

The pool of concurrent.futures does not fit. It stops for good when a worker dies. It can neither stop a picture that
takes too long nor limit a worker's memory. And it sends pickles (docs/adr/0005-decode-in-processes.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from indexer.errors import ReadersBusy, Reason, Rejected, Stop
from indexer.pictures.worker_process import CannotStart, WorkerDied, WorkerProcess

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
W = TypeVar("W", bound=WorkerProcess)

RECYCLE = 1000  # pictures after which a worker is replaced: that frees the memory that a C library has leaked
# A picture whose worker died gets one more try in a new one: the system may have killed the worker for another reason.
_TRIES = 2


class WorkerPool(Generic[W]):
    """Starts workers when they are needed, at most `count`. Belongs to one event loop.

    A picture may take `budget_s` of processor time and `longest_s` by the clock. `waiting` pictures may wait for a
    worker.
    """

    def __init__(
        self, start: Callable[[], Awaitable[W]], *, count: int, budget_s: float, longest_s: float, waiting: int
    ) -> None:
        """`start` raises CannotStart."""
        self._start = start
        self._budget_s = budget_s
        self._longest_s = longest_s
        self._most_waiting = waiting
        self._free = count  # free slots; a slot is a worker or room for one
        self._idle: list[W] = []
        self._busy: set[W] = set()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self.died = 0  # workers over which a picture was lost, or tried again

    @property
    def workers(self) -> int:
        """How many there are now."""
        return len(self._idle) + len(self._busy)

    @property
    def waiting(self) -> int:
        """Pictures that wait for a worker."""
        return sum(not turn.done() for turn in self._waiting)

    @property
    def pids(self) -> list[int]:
        """The processes of the workers."""
        return [worker.pid for worker in (*self._idle, *self._busy)]

    async def start_one(self) -> W:
        """Starts a worker ahead of its first picture. Raises CannotStart."""
        worker = await self._start()
        self._idle.append(worker)
        return worker

    async def run(self, work: Callable[[W, float], Awaitable[Answer]], length: int) -> Answer:
        """`work` with a worker, and the seconds of processor time that it may take; `length` is for the log.

        Raises Rejected, ReadersBusy, or Stop; see Decoder.decode.
        """
        await self._take_slot()
        try:
            ended = ""
            for _ in range(_TRIES):
                try:
                    return await self._attempt(work)
                except CannotStart as error:
                    raise ReadersBusy(f"No picture reader could be started ({error}).") from error
                except WorkerDied as died:
                    if self._closed:
                        raise _closed() from died
                    ended = str(died)
                    log.warning("a picture reader died over a file of %d bytes: %s", length, ended)
            raise Rejected(Reason.WORKER_DIED, ended)
        finally:
            self._give_slot()

    async def _attempt(self, work: Callable[[W, float], Awaitable[Answer]]) -> Answer:
        worker = self._idle.pop() if self._idle else await self._start()
        self._busy.add(worker)
        if self._closed:  # it was closed while the worker started
            await self._end(worker)
            raise _closed()
        budget_s, longest_s = self._budget_s, self._longest_s
        try:
            async with asyncio.timeout(longest_s):
                answer = await work(worker, budget_s)
        except Rejected as rejected:
            # A C library may be in a broken state after its worker ran out of memory.
            await self._put_back(worker, sound=rejected.reason is not Reason.TOO_MUCH_MEMORY)
            raise
        except TimeoutError:
            await self._put_back(worker, sound=False)
            raise Rejected(Reason.TOO_SLOW, f"over {longest_s:g} s") from None
        except WorkerDied as died:
            self.died += 1
            ended = await self._end(worker)
            if ended == "SIGPROF":
                raise Rejected(Reason.TOO_SLOW, f"over {budget_s:g} s of processor time") from died
            raise WorkerDied(f"{ended}; {died}") from died
        except BaseException:  # cancelled in the middle of a picture: its answer would go to the next one
            await self._put_back(worker, sound=False)
            raise
        await self._put_back(worker, sound=True)
        return answer

    async def _put_back(self, worker: W, *, sound: bool) -> None:
        if sound and worker.served < RECYCLE and not self._closed:
            self._busy.discard(worker)
            self._idle.append(worker)
        else:
            await self._end(worker)

    async def _end(self, worker: W) -> str:
        """Ends a worker. If the caller is cancelled here, `close` waits for the worker's end."""
        self._busy -= {busy for busy in self._busy if busy.ended}
        ended = await worker.kill()
        self._busy.discard(worker)
        return ended

    async def _take_slot(self) -> None:
        if self._closed:
            raise _closed()
        if self._free:
            self._free -= 1
            return
        if len(self._waiting) >= self._most_waiting:
            raise ReadersBusy(f"{len(self._waiting)} pictures wait to be opened already.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the slot was given to this task already: give it to the next
                self._give_slot()
            raise

    def _give_slot(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def rest(self) -> None:
        """Ends the workers that have nothing to do; the next picture starts one."""
        resting, self._idle = self._idle, []
        for worker in resting:
            await worker.kill()

    async def close(self) -> None:
        """Ends every worker. Waiting callers get Stop."""
        self._closed = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(_closed())
        for worker in [*self._idle, *self._busy]:
            await worker.kill()
        self._idle.clear()


def _closed() -> Stop:
    return Stop("The picture readers are shut down.")
