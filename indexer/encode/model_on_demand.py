"""The model's process as long as it is needed: again after it died, gone when nobody asks, back with a question."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from indexer.backoff import Backoff
from indexer.encode.batching import Kind, ModelDied, Payload
from indexer.encode.process import WORKER, ModelProcess
from indexer.encode.protocol import Choice, Facts
from indexer.encode.shared_frames import SharedFrames
from indexer.errors import ModelUnavailable, RetryLater
from indexer.model import Vectors
from indexer.settings import ModelSettings
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

FAULT = "model"  # its name among the faults
# A process that died begins anew after 0.5 s at the least: what killed it once is mostly one picture, or memory
# that was short for a moment.
AGAIN = Backoff(tries=0, first_s=1.0, longest_s=60.0)
MOST_STREAMS = 8
WAIT_S = 5.0  # the longest pause that whoever asks waits out; for a longer one the answer is "later"


class ModelOnDemand:
    """At most one process. `facts` are known from the first start on, whether it runs or not."""

    facts: Facts

    def __init__(self, settings: ModelSettings, faults: Faults, worker: str = WORKER) -> None:
        self._settings = settings
        self._faults = faults
        self._worker = worker
        self._frames = SharedFrames()
        self._process: ModelProcess | None = None
        self._elsewhere = False  # it will run on another device, and nothing is settled for that
        self._failures = 0  # in a row
        self._last = ""  # why it was not to be had
        self._again_s = 0.0  # a monotonic time before which no process is started
        self._starting = asyncio.Lock()

    async def open(self) -> None:
        """The first start. Raises ModelUnavailable."""
        try:
            self._process = await ModelProcess.start(self._settings, self._frames, worker=self._worker)
        except ModelDied as error:
            raise ModelUnavailable(
                f"The model {self._settings.name} could not be loaded: its process {error}. The log says what it said. "
                "SIGKILL mostly means that memory was short: free some, or take a smaller model."
            ) from error
        self.facts = self._process.facts
        self._frames.make_room(MOST_STREAMS + 1, self._settings.batch_size, self.facts.pixel_spec.size)

    @property
    def choice(self) -> Choice:
        """How the model runs, or ran when its process was there last."""
        return self._process.facts.choice if self._process is not None else self.facts.choice

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return self._process.pid if self._process is not None and not self._process.ended else None

    async def encode(self, kind: Kind, payloads: Sequence[Payload]) -> Vectors:
        """[n, d] float32. Raises ModelFailed; ModelDied where the process ends; RetryLater where there is none."""
        async with self._starting:
            process = await self._running()
        try:
            vectors = await process.encode(kind, payloads)
        except ModelDied as error:
            if process is self._process:  # the first to hear of it
                self._process = None
                self._take_leave(process)
                self._failed(error)
            raise
        self._failures = 0
        self._faults.healthy(FAULT)
        return vectors

    async def _running(self) -> ModelProcess:
        if self._process is not None and not self._process.ended:
            return self._process
        pause_s = self._again_s - time.monotonic()
        if pause_s > WAIT_S:
            raise RetryLater(
                f"The model's process is started again in {pause_s:.0f} s, after this: {self._last}",
                retry_after=pause_s,
            )
        await asyncio.sleep(max(pause_s, 0))
        try:
            settled = None if self._elsewhere else self.facts.choice
            process = await ModelProcess.start(self._settings, self._frames, settled, self._worker)
            if process.facts.spec != self.facts.spec:
                await process.end()
                raise ModelUnavailable(
                    f"The weights or settings of {self.facts.spec.name} are not those that this bot was started with. "
                    "Put them back, or start the bot anew."
                )
        except (ModelDied, ModelUnavailable) as error:
            self._failed(error)
            raise RetryLater(f"The model could not be loaded again: {error}") from error
        self._elsewhere = False
        self.facts = process.facts
        self._process = process
        return process

    def _take_leave(self, process: ModelProcess) -> None:
        """Where its device is gone, the next one runs on the processor."""
        if process.lost:
            device = self.facts.choice.device
            log.warning("the model lost its device, %s: it goes on with the processor (%s)", device, process.lost)
            self._settings = replace(self._settings, device="cpu", precision="auto", runtime="auto")
            self._elsewhere = True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._last = str(error)
        self._again_s = time.monotonic() + AGAIN.wait_s(self._failures)
        self._faults.add(FAULT, error)

    async def rest(self) -> None:
        """Lets the process go until it is asked again."""
        if self._process is not None and not self._process.ended:
            log.info("nobody has asked the model for %.0f s: its process goes until then", self._settings.idle_s)
            await self._process.end()
        self._process = None

    async def close(self) -> None:
        if self._process is not None:
            await self._process.end()
        self._frames.close()
