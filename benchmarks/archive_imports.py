"""Imports through the whole pipeline, timed; and records written with their embeddings at hand."""

from __future__ import annotations

import hashlib
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np

from indexer.archive_import import Imported, OpenArchives, import_guild, note_origin
from indexer.archives.documents import find
from indexer.archives.export import open_export
from indexer.archives.opener import export_options
from indexer.database.database import open_database
from indexer.encode.encoder import open_encoder
from indexer.model import (
    Channel,
    ChannelId,
    ChannelKind,
    DecodedPicture,
    Guild,
    GuildId,
    Message,
    MessageId,
    ModelSpec,
    PictureRef,
    Pixels,
    PixelSpec,
    Source,
    UserId,
    Vectors,
)
from indexer.ports import Encoder, Priority
from indexer.service import open_service
from indexer.settings import CrawlSettings, ModelSettings, Settings
from indexer.store import channels, embeddings, guilds, messages, pictures, places
from indexer.supervisor import Faults
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

RECORDS = 30_000
PAGE = 2_000
BATCH = 64  # embeddings a transaction
DIMENSION = 512


class NoEncoder:
    """Stands for the model where no picture comes."""

    spec = ModelSpec("none", "none", 8, "00")
    pixel_spec = PixelSpec(size=32)

    async def encode_pixels(self, frames: list[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        raise AssertionError(f"{len(frames)} pictures came from an export that has none")

    async def encode_words(self, texts: list[str], priority: Priority = Priority.QUERY) -> Vectors:
        raise AssertionError(f"an import asked for the vectors of {len(texts)} texts")


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
        begun = time.perf_counter()
        first = await _import(settings, location, encoder)
        first_s = time.perf_counter() - begun
        begun = time.perf_counter()
        second = await _import(settings, location, encoder)
        second_s = time.perf_counter() - begun
    return {
        "messages": first.messages,
        "embedded": first.embedded,
        "embedded_again": second.embedded,
        "first_s": first_s,
        "second_s": second_s,
    }


async def _import(settings: Settings, location: Path, encoder: Encoder) -> Imported:
    options = export_options(settings)
    found = find(location)
    archive = open_export(location, options, found=found)
    opened = OpenArchives(settings, {str(location): archive})
    async with open_service(settings, None, encoder, open_archive=opened.open) as service:
        origin = await note_origin(service, archive, options.version(found), [])
        (guild,) = archive.index.survey.guilds.values()
        return await import_guild(service, archive, origin, guild)


async def records_into_sqlite(folder: Path) -> float:
    """Seconds for RECORDS messages with a picture each, their words, and embeddings of 512 dimensions."""
    rows = np.random.default_rng(0).standard_normal((RECORDS, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    guild, channel = GuildId(1), ChannelId(2)
    found = [_message(number, guild, channel) for number in range(1, RECORDS + 1)]
    async with open_database(folder / "records") as db:
        async with db.transaction() as tx:
            await guilds.upsert(tx, Guild(guild, "Benchmark"))
            await channels.upsert(tx, [Channel(channel, guild, ChannelKind.TEXT, "photos")])
            model_id = await embeddings.model_id(tx, ModelSpec("bench", "none", DIMENSION, "00"))
        begun = time.perf_counter()
        new = []
        for at in range(0, RECORDS, PAGE):
            async with db.transaction() as tx:
                stored = await messages.store(tx, found[at : at + PAGE], keep="pictures", seen_ms=0)
            new += [place.id for place in stored.new_places]
        for at in range(0, RECORDS, BATCH):
            async with db.transaction() as tx:
                ids = [await pictures.add(tx, _picture(number)) for number in range(at, min(at + BATCH, RECORDS))]
                await embeddings.add(tx, model_id, list(zip(ids, rows[at : at + BATCH], strict=True)))
                for place_id, picture_id in zip(new[at : at + BATCH], ids, strict=True):
                    await places.attach(tx, place_id, picture_id)
        return time.perf_counter() - begun


def _message(number: int, guild: GuildId, channel: ChannelId) -> Message:
    link = f"https://cdn.discordapp.com/attachments/2/{number}/picture.png"
    ref = PictureRef(0, Source.ATTACHMENT, link, link, file_name="picture.png", width=640, height=480)
    text = f"message {number} says something about picture {number % 97}"
    return Message(MessageId(number << 22), channel, guild, UserId(5 + number % 50), "Ada", text, pictures=(ref,))


def _picture(number: int) -> DecodedPicture:
    sha256 = hashlib.sha256(str(number).encode()).digest()
    return DecodedPicture(sha256, (), 640, 480, "PNG", 1, 50_000, number * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
