"""A search that only reads: it works beside a running bot, and without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from indexer.database.database import open_database
from indexer.encode.encoder import open_encoder
from indexer.errors import TellPerson
from indexer.long_work import open_long_work
from indexer.opening import accelerator_of, former_models, open_index
from indexer.ports import Encoder
from indexer.reports.reports import Reports
from indexer.search.model_switch import GuildSearcher, open_searcher
from indexer.search.reposts import RepostFinder
from indexer.settings import Settings
from indexer.store import embeddings


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
        searcher = await stack.enter_async_context(
            open_searcher(db, index, encoder, model_id, settings.search, former_models(settings))
        )
        long_work = await stack.enter_async_context(open_long_work())
        yield ReadOnly(Reports(db), encoder, searcher, RepostFinder(db, long_work, searcher))
