"""Asks the running bot, which has the model in memory; or answers here where none runs.

The bot is asked with next to nothing imported: what opens an index stands in `answer_here`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any, TypeVar

from bot.config.tables import Config
from bot.control.client import NoBot, ask
from bot.observability.log import logging_to

# Loading a model from a slow disk takes a minute; whoever waits sees what for, and Ctrl-C ends it.
ANSWER_S = 600.0
# A request is one line of the control socket, of 64 KiB. The rest is for what stands beside the questions.
REQUEST_BYTES = 48 * 1024
WITHOUT_MODEL = ("random",)

Item = TypeVar("Item")
Request = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""The values of one request → its answer. Pictures are under "attached".

Raises TellPerson for what cannot be asked, Stop where the index or the model cannot be opened, Refused with the running
bot's sentence, RetryLater.
"""


@asynccontextmanager
async def asking(config: Config, name: str, tell: Callable[[str], None]) -> AsyncIterator[Request]:
    """For requests of the operation `name`. What is opened here stays open for all of them.

    `tell` hears what is waited for.
    """
    data_dir = config.settings.data_dir
    here: Request | None = None
    async with AsyncExitStack() as stack:

        async def answer(values: Mapping[str, Any]) -> Mapping[str, Any]:
            nonlocal here
            if here is not None:
                return await here(values)
            plain = {key: value for key, value in values.items() if key != "attached"}
            try:
                tell("asking the running bot")
                return await ask(data_dir, name, plain, tell, attached=values.get("attached"), deadline_s=ANSWER_S)
            except NoBot:
                tell(f"no bot runs on {data_dir}: opening the index here")
            words = bool(values.get("words") or values.get("queries"))
            here = await stack.enter_async_context(_answering_here(config, name, tell, words=words))
            return await here(values)

        yield answer


@asynccontextmanager
async def _answering_here(
    config: Config, name: str, tell: Callable[[str], None], *, words: bool
) -> AsyncIterator[Request]:
    """The model's process loads the model while this one imports what opens an index: each takes most of a second."""
    settings = config.settings
    with logging_to(replace(config.log, level="warning")):
        async with AsyncExitStack() as stack:
            encoder = None
            if name not in WITHOUT_MODEL and settings.data_dir.is_dir():
                model = import_module("bot.command_line.model_here").open_model(settings, words=words)
                encoder = await stack.enter_async_context(model)
            module = await asyncio.to_thread(import_module, "bot.command_line.answer_here")
            yield await stack.enter_async_context(module.answering_here(config, name, tell, encoder))


async def answer_once(
    config: Config, name: str, values: Mapping[str, Any], tell: Callable[[str], None]
) -> Mapping[str, Any]:
    """One request. Raises as `Request`."""
    async with asking(config, name, tell) as request:
        return await request(values)


def together(items: Sequence[Item], most: int) -> Sequence[Item]:
    """The first of these values that go into one request: `most` at most, at least one."""
    size = 0
    for count, item in enumerate(items[:most]):
        size += len(json.dumps(item))
        if count and size > REQUEST_BYTES:
            return items[:count]
    return items[:most]
