"""Parts that the running service, the store without a bot and a search that only reads open in the same way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from indexer.database.database import Database
from indexer.database.journal import FILE_NAME as JOURNAL
from indexer.database.journal import Journal
from indexer.encode.encoder import open_encoder
from indexer.ports import Encoder
from indexer.records.pictures import ModelSpec
from indexer.search.model_switch import OpenModel
from indexer.settings import ModelSettings, Settings
from indexer.vectors.index import VectorIndex
from indexer.vectors.scan import Accelerator
from indexer.vectors.segment import FOLDER_NAME as SEGMENTS


@asynccontextmanager
async def open_index(
    db: Database, settings: Settings, accelerator: Accelerator | None = None
) -> AsyncIterator[VectorIndex]:
    """The vector index beside the database, closed when the block ends."""
    folder = settings.data_dir / SEGMENTS
    index = await asyncio.to_thread(VectorIndex, db.path, folder, settings.index, accelerator)
    try:
        yield index
    finally:
        await asyncio.to_thread(index.close)


@asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[Journal]:
    journal = await asyncio.to_thread(Journal, settings.data_dir / JOURNAL)
    try:
        yield journal
    finally:
        await asyncio.to_thread(journal.close)


def former_models(settings: Settings) -> OpenModel:
    """How a model that was used before is opened again: with the present settings, but for its name and weights."""

    def open_model(spec: ModelSpec) -> AbstractAsyncContextManager[Encoder]:
        former = replace(settings.model, name=spec.name, pretrained=spec.pretrained, folder=None)
        return open_encoder(settings.with_exports(former))

    return open_model


def accelerator_of(settings: ModelSettings) -> Accelerator | None:
    """The GPU, for wide scans, where the configuration names it: torch is then imported here too. None elsewhere."""
    if settings.device != "cuda":
        return None
    from indexer.encode.gpu_scan import gpu_scan

    return gpu_scan(settings.device)
