"""An encoder in the cluster: an actor with a model's process of its own, as the bot has one.

What a batch or the model may do to that process (a crash, a want of memory, a GPU that is gone) is mended here, by the
same code as in the bot. Only the end of the actor itself, or of its node, is the pool's affair.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from indexer.encode.batching import Kind
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.on_ray.node_readers import NodeReaders, NotOpenedHere
from indexer.encode.process import WORKER
from indexer.encode.protocol import Facts, settings_of
from indexer.errors import ModelUnavailable, NoMemory, Rejected, RetryLater
from indexer.ports import Priority
from indexer.records.picture_header import header_of
from indexer.records.pictures import Pixels
from indexer.settings import ModelSettings, RaySettings

log = logging.getLogger(__name__)

# An encoder that nobody has asked anything for so long ends: the pools that used it are gone. They ask after its
# health every two seconds.
LEASE_S = 60.0


def settings_of_node(settings: ModelSettings, cluster: RaySettings) -> ModelSettings:
    """The settings of the model on a share of a node: with that share's cores or GPU, and the node's own folder."""
    on_processor = not cluster.gpus and settings.device == "auto"
    return replace(
        settings,
        runtime="auto" if settings.runtime == "ray" else settings.runtime,
        device="cpu" if on_processor else settings.device,
        threads=settings.threads or (max(int(cluster.cores), 1) if not cluster.gpus else 0),
        export_dir=Path(cluster.exports),
    )


class EncoderReplica:
    """The methods of the actor. They run on one event loop, so health is told while the model works.

    `settings` and `worker` as of `open_encoder`; the settings as `settings_json` wrote them. Answers are plain values:
    a class of ours in them would have to be the same on both sides.
    """

    def __init__(self, settings: dict[str, Any], worker: str = WORKER) -> None:
        logging.basicConfig(level=logging.INFO)
        told = settings_of(settings)
        # Folders of this node: the bot's own for weights serves where there is such a one here too.
        exports = None if told.export_dir is None else told.export_dir.expanduser()
        cache = told.cache_dir if told.cache_dir is not None and told.cache_dir.is_dir() else None
        self._settings = replace(told, export_dir=exports, cache_dir=cache)
        self._worker = worker
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()  # what is open ends with this process
        self._encoder: ModelEncoder | None = None
        self._readers = NodeReaders()
        self._asked_s = time.monotonic()
        self._lease: asyncio.Task[None] | None = None

    async def open(self) -> dict[str, Any]:
        """The facts of the model once it is loaded, which a first download makes minutes; `unavailable` with a text."""
        try:
            encoder = await self._opened()
        except ModelUnavailable as error:
            return {"unavailable": str(error)}
        return Facts(encoder.spec, encoder.pixel_spec, encoder.choice).as_json()

    async def encode(self, kind: str, payloads: Sequence[Pixels] | Sequence[str], priority: int) -> dict[str, Any]:
        """`vectors` [n, d] float32; or a text as `failed`, as `memory` where there was none, as `away` where another
        encoder, or this one later, may do it."""
        self._asked_s = time.monotonic()
        try:
            encoder = await self._opened()
            if kind == Kind.WORDS:
                return {"vectors": await encoder.encode_words([str(text) for text in payloads], Priority(priority))}
            frames = [np.asarray(frame) for frame in payloads]
            return {"vectors": await encoder.encode_pixels(frames, Priority(priority))}
        except NoMemory as error:
            return {"memory": str(error)}
        except (RetryLater, ModelUnavailable) as error:
            return {"away": str(error)}
        except Rejected as error:
            return {"failed": str(error)}

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> dict[str, Any]:
        """Opens a file as the bot would, and embeds it: `picture` (as of `header_of`), `vectors` [n, d] float32 and
        `small_copy`; or `rejected` with a reason and words, `failed` where this node may not open it; or `away`."""
        self._asked_s = time.monotonic()
        try:
            encoder = await self._opened()
            picture, small_copy = await self._readers.read(file, wanted, encoder.pixel_spec)
            vectors = await encoder.encode_pixels(picture.frames, Priority.INDEXING)
            return {"picture": header_of(picture), "vectors": vectors, "small_copy": small_copy}
        except Rejected as error:
            return {"rejected": (error.reason.value, error.detail)}
        except (NotOpenedHere, NoMemory) as error:
            return {"failed": str(error)}
        except (RetryLater, ModelUnavailable) as error:
            return {"away": str(error)}

    async def health(self) -> int:
        """The id of this process. Whoever asks keeps the encoder alive."""
        self._asked_s = time.monotonic()
        if self._lease is None:
            self._lease = asyncio.create_task(self._end_unasked())
        return os.getpid()

    async def _opened(self) -> ModelEncoder:
        async with self._opening:
            if self._encoder is None:
                # One batch ahead: between two batches the model waited 2 ms for the next one.
                encoding = open_encoder(self._settings, worker=self._worker, ahead=1)
                self._encoder = await self._stack.enter_async_context(encoding)
        return self._encoder

    async def _end_unasked(self) -> None:
        import ray

        while True:
            unasked_s = time.monotonic() - self._asked_s
            if unasked_s >= LEASE_S:
                log.info("nobody has asked this encoder anything for %.0f s: it ends", unasked_s)
                ray.kill(ray.get_runtime_context().current_actor, no_restart=True)
            await self._readers.rest(LEASE_S)
            await asyncio.sleep(LEASE_S / 4)
