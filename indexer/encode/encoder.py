"""open_encoder: settings → a CLIP that takes pictures and words from any task and never blocks the loop.

The model itself, and torch with it, is in a process of its own: docs/adr/0024-the-model-is-a-process.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from indexer.encode.batching import Batches, Kind, ModelDied, ModelFailed, OutOfMemory, Payload
from indexer.encode.known_model import KnownModel
from indexer.encode.model_on_demand import ModelOnDemand
from indexer.encode.process import WORKER
from indexer.encode.protocol import Choice
from indexer.errors import ModelAway, NoMemory, Reason, Rejected
from indexer.ports import Priority
from indexer.records.pictures import EncodedFile, Features, ModelSpec, Pixels, PixelSpec, Scores, Vectors
from indexer.settings import ModelSettings, RaySettings
from indexer.supervisor import Faults, supervised

CLUSTER_WORKER = "indexer.encode.on_ray.driver"


class ModelEncoder:
    """ports.Encoder over one model's process, or over one that reaches a cluster. What it tells of the model needs no
    process."""

    def __init__(self, model: ModelOnDemand, batches: Batches) -> None:
        self._model = model
        self._batches = batches

    @property
    def spec(self) -> ModelSpec:
        return self._model.spec

    @property
    def pixel_spec(self) -> PixelSpec:
        return self._model.pixel_spec

    @property
    def awake(self) -> bool:
        return self._model.awake

    @property
    def choice(self) -> Choice:
        """How it runs, or ran last: runtime, device, precision, streams, threads, and what a trial measured. NOT_CHOSEN
        until the model was loaded once."""
        return self._model.choice

    @property
    def starts(self) -> int:
        """How often a process has loaded the model."""
        return self._model.starts

    @property
    def pid(self) -> int | None:
        """The id of the model's process; None while there is none."""
        return self._model.pid

    @property
    def pids(self) -> list[int]:
        return [] if self.pid is None else [self.pid]

    async def wake(self) -> None:
        """Loads the model before anybody asks. What hinders it is counted and logged, not raised."""
        await self._model.wake()

    async def start(self) -> None:
        """The same, and raises ModelAway: why it could not be loaded, or the cluster not be reached."""
        await self._model.start()

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        """A file opened and embedded in the cluster; `wanted` as in protocol.py.

        Raises Rejected for what cannot be read, ModelFailed where no node may open it, RetryLater.
        """
        try:
            return await self._model.encode_file(file, wanted)
        except ModelDied as error:
            raise ModelAway(f"The process that reaches the cluster {error}") from error

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        """[n, d] float32 of unit length, one row for each [size, size, 3] uint8 frame, in order.

        Raises Rejected(INTERNAL) when the model makes nothing of a frame, RetryLater when it shuts down meanwhile.
        """
        size = self.pixel_spec.size
        for frame in frames:
            if frame.shape != (size, size, 3) or frame.dtype != np.uint8:
                raise ValueError(f"a frame is {frame.dtype}{list(frame.shape)}, not uint8[{size}, {size}, 3]")
        return self._stacked(await self._batches.encode(Kind.PIXELS, frames, priority))

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        """[n, d] float32 of unit length, one row a text, in order. Text beyond the model's context is cut.

        Raises Rejected(INTERNAL) when the model makes nothing of a text, RetryLater when it shuts down meanwhile.
        """
        return self._stacked(await self._batches.encode(Kind.WORDS, texts, priority))

    async def scores(self, words: str | None, features: Features) -> Scores:
        """How well pictures match words, by a model that reads both together ([n, d] → [n]). Without words: how alike
        all but the first are to the first ([n - 1]).

        Raises NoMemory where it has none for so many, Rejected(INTERNAL) when it fails, RetryLater where it is away.
        """
        try:
            return await self._model.scores(words, features)
        except OutOfMemory as error:
            raise NoMemory(f"The model has no memory for {len(features)} pictures at once: {error}") from error
        except ModelFailed as error:
            raise Rejected(Reason.INTERNAL, f"the model failed: {error}") from error

    def _stacked(self, vectors: list[Vectors]) -> Vectors:
        return np.stack(vectors) if vectors else np.empty((0, self.spec.dimension), np.float32)


@asynccontextmanager
async def open_encoder(
    settings: ModelSettings,
    faults: Faults | None = None,
    *,
    data_dir: Path | None = None,
    worker: str = WORKER,
    wake: bool = True,
    ahead: int = 0,
) -> AsyncIterator[ModelEncoder]:
    """Load a model in a process of its own and serve it until the block ends. `faults` counts what goes wrong.

    Where an earlier start has kept in `data_dir` what must be known of the model, the block begins at once and the
    model is loaded meanwhile; whoever asks waits for it. Elsewhere the block begins when the model is loaded. The
    process may go and come within the block: when it dies, and when nobody asks for `model.idle_s`. `worker` is the
    module that the process runs. Without `wake` a known model is loaded by whoever asks first. `ahead` batches (1 at
    most) wait in the process for the one before. Raises ModelUnavailable: which model, from where, and the ways out. At
    the end whoever still waits gets RetryLater.
    """
    faults = faults or Faults()
    model = ModelOnDemand(settings, faults, worker, _known(data_dir, settings))
    batches = Batches(
        model.encode, settings.batch_size, model.rest, settings.idle_s, lambda: model.choice.streams, ahead=ahead
    )
    async with _serving(model, batches, faults, wake) as encoder:
        yield encoder


@asynccontextmanager
async def open_remote_encoder(
    settings: ModelSettings,
    cluster: RaySettings,
    faults: Faults,
    *,
    data_dir: Path | None = None,
    worker: str = CLUSTER_WORKER,
) -> AsyncIterator[ModelEncoder]:
    """The encoders of a cluster, reached by a process of its own, which stays as long as the block.

    As `open_encoder`, but that whatever keeps the cluster from answering is a RetryLater. It is known by the name
    "cluster" among the faults.
    """
    model = ModelOnDemand(settings, faults, worker, _known(data_dir, settings), cluster)

    async def run(kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        try:
            return await model.encode(kind, payloads, priority)
        except ModelDied as error:  # the process that reaches the cluster: no picture is to blame for that
            raise ModelAway(f"The process that reaches the cluster {error}") from error

    batches = Batches(run, settings.batch_size, streams=lambda: model.choice.streams, attentive=False)
    async with _serving(model, batches, faults, wake=True) as encoder:
        yield encoder


def _known(data_dir: Path | None, settings: ModelSettings) -> KnownModel | None:
    return None if data_dir is None else KnownModel(data_dir, settings)


@asynccontextmanager
async def _serving(model: ModelOnDemand, batches: Batches, faults: Faults, wake: bool) -> AsyncIterator[ModelEncoder]:
    async def pump() -> None:
        if wake:
            await model.wake()
        await batches.pump()

    try:
        await model.open()
        pumping = asyncio.create_task(supervised("encoder", pump, faults), name="encoder")
        try:
            yield ModelEncoder(model, batches)
        finally:
            pumping.cancel()
            with suppress(asyncio.CancelledError):
                await pumping
            batches.close()
    finally:
        await model.close()
