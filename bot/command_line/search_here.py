"""A search where no bot runs: the index and the model are opened for this one question. Reads only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bot.config.loader import Config
from bot.control.operations import Tell, Values
from bot.control.search import searching
from bot.links import is_discord
from bot.observability.log import logging_to
from indexer.pictures.decoder import open_decoder
from indexer.service import open_search


async def search_here(config: Config, values: Values, tell: Tell) -> Values:
    """As bot.control.search. Raises also Stop where the index or the model cannot be opened."""
    settings = config.settings
    with logging_to(replace(config.log, level="warning")):
        async with open_search(settings) as reader:
            decoder = partial(open_decoder, replace(settings.decode, workers=1), reader.encoder.pixel_spec)
            opens = is_discord(config.discord.api_base)
            return await searching(reader, decoder, settings.search, opens=opens)["search"](values, tell)
