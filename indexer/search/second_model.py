"""The second model of a search: opened when a question needs it, let go when none has needed it for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from indexer.backoff import Backoff
from indexer.errors import ModelUnavailable
from indexer.pictures.decoder import Decoder
from indexer.ports import Reranker
from indexer.records.hits import RerankOutcome
from indexer.records.pictures import PixelSpec
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

NAME = "second model"  # of this work among the faults
# A model that could not be opened is tried again when a question needs it, not before these pauses.
AGAIN = Backoff(tries=0, first_s=60.0, longest_s=3600.0)
LOOK_S = 5.0  # how often it is looked whether it is still needed

OpenReranker = Callable[[], AbstractAsyncContextManager[Reranker]]
"""May raise ModelUnavailable."""
OpenReaders = Callable[[PixelSpec], AbstractAsyncContextManager[Decoder]]


class NotOpen(Exception):
    """The second model is not to be had: `outcome` says why."""

    def __init__(self, outcome: RerankOutcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Opened:
    """The model, and readers that make its squares of files."""

    reranker: Reranker
    readers: Decoder


class SecondModel:
    """Belongs to one event loop. Costs nothing before the first question."""

    def __init__(self, open_reranker: OpenReranker, open_readers: OpenReaders, idle_s: float, faults: Faults) -> None:
        self._open_reranker = open_reranker
        self._open_readers = open_readers
        self._idle_s = idle_s
        self._faults = faults
        self._task: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Opened] | None = None
        self._why = RerankOutcome.LOADING
        self._failures = 0  # in a row
        self._again_s = 0.0  # a monotonic time before which it is not opened
        self._used_s = 0.0
        self._users = 0
        self.starts = 0  # how often it was opened

    @property
    def awake(self) -> bool:
        """Whether it is open."""
        return self._ready is not None and self._ready.done()

    @property
    def pid(self) -> int | None:
        """The id of its process; None where there is none."""
        ready = self._ready
        if ready is None or not ready.done() or ready.exception() is not None:
            return None
        return ready.result().reranker.pid

    @asynccontextmanager
    async def used(self) -> AsyncIterator[Opened]:
        """The model, which is not let go before the block ends. Waits until it is open: the caller sets a deadline.

        Raises NotOpen where it cannot be had.
        """
        self._users += 1
        try:
            yield await self._opened()
        finally:
            self._users -= 1
            self._used_s = time.monotonic()

    async def _opened(self) -> Opened:
        if self._ready is None:
            if time.monotonic() < self._again_s:
                raise NotOpen(self._why)
            self._ready = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._hold(self._ready), name=NAME)
        return await asyncio.shield(self._ready)  # whoever gives up waiting does not stop it from being opened

    async def close(self) -> None:
        """Lets it go. Whoever waits for it gets NotOpen."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _hold(self, ready: asyncio.Future[Opened]) -> None:
        """Keeps it open as long as it is needed."""
        try:
            async with self._open_reranker() as reranker, self._open_readers(reranker.pixel_spec) as readers:
                self.starts += 1
                self._failures = 0
                self._faults.healthy(NAME)
                ready.set_result(Opened(reranker, readers))
                log.info("the second model is %s (%s)", reranker.spec.name, reranker.spec.pretrained)
                while self._users or time.monotonic() - self._used_s < self._idle_s:  # noqa: ASYNC110 -- what is waited for is that nothing happens
                    await asyncio.sleep(min(LOOK_S, self._idle_s))
                self._ready = None  # before it closes: who comes now opens it anew
            log.info("nobody has needed the second model for %.0f s: it goes until then", self._idle_s)
        except ModelUnavailable as error:
            self._refused(ready, RerankOutcome.WEIGHTS, error)
        except Exception as error:  # noqa: BLE001 -- whatever it is, questions are answered without it
            self._refused(ready, RerankOutcome.FAILED, error)
        finally:
            if not ready.done():  # the bot ends
                ready.set_exception(NotOpen(RerankOutcome.LOADING))
                ready.exception()

    def _refused(self, ready: asyncio.Future[Opened], why: RerankOutcome, error: Exception) -> None:
        self._faults.add(NAME, error)
        self._failures += 1
        self._again_s = time.monotonic() + AGAIN.wait_s(self._failures)
        self._why = why
        if self._ready is ready:
            self._ready = None
        if not ready.done():
            ready.set_exception(NotOpen(why))
            ready.exception()  # seen: perhaps nobody waits any more
