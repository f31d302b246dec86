"""The model's process as long as it is needed: again after it died, gone when nobody asks, back with a question."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from indexer.backoff import Backoff
from indexer.encode.batching import Kind, ModelDied, Payload
from indexer.encode.known_model import KnownModel
from indexer.encode.process import WORKER, ModelProcess
from indexer.encode.protocol import Caption, Choice, Facts
from indexer.encode.shared_frames import SharedFrames
from indexer.errors import ModelAway, ModelUnavailable
from indexer.ports import Priority
from indexer.records.pictures import EncodedFile, Features, ModelSpec, Pixels, PixelSpec, Scores, Vectors
from indexer.settings import ModelSettings, RaySettings
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

FAULT = "model"  # its name among the faults
CLUSTER_FAULT = "cluster"  # that of the process that reaches a cluster
# A process that died begins anew after 0.5 s at the least: what killed it once is mostly one picture, or memory
# that was short for a moment.
AGAIN = Backoff(tries=0, first_s=1.0, longest_s=60.0)
MOST_STREAMS = 8
BATCHES_AN_ENCODER = 2  # under way in an encoder of a cluster: one is worked on while the next one travels
# Of a run that has files opened in the cluster: some are embedded, some are opened, some are there when it is done.
FILES_AN_ENCODER = 32
NOT_CHOSEN = Choice("", "", "")
WAIT_S = 5.0  # the longest pause that whoever asks waits out; for a longer one the answer is "later"


class ModelOnDemand:
    """At most one process. `spec` and `pixel_spec` are known from `open` on, whether it runs or not.

    `facts` are what the first process of this life has told, and None before. `known` is where the bot keeps them
    between two of its starts; None: nowhere. `cluster`: the process loads no model, but reaches one in this cluster.
    """

    spec: ModelSpec
    pixel_spec: PixelSpec

    def __init__(
        self,
        settings: ModelSettings,
        faults: Faults,
        worker: str = WORKER,
        known: KnownModel | None = None,
        cluster: RaySettings | None = None,
    ) -> None:
        self._cluster = cluster
        self._fault = FAULT if cluster is None else CLUSTER_FAULT
        self._settings = settings
        self._faults = faults
        self._worker = worker
        self._known = known
        self.facts: Facts | None = None
        self._frames = SharedFrames()
        self._process: ModelProcess | None = None
        self._elsewhere = False  # it will run on another device, and nothing is settled for that
        self._failures = 0  # in a row
        self._last = ""  # why it was not to be had
        self._again_s = 0.0  # a monotonic time before which no process is started
        self._starting = asyncio.Lock()
        self.starts = 0  # how often its process was started and loaded it

    async def open(self) -> None:
        """Learns what the model is: from what is kept, else from the first start. Raises ModelUnavailable."""
        known = None if self._known is None else await asyncio.to_thread(self._known.read)
        if known is not None:
            self.spec, self.pixel_spec = known
        else:
            try:
                self._process = await ModelProcess.start(
                    self._settings, self._frames, None, self._worker, self._cluster
                )
                self.starts += 1
            except ModelDied as error:
                raise ModelUnavailable(
                    f"The model {self._settings.name} could not be loaded: its process {error}. The log says what it "
                    "said. SIGKILL mostly means that memory was short: free some, or take a smaller model."
                ) from error
            self.spec, self.pixel_spec = self._process.facts.spec, self._process.facts.pixel_spec
            await self._told(self._process.facts)
        streams = BATCHES_AN_ENCODER * self._cluster.max_replicas if self._cluster else MOST_STREAMS
        # One more for a question, and one for a batch that waits for another.
        self._frames.make_room(streams + 2, self._settings.batch_size, self.pixel_spec.size)

    async def wake(self) -> None:
        """Loads the model before anybody asks. A model that cannot be had is counted and logged, and tried again by
        whoever asks."""
        with suppress(ModelAway):
            await self.start()

    async def start(self) -> None:
        """The same, and raises ModelAway."""
        async with self._starting:
            await self._running()

    async def _told(self, facts: Facts) -> None:
        """The first process of this life has told the facts."""
        self.facts = facts
        if self._known is not None:
            await asyncio.to_thread(self._known.keep, self.spec, self.pixel_spec)

    @property
    def awake(self) -> bool:
        """Whether there is a process whose model is loaded."""
        return self.pid is not None

    @property
    def choice(self) -> Choice:
        """How the model runs, or ran when its process was there last; NOT_CHOSEN before it was loaded once."""
        if self._process is not None:
            return self._process.facts.choice
        return NOT_CHOSEN if self.facts is None else self.facts.choice

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return self._process.pid if self._process is not None and not self._process.ended else None

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        """[n, d] float32. Raises ModelFailed; ModelDied where the process ends; ModelAway where there is none."""
        return await self._asked(lambda process: process.encode(kind, payloads, priority))

    async def scores(self, words: str | None, features: Features) -> Scores:
        """As `ModelEncoder.scores`. Raises as `encode`."""
        return await self._asked(lambda process: process.scores(words, features))

    async def captions(self, frames: Sequence[Pixels]) -> list[Caption]:
        """A sentence about each picture, by a model that describes them. Raises as `encode`."""
        return await self._asked(lambda process: process.captions(frames))

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        """A file opened and embedded in the cluster, as of ModelProcess. Raises as `encode`, and Rejected."""
        return await self._asked(lambda process: process.encode_file(file, wanted))

    async def _asked(self, ask: Callable[[ModelProcess], Awaitable[Answer]]) -> Answer:
        async with self._starting:
            process = await self._running()
        try:
            answer = await ask(process)
        except ModelDied as error:
            if process is self._process:  # the first to hear of it
                self._let_go()
                self._take_leave(process)
                self._failed(error)
            raise
        self._failures = 0
        self._faults.healthy(self._fault)
        return answer

    async def _running(self) -> ModelProcess:
        if self._process is not None and not self._process.ended:
            return self._process
        pause_s = self._again_s - time.monotonic()
        if pause_s > WAIT_S:
            raise ModelAway(
                f"The model's process is started again in {pause_s:.0f} s, after this: {self._last}",
                retry_after=pause_s,
            )
        await asyncio.sleep(max(pause_s, 0))
        try:
            settled = None if self._elsewhere or self.facts is None else self.choice
            process = await ModelProcess.start(self._settings, self._frames, settled, self._worker, self._cluster)
            if (process.facts.spec, process.facts.pixel_spec) != (self.spec, self.pixel_spec):
                await process.end()
                if self._known is not None and self._cluster is None:  # a cluster may be wrong, and this bot right
                    await asyncio.to_thread(self._known.forget)
                where = f" in the cluster at {self._cluster.address}" if self._cluster else ""
                raise ModelUnavailable(
                    f"The weights or settings of {self.spec.name}{where} are not those that this bot was started with. "
                    "Put them back, or start the bot anew."
                )
        except (ModelDied, ModelUnavailable) as error:
            self._failed(error)
            raise ModelAway(f"The model could not be loaded: {error}") from error
        self.starts += 1
        self._elsewhere = False
        self._process = process
        if self.facts is None:
            await self._told(process.facts)
        self.facts = process.facts
        return process

    def _take_leave(self, process: ModelProcess) -> None:
        """Where its device is gone, the next one runs on the processor."""
        if process.lost:
            device = process.facts.choice.device
            log.warning("the model lost its device, %s: it goes on with the processor (%s)", device, process.lost)
            self._settings = replace(self._settings, device="cpu", precision="auto", runtime="auto")
            self._elsewhere = True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._last = str(error)
        self._again_s = time.monotonic() + AGAIN.wait_s(self._failures)
        self._faults.add(self._fault, error)

    async def rest(self) -> None:
        """Lets the process go until it is asked again."""
        if self._process is not None and not self._process.ended:
            log.info("nobody has asked the model for %.0f s: its process goes until then", self._settings.idle_s)
            await self._process.end()
        self._let_go()

    def _let_go(self) -> None:
        """There is no process now. How it ran in the end is known: it may have gone over to another precision."""
        if self._process is not None:
            self.facts, self._process = self._process.facts, None

    async def close(self) -> None:
        if self._process is not None:
            await self._process.end()
        self._frames.close()
