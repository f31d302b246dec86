"""A search that only reads: it works beside a running bot, and without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from indexer.database.database import Database, open_database
from indexer.encode.encoder import open_encoder
from indexer.errors import TellPerson
from indexer.features.kept_features import KeptFeatures
from indexer.hit_pictures import HitPictures
from indexer.hit_thumbnails import HitThumbnails
from indexer.long_work import open_long_work
from indexer.opening import accelerator_of, former_models, open_index
from indexer.pictures.decoder import Decoder
from indexer.ports import Encoder
from indexer.reports.reports import Reports
from indexer.search.model_switch import GuildSearcher, open_searcher
from indexer.search.reposts import RepostFinder
from indexer.settings import Settings
from indexer.store import embeddings
from indexer.supervisor import Faults
from indexer.thumbnails.kept_thumbnails import KeptThumbnails

if TYPE_CHECKING:
    from indexer.search.rerank import Rerank


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """What a search needs, and nothing that writes."""

    reports: Reports
    encoder: Encoder
    searcher: GuildSearcher
    reposts: RepostFinder


@asynccontextmanager
async def open_search(settings: Settings, encoder: Encoder | None = None) -> AsyncIterator[ReadOnly]:
    """What a search needs, reading only: works beside a running bot. Raises TellPerson where the configured model has
    embedded nothing yet, Stop where something cannot be opened.
    """
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_database(settings.data_dir, write=False))
        if encoder is None:
            model = settings.with_exports(settings.model)
            encoder = await stack.enter_async_context(open_encoder(model, data_dir=settings.data_dir))
        async with db.reader() as connection:
            specs = await embeddings.models(connection)
        model_id = next((found for found, spec in specs.items() if spec == encoder.spec), None)
        if model_id is None:
            raise TellPerson(
                "index-other-model",
                model=encoder.spec.name,
                pretrained=encoder.spec.pretrained,
                folder=str(settings.data_dir),
            )
        index = await stack.enter_async_context(open_index(db, settings, accelerator_of(settings.model)))
        second = await stack.enter_async_context(_reranking(db, settings)) if settings.rerank.enabled else None
        searcher = await stack.enter_async_context(
            open_searcher(db, index, encoder, model_id, settings.search, former_models(settings), second=second)
        )
        long_work = await stack.enter_async_context(open_long_work())
        yield ReadOnly(Reports(db), encoder, searcher, RepostFinder(db, long_work, searcher))


@asynccontextmanager
async def _reranking(db: Database, settings: Settings) -> AsyncIterator[Rerank]:
    """The second stage over what is on this machine: kept features, thumbnails, files of archives. Its model is open
    when the block begins, or cannot be had: a command that answers one question waits for it.
    """
    from indexer.reranking import open_reranking

    async with (
        KeptThumbnails(db, settings, write=False) as kept,
        KeptFeatures(db, settings, write=False) as features,
    ):
        pictures = HitPictures(settings.fetch.max_download_bytes)

        @cache
        def files(readers: Decoder) -> HitThumbnails:
            return HitThumbnails(db, pictures, readers, kept)

        async with open_reranking(db, settings, features, files, Faults()) as second:
            await second.wake()
            yield second
