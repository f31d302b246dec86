"""The captions that the settings ask for: a picture is opened by a locked-down reader, and described by a model in a
process of the encoder's family (docs/adr/0024), which gets pixels alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from indexer.encode.batching import ModelDied, ModelFailed, OutOfMemory
from indexer.encode.model_on_demand import ModelOnDemand
from indexer.encode.protocol import Caption
from indexer.errors import ConfigError, ModelUnavailable, Reason, Rejected, RetryLater
from indexer.picture_texts.reading import MOST_CHARACTERS, PictureReader, Reading, cleaned
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.pictures.extras import Extra, installed
from indexer.platforms.processes import go_on, halt
from indexer.records.picture_texts import TextKind
from indexer.records.pictures import Pixels
from indexer.settings import ModelSettings, Settings
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

NEEDED: Final = (Extra("captions", "torch", 0), Extra("captions", "transformers", 0))
WORKER: Final = "indexer.encode.captioning_worker"
LEAST_PX: Final = 384  # the input of all BLIP models for captions
# By the clock, of one picture: it takes seconds, but is halted while members search.
LONGEST_S = 1800.0
_TRIES = 2  # of a picture over which the process died: the system may have killed it for another reason


class Captioner:
    """Describes a picture in a sentence. Belongs to one event loop. Costs nothing before the first picture."""

    kind: Final = TextKind.CAPTION
    least_px: Final = LEAST_PX

    def __init__(self, settings: Settings) -> None:
        self._settings = _model_settings(settings)
        self._decode = replace(settings.decode, workers=1, frames=1)
        self.name = _name(settings.captions.name)
        self._model: ModelOnDemand | None = None
        self._decoder: Decoder | None = None
        self._opened = AsyncExitStack()
        self._halted = False

    @property
    def pid(self) -> int | None:
        """The id of the model's process; None while there is none."""
        return None if self._model is None else self._model.pid

    async def read(self, data: bytes) -> Reading:
        """The caption of a picture file. Raises Rejected (also where it killed the process twice), RetryLater where the
        model cannot be had.
        """
        model, decoder = await self._ready()
        frame = (await decoder.decode(data)).frames[0]
        for last in (False, True):
            await model.wake()
            if self._halted:
                self.halt()
            try:
                async with asyncio.timeout(LONGEST_S):
                    return _reading(await _described(model, frame))
            except TimeoutError as error:
                raise Rejected(Reason.TOO_SLOW, f"over {LONGEST_S:g} s") from error
            except ModelDied as died:
                log.warning("the process of captions died over a file of %d bytes: %s", len(data), died)
                if last:
                    raise Rejected(Reason.WORKER_DIED, str(died)) from died
        raise AssertionError("the last try returns or raises")

    async def _ready(self) -> tuple[ModelOnDemand, Decoder]:
        if self._model is None or self._decoder is None:
            model = ModelOnDemand(self._settings, Faults(), WORKER)
            try:
                await model.open()
                self._decoder = await self._opened.enter_async_context(open_decoder(self._decode, model.pixel_spec))
            except BaseException as error:
                await model.close()
                if isinstance(error, ModelUnavailable):
                    raise RetryLater(str(error)) from error
                raise
            self._model = model
        return self._model, self._decoder

    def halt(self) -> None:
        """Takes the processor from the model until `go_on`, in the middle of a picture too."""
        self._halted = True
        if (pid := self.pid) is not None:
            halt(pid)

    def go_on(self) -> None:
        self._halted = False
        if (pid := self.pid) is not None:
            go_on(pid)

    async def rest(self) -> None:
        """Ends its processes; the next picture starts them."""
        model, self._model, self._decoder = self._model, None, None
        if model is not None:
            await model.close()
        await self._opened.aclose()


async def _described(model: ModelOnDemand, frame: Pixels) -> Caption:
    """Raises Rejected, ModelDied, RetryLater."""
    try:
        (caption,) = await model.captions([frame])
    except OutOfMemory as error:
        raise Rejected(Reason.TOO_MUCH_MEMORY, str(error)) from error
    except ModelFailed as error:
        raise Rejected(Reason.INTERNAL, str(error)) from error
    return caption


def _reading(caption: Caption) -> Reading:
    text, confidence = caption
    text = cleaned(text)[:MOST_CHARACTERS]
    return Reading(text, confidence) if text else Reading("", None)


def _model_settings(settings: Settings) -> ModelSettings:
    """On the device of the first model; of a processor half of the cores, since nobody waits for it."""
    model = replace(
        settings.model,
        name=settings.captions.name,
        pretrained="",
        config_file=None,
        folder=None,
        precision=settings.captions.precision,
        batch_size=1,
        resize_mode="auto",
        threads=settings.model.threads or max(1, (os.cpu_count() or 1) // 2),
        streams=0,
        idle_s=0.0,
    )
    return settings.with_exports(model)


def _name(name: str) -> str:
    """The model; where it is a folder, with what tells its files from others."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        state = path.stat()
        digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"{folder.name} {digest.hexdigest()[:16]}"


def captioner(settings: Settings) -> Callable[[], AbstractAsyncContextManager[PictureReader]]:
    """Opens the captioner, whose processes end with the block. Raises ConfigError where torch or transformers is not
    installed.
    """
    missing = [extra.module for extra in NEEDED if not installed(extra)]
    if missing:
        raise ConfigError(
            f"captions.enabled: {' and '.join(missing)} must be installed with this Python: pip install"
            " 'afterimage[captions]' (from a checkout: .venv/bin/pip install -c constraints.txt '.[captions]'), or set"
            " captions.enabled = false."
        )

    @asynccontextmanager
    async def opened() -> AsyncIterator[PictureReader]:
        found = Captioner(settings)
        try:
            yield found
        finally:
            await found.rest()

    return opened
