"""The model where no bot runs. Imported before what opens an index: its process loads it meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from indexer.encode.encoder import open_encoder
from indexer.errors import AfterimageError
from indexer.ports import Encoder
from indexer.settings import Settings


@asynccontextmanager
async def open_model(settings: Settings, *, words: bool) -> AsyncIterator[Encoder]:
    """The configured one, until the block ends. `words`: it is going to read words, and prepares for them at once.

    Raises ModelUnavailable.
    """
    async with open_encoder(settings.with_exports(settings.model), data_dir=settings.data_dir) as encoder:
        preparing = asyncio.create_task(_prepare(encoder), name="preparing for words") if words else None
        try:
            yield encoder
        finally:
            if preparing is not None:
                preparing.cancel()
                await asyncio.wait([preparing])


async def _prepare(encoder: Encoder) -> None:
    """The part of a model that reads words is loaded by the first text. Whoever asks is told what is wrong with it."""
    with suppress(AfterimageError):
        await encoder.encode_words(["words"])
