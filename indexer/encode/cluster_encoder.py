"""The encoder of a bot whose models run elsewhere: the cluster's, or this machine's own where those are away or slow.

A question waits for the cluster for `ray.deadline_s`, then this machine answers it, and the next ones at once, until
the cluster answers again. Indexing waits longer: what is under way when an encoder dies is done by another one, and for
a cluster that comes back within INDEX_HERE_S no model of a gigabyte is loaded here. Both make the same vectors: the
same weights by their fingerprint, each runtime checked against torch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TypeVar

from indexer.clock import now_ms
from indexer.encode.encoder import CLUSTER_WORKER, ModelEncoder, open_encoder, open_remote_encoder
from indexer.encode.model_on_demand import BATCHES_AN_ENCODER, CLUSTER_FAULT
from indexer.encode.process import WORKER
from indexer.encode.protocol import Choice
from indexer.errors import ConfigError, ModelAway, ModelUnavailable, RetryLater
from indexer.ports import Priority
from indexer.records.pictures import ModelSpec, Pixels, PixelSpec, Vectors
from indexer.settings import RaySettings, Settings
from indexer.supervisor import Faults, supervised

log = logging.getLogger(__name__)

LOOK_S = 1.0
INDEX_HERE_S = 30.0  # a cluster that is away for so long has this machine index; an encoder that died is back sooner
FIRST_S = 60.0  # that the very first start, which knows nothing of the model, waits for the cluster
SLOW_S = 10.0  # after a question that it was too slow for, it is tried no sooner
MISSING = """model.runtime = "ray" needs Ray, which is not installed: pip install 'afterimage[fleet]', or say "auto"."""
TRIES = 3  # of a picture by the cluster, which each time was lost; then this machine embeds it

_Result = TypeVar("_Result")
Ask = Callable[[ModelEncoder], Coroutine[None, None, Vectors]]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Whether the cluster answers (`here`), and since when (Unix milliseconds). `reason`: why not, empty where it does.
    `encoders` are there now; `answered_here` questions were answered by this machine since the start."""

    address: str
    here: bool
    since_ms: int
    reason: str
    encoders: int
    answered_here: int


