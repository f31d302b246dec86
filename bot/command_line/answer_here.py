"""An answer where no bot runs: the index, and the model where it is needed, are opened for this command. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bot.command_line.asking import WITHOUT_MODEL
from bot.config.tables import Config
from bot.control.handler import Handler, Tell, Values
from bot.control.pictures import Pictures
from bot.control.search import Drawing, Searching
from bot.links import is_discord
from indexer.hit_pictures import HitPictures
from indexer.pictures.decoder import open_decoder
from indexer.ports import Encoder
from indexer.read_only_search import ReadOnly, open_search
from indexer.records.pictures import PixelSpec
from indexer.reports.reports import open_reports
from indexer.settings import SearchSettings, Settings
from indexer.thumbnails.kept_thumbnails import open_kept_thumbnails

if TYPE_CHECKING:
    from indexer.pictures.fetch import Fetcher

SHOWN = PixelSpec(256)  # pictures that are shown and compared with nothing


@asynccontextmanager
async def answering_here(
    config: Config, name: str, tell: Tell, encoder: Encoder | None
) -> AsyncIterator[Callable[[Values], Awaitable[Values]]]:
    """The running bot's operation `name`, until the block ends. `encoder`: the model, if the operation needs one.

    Raises Stop where the index or the model cannot be opened.
    """
    async with _opened(config, name, encoder) as handlers:
        yield lambda values: handlers[name](values, tell)


@asynccontextmanager
async def _opened(config: Config, name: str, encoder: Encoder | None) -> AsyncIterator[dict[str, Handler]]:
    settings, opens = config.settings, is_discord(config.discord.api_base)
    if name in WITHOUT_MODEL:
        async with open_reports(settings.data_dir) as reports:
            yield Drawing(reports, _pictures(settings, SHOWN), settings.search, opens).handlers()
        return
    async with open_search(settings, encoder) as reader:
        pictures = _pictures(settings, reader.encoder.pixel_spec)
        yield _handlers(name, reader, pictures, settings.search, opens)


def _handlers(
    name: str, reader: ReadOnly, pictures: Pictures, settings: SearchSettings, opens: bool
) -> dict[str, Handler]:
    """Imports what the operation needs, and no more: a search waits for it."""
    if name == "duplicates":
        from bot.control.duplicates import Duplicates

        return Duplicates(reader.reports, reader.reposts, pictures, opens).handlers()
    if name == "evaluate":
        from bot.control.evaluate import Evaluating

        return Evaluating(reader).handlers()
    return Searching(reader, pictures, settings, opens).handlers()


def _pictures(settings: Settings, spec: PixelSpec) -> Pictures:
    decoder = partial(open_decoder, replace(settings.decode, workers=1), spec)

    def fetcher() -> AbstractAsyncContextManager[Fetcher]:
        from indexer.pictures.fetch import open_fetcher

        return open_fetcher(settings.fetch, spec.size)

    thumbnails = partial(open_kept_thumbnails, settings)
    return Pictures(decoder, fetcher, thumbnails, HitPictures(settings.fetch.max_download_bytes))
