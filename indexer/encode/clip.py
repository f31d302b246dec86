"""open_encoder: settings → a CLIP that takes pictures and words from any task and never blocks the loop.

torch and open_clip are imported when a model is opened, not before: a second's import must not delay `--help`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

from indexer.encode.batching import Batches, Kind, Payload
from indexer.encode.model_thread import ModelThread
from indexer.encode.openmp import spin_briefly
from indexer.model import ModelSpec, Pixels, PixelSpec, Vectors
from indexer.ports import Priority
from indexer.settings import ModelSettings
from indexer.supervisor import Faults, supervised

if TYPE_CHECKING:
    from indexer.encode.weights import Loaded

log = logging.getLogger(__name__)

_PROGRESS_S = 10.0  # seconds between two lines in the log while a model loads
_LAST_BATCH_S = 10.0  # seconds for the batch in hand at the end; it takes one


class ClipEncoder:
    """ports.Encoder over one open_clip model."""

    def __init__(self, loaded: Loaded, batches: Batches) -> None:
        self._loaded = loaded
        self._batches = batches

    @property
    def spec(self) -> ModelSpec:
        return self._loaded.spec

    @property
    def pixel_spec(self) -> PixelSpec:
        return self._loaded.pixel_spec

    @property
    def device(self) -> str:
        """The kind of device it runs on: cpu, cuda or mps."""
        return str(self._loaded.network.device.type)

    @property
    def precision(self) -> str:
        """The precision that was settled on: float32, bfloat16 or float16."""
        return str(self._loaded.network.dtype).removeprefix("torch.")

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

    def _stacked(self, vectors: list[Vectors]) -> Vectors:
        return np.stack(vectors) if vectors else np.empty((0, self.spec.dimension), np.float32)


@asynccontextmanager
async def open_encoder(settings: ModelSettings, faults: Faults | None = None) -> AsyncIterator[ClipEncoder]:
    """Load a model, settle its precision, and serve it until the block ends. `faults` counts what goes wrong meanwhile.

    Raises ModelUnavailable: which model, from where, and the ways out. At the end whoever still waits gets RetryLater.
    """
    thread = ModelThread()
    wait_s = 0.0  # nobody waits for a download that was interrupted
    try:
        loaded = await _load(thread, settings)
        wait_s = _LAST_BATCH_S

        def run(kind: Kind, payloads: Sequence[Payload]) -> Vectors:
            if kind is Kind.PIXELS:
                return loaded.network.pixels([payload for payload in payloads if not isinstance(payload, str)])
            return loaded.network.words([payload for payload in payloads if isinstance(payload, str)])

        batches = Batches(lambda kind, payloads: thread.call(lambda: run(kind, payloads)), settings.batch_size)
        pump = asyncio.create_task(supervised("encoder", batches.pump, faults or Faults()), name="encoder")
        try:
            yield ClipEncoder(loaded, batches)
        finally:
            pump.cancel()
            with suppress(asyncio.CancelledError):
                await pump
            batches.close()
    finally:
        await thread.close(wait_s)


async def _load(thread: ModelThread, settings: ModelSettings) -> Loaded:
    log.info("loading the model %s (%s)", settings.name, settings.pretrained or "no tag")
    start = time.monotonic()
    loading = asyncio.ensure_future(thread.call(lambda: _load_blocking(settings)))
    try:
        while not (await asyncio.wait([loading], timeout=_PROGRESS_S))[0]:
            log.info("still loading the model %s (%.0f s)", settings.name, time.monotonic() - start)
        loaded = await loading
    finally:
        loading.cancel()
    seconds, spec, pixels = time.monotonic() - start, loaded.spec, loaded.pixel_spec
    log.info(
        "model %s ready after %.1f s: vectors of %d, input %d pixels", spec.name, seconds, spec.dimension, pixels.size
    )
    return loaded


def _load_blocking(settings: ModelSettings) -> Loaded:
    spin_briefly()
    import torch

    from indexer.encode.precision import choose_device, settle_precision
    from indexer.encode.weights import load

    if settings.threads:
        torch.set_num_threads(settings.threads)
    loaded = load(settings, choose_device(settings.device))
    settle_precision(loaded.network, settings.precision, loaded.pixel_spec.size)
    return loaded
