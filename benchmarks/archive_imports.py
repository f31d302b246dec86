"""Imports through the whole pipeline, timed; and records written with their embeddings at hand."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import storage
from indexer.archives.export import open_export
from indexer.archives.export_options import export_options
from indexer.database.database import open_database
from indexer.encode.encoder import open_encoder
from indexer.imports.archive_import import Imported, already, import_guild, note_origin
from indexer.imports.archive_opener import open_archive
from indexer.imports.archive_unchanged import note_brought, unchanged
from indexer.ports import Encoder, Priority
from indexer.records.pictures import ModelSpec, Pixels, PixelSpec, Vectors
from indexer.service import open_service
from indexer.settings import CrawlSettings, ModelSettings, Settings
from indexer.supervisor import Faults
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

RECORDS = 30_000
PAGE = 2_000


class NoEncoder:
    """Stands for the model where no picture comes."""

    spec = ModelSpec("none", "none", 8, "00")
    pixel_spec = PixelSpec(size=32)

    async def encode_pixels(self, frames: list[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        raise AssertionError(f"{len(frames)} pictures came from an export that has none")

    async def encode_words(self, texts: list[str], priority: Priority = Priority.QUERY) -> Vectors:
        """The same vector for each. Only the search that opens with the service asks, for its baseline."""
        return np.tile(np.eye(1, self.spec.dimension, dtype=np.float32), (len(texts), 1))


async def first_and_second(location: Path, model: str | None) -> dict[str, Any]:
    """An import into an empty folder and the same again; `model` None: messages of all kinds, and no model."""
    where = location.parent / f"data of {location.name}"
    settings = Settings(data_dir=where, crawl=CrawlSettings(messages="pictures" if model else "all"))
    async with AsyncExitStack() as stack:
        encoder: Any = NoEncoder()
        if model is not None:
            chosen = ModelSettings(name=NAME, pretrained=str(WEIGHTS), config_file=CONFIG, resize_mode=RESIZE_MODE)
            encoder = await stack.enter_async_context(open_encoder(chosen, Faults()))
            await encoder.encode_words(["a first request, so that the model is there"])
        begun, cpu = time.perf_counter(), time.process_time()
        first = await _import(settings, location, encoder)
        first_s, first_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        second = await _import(settings, location, encoder)
        second_s = time.perf_counter() - begun
    return {
        "messages": first.messages,
        "embedded": first.embedded,
        "embedded_again": second.embedded,
        "first_s": first_s,
        "first_cpu_s": first_cpu_s,
        "second_s": second_s,
    }


async def _import(settings: Settings, location: Path, encoder: Encoder) -> Imported:
    """As the command does it, without the start of its process and of the model."""
    if (known := await unchanged(settings, location)) is not None:
        (guild,) = known.survey.guilds.values()
        return already(known, guild)
    archive = open_export(location, export_options(settings))
    async with open_service(settings, None, encoder, open_archive=partial(open_archive, settings)) as service:
        origin = await note_origin(service, archive)
        (guild,) = archive.survey.guilds.values()
        brought = await import_guild(service, archive, origin, guild)
        await note_brought(service, archive, origin)
        return brought


async def records_into_sqlite(folder: Path) -> float:
    """Seconds for RECORDS messages with a picture each, their words, and embeddings of 512 dimensions."""
    found = storage.world(1)[:RECORDS]
    async with open_database(folder / "records") as db:
        await storage.settle(db)
        stored_s = RECORDS / await storage.store(db, [found[at : at + PAGE] for at in range(0, RECORDS, PAGE)])
        return stored_s + RECORDS / await storage.embed_all(db)
