"""An answer where no bot runs: the index, and the model where it is needed, are opened for this command. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from bot.config.loader import Config
from bot.control.duplicates import Duplicates
from bot.control.evaluate import Evaluating
from bot.control.operations import Handler, Tell, Values
from bot.control.pictures import Pictures
from bot.control.search import Drawing, Searching
from bot.links import is_discord
from bot.observability.log import logging_to
from indexer.hit_pictures import HitPictures
from indexer.pictures.decoder import open_decoder
from indexer.pictures.fetch import open_fetcher
from indexer.read_only_search import open_search
from indexer.records.pictures import PixelSpec
from indexer.reports.reports import open_reports
from indexer.settings import Settings
from indexer.thumbnails.kept_thumbnails import open_kept_thumbnails

SHOWN = PixelSpec(256)  # pictures that are shown and compared with nothing


@asynccontextmanager
async def answering_here(config: Config, name: str, tell: Tell) -> AsyncIterator[Callable[[Values], Awaitable[Values]]]:
    """The running bot's operation `name`, until the block ends.

    Raises Stop where the index or the model cannot be opened.
    """
    with logging_to(replace(config.log, level="warning")):
        async with _opened(config, name) as handlers:
            yield lambda values: handlers[name](values, tell)


@asynccontextmanager
async def _opened(config: Config, name: str) -> AsyncIterator[dict[str, Handler]]:
    settings, opens = config.settings, is_discord(config.discord.api_base)
    if name == "random":  # it needs no model
        async with open_reports(settings.data_dir) as reports:
            yield Drawing(reports, _pictures(settings, SHOWN), settings.search, opens).handlers()
        return
    async with open_search(settings) as reader:
        pictures = _pictures(settings, reader.encoder.pixel_spec)
        yield {
            **Searching(reader, pictures, settings.search, opens).handlers(),
            **Duplicates(reader.reports, reader.reposts, pictures, opens).handlers(),
            **Evaluating(reader).handlers(),
        }


def _pictures(settings: Settings, spec: PixelSpec) -> Pictures:
    decoder = partial(open_decoder, replace(settings.decode, workers=1), spec)
    fetcher = partial(open_fetcher, settings.fetch, spec.size)
    thumbnails = partial(open_kept_thumbnails, settings)
    return Pictures(decoder, fetcher, thumbnails, HitPictures(settings.fetch.max_download_bytes))