class ClusterEncoder:
    """ports.Encoder over both. `watch` must run beside it."""

    def __init__(self, remote: ModelEncoder, local: ModelEncoder, cluster: RaySettings, faults: Faults) -> None:
        self._remote = remote
        self._local = local
        self._cluster = cluster
        self._faults = faults
        self._here = asyncio.Event()
        self._gone = asyncio.Event()  # away for so long that this machine indexes
        self._reason = "it has not answered since the start"
        self._since_ms, self._since_s = now_ms(), time.monotonic()
        self._slow_until_s: float | None = None
        self._answered_here = 0

    @property
    def spec(self) -> ModelSpec:
        return self._local.spec

    @property
    def pixel_spec(self) -> PixelSpec:
        return self._local.pixel_spec

    @property
    def awake(self) -> bool:
        return self._here.is_set() or self._local.awake

    @property
    def choice(self) -> Choice:
        """How the model runs that answers now."""
        return self._remote.choice if self._here.is_set() else self._local.choice

    @property
    def starts(self) -> int:
        """How often this machine has loaded the model."""
        return self._local.starts

    @property
    def pids(self) -> list[int]:
        """The process that reaches the cluster, and this machine's model."""
        return [*self._remote.pids, *self._local.pids]

    @property
    def state(self) -> ClusterState:
        here = self._here.is_set()
        encoders = self._remote.choice.streams // BATCHES_AN_ENCODER if self._remote.awake else 0
        reason = "" if here else self._reason
        return ClusterState(self._cluster.address, here, self._since_ms, reason, encoders, self._answered_here)

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        """As ports.Encoder. Raises as ModelEncoder."""
        return await self._encode(lambda encoder: encoder.encode_pixels(frames, priority), priority)

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        """As ports.Encoder. Raises as ModelEncoder."""
        return await self._encode(lambda encoder: encoder.encode_words(texts, priority), priority)

    async def _encode(self, ask: Ask, priority: Priority) -> Vectors:
        return await (self._question(ask) if priority is Priority.QUERY else self._indexing(ask))

    async def _question(self, ask: Ask) -> Vectors:
        if self._here.is_set():
            try:
                async with asyncio.timeout(self._cluster.deadline_s):
                    return await ask(self._remote)
            except TimeoutError:
                self._slow_until_s = time.monotonic() + SLOW_S
                self._away(f"it gave no answer to a question within {self._cluster.deadline_s:g} s")
            except RetryLater as error:
                self._away(str(error))
        self._answered_here += 1
        return await ask(self._local)

    async def _indexing(self, ask: Ask) -> Vectors:
        for _ in range(TRIES):
            try:
                await self._unless_gone(self._here.wait())
                return await self._unless_gone(ask(self._remote))
            except _Gone:
                break
            except RetryLater as error:
                self._away(str(error))
        return await ask(self._local)

    async def _unless_gone(self, work: Coroutine[None, None, _Result]) -> _Result:
        """What it returns, or _Gone when the cluster has been away for long meanwhile."""
        working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise _Gone
            return working.result()
        finally:
            working.cancel()
            leaving.cancel()

    async def watch(self) -> None:
        """Notices that the cluster comes and goes, until cancelled."""
        waking: asyncio.Task[None] | None = None
        try:
            while True:
                if not self._remote.awake:
                    if self._here.is_set():
                        self._away("the process that reaches it has ended")
                    if waking is None or waking.done():
                        waking = asyncio.create_task(self._remote.wake(), name="joining the cluster")
                else:
                    await self._look()
                if not self._here.is_set() and time.monotonic() - self._since_s >= INDEX_HERE_S:
                    self._gone.set()
                await asyncio.sleep(LOOK_S)
        finally:
            if waking is not None:
                waking.cancel()
                await asyncio.wait({waking})

    async def _look(self) -> None:
        """The process that reaches it is there: are encoders, and do they answer in time?"""
        if not self._remote.choice.streams:
            self._away("none of its encoders is there")
        elif self._here.is_set():
            return
        elif self._slow_until_s is None:
            self._back()
        elif time.monotonic() >= self._slow_until_s:
            with suppress(TimeoutError, RetryLater):
                async with asyncio.timeout(self._cluster.deadline_s):
                    await self._remote.encode_words(["a"], Priority.QUERY)
                self._slow_until_s = None
                self._back()

    def _away(self, reason: str) -> None:
        self._reason = reason
        if not self._here.is_set():
            return
        self._here.clear()
        self._since_ms, self._since_s = now_ms(), time.monotonic()
        self._faults.add(
            CLUSTER_FAULT,
            ModelAway(f"The cluster at {self._cluster.address} is away ({reason}): this machine's own model answers"),
        )

    def _back(self) -> None:
        self._here.set()
        self._gone.clear()
        self._since_ms, self._since_s = now_ms(), time.monotonic()
        self._faults.healthy(CLUSTER_FAULT)
        log.info("the cluster at %s answers: %s", self._cluster.address, self._remote.choice)


class _Gone(Exception):
    """The cluster is away for long."""


@asynccontextmanager
async def open_cluster_encoder(
    settings: Settings, faults: Faults, *, driver: str = CLUSTER_WORKER, worker: str = WORKER
) -> AsyncIterator[ClusterEncoder]:
    """Both, until the block ends. It begins at once where an earlier start has kept what must be known of the model;
    else when the cluster has told it, or, where there is none, when this machine has loaded the model.

    Raises ConfigError where Ray is not installed, ModelUnavailable where no model is.
    """
    if find_spec("ray") is None:
        raise ConfigError(MISSING)
    model, data_dir = settings.with_exports(settings.model), settings.data_dir
    async with AsyncExitStack() as stack:

        def remote() -> Awaitable[ModelEncoder]:
            opened = open_remote_encoder(model, settings.ray, faults, data_dir=data_dir, worker=driver)
            return stack.enter_async_context(opened)

        def local(*, wake: bool) -> Awaitable[ModelEncoder]:
            opened = open_encoder(model, faults, data_dir=data_dir, worker=worker, wake=wake)
            return stack.enter_async_context(opened)

        try:
            async with asyncio.timeout(FIRST_S):
                first = await remote()
        except (ModelUnavailable, TimeoutError) as error:
            reason = str(error) or f"The cluster at {settings.ray.address} had no encoder within {FIRST_S:g} s."
            log.warning("%s This machine's own model answers meanwhile.", reason)
            own = await local(wake=True)
            first = await remote()
        else:
            own = await local(wake=False)
        encoder = ClusterEncoder(first, own, settings.ray, faults)
        watching = asyncio.create_task(supervised("watching the cluster", encoder.watch, faults), name="cluster")
        try:
            yield encoder
        finally:
            watching.cancel()
            await asyncio.wait({watching})
