"""Hands a command's work to the running bot; or opens the data folder for writing and does it here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from bot.control.client import NoBot, ask
from bot.control.handler import Handler, Tell, Values
from bot.control.search import Index
from bot.control.selection import Selecting
from bot.observability import terminal
from indexer.errors import StorageError
from indexer.offline_store import Store, database_path, open_store
from indexer.read_only_search import ReadOnly, open_search
from indexer.settings import Settings

Handlers = Callable[[Store], Mapping[str, Handler]]


class Carry(Protocol):
    """The operation's name and values → what came of it, and whether a running bot did it. `tell` hears how far it is.

    Raises StorageError, Refused, RetryLater, TellPerson.
    """

    async def __call__(self, name: str, values: Values, tell: Tell = terminal.note) -> tuple[Values, bool]: ...


@asynccontextmanager
async def carrying(settings: Settings, handlers: Handlers) -> AsyncIterator[Carry]:
    """For several operations, of which one of `handlers` does each where no bot runs. The folder is opened once."""
    here: Mapping[str, Handler] | None = None
    async with AsyncExitStack() as stack:

        async def carry(name: str, values: Values, tell: Tell = terminal.note) -> tuple[Values, bool]:
            nonlocal here
            if here is None:
                try:
                    return await ask(settings.data_dir, name, values, tell), True
                except NoBot:
                    require_database(settings)
                here = handlers(await stack.enter_async_context(open_store(settings)))
            return await here[name](values, tell), False

        yield carry


@asynccontextmanager
async def carrying_selections(
    settings: Settings, handlers: Callable[[Store, Selecting], Mapping[str, Handler]]
) -> AsyncIterator[Carry]:
    """The same for operations on what a question selects. What words need, the model among it, is opened once."""
    opened: ReadOnly | None = None
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def index() -> AsyncIterator[Index]:
            nonlocal opened
            if opened is None:
                opened = await stack.enter_async_context(open_search(settings))
            yield opened

        open_index: Callable[[], AbstractAsyncContextManager[Index]] = index
        selecting = carrying(
            settings, lambda store: handlers(store, Selecting(store.reports, open_index, settings.search))
        )
        yield await stack.enter_async_context(selecting)


async def carry_out(settings: Settings, name: str, values: Values, handlers: Handlers) -> tuple[Values, bool]:
    """One operation. Raises as `Carry`."""
    async with carrying(settings, handlers) as carry:
        return await carry(name, values)


def require_database(settings: Settings) -> None:
    """A command in the wrong folder says so: it must not tell of an empty database that it has just made."""
    path = database_path(settings)
    if not path.exists():
        raise StorageError(f"There is no database at {path}. Start the bot once, or check data_dir.")
