"""Hands a command's work to the running bot; or opens the data folder for writing and does it here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from bot.control.client import NoBot, ask
from bot.control.operations import Handler, Values
from bot.observability import terminal
from indexer.errors import StorageError
from indexer.service import Store, database_path, open_store
from indexer.settings import Settings

Handlers = Callable[[Store], Mapping[str, Handler]]
Carry = Callable[[str, Values], Awaitable[tuple[Values, bool]]]
"""The operation's name and values → what came of it, and whether a running bot did it.

Raises StorageError, Refused, RetryLater, TellPerson.
"""


@asynccontextmanager
async def carrying(
    settings: Settings, handlers: Handlers, tell: Callable[[str], None] = terminal.note
) -> AsyncIterator[Carry]:
    """For several operations, of which one of `handlers` does each where no bot runs. The folder is opened once."""
    here: Mapping[str, Handler] | None = None
    async with AsyncExitStack() as stack:

        async def carry(name: str, values: Values) -> tuple[Values, bool]:
            nonlocal here
            if here is None:
                try:
                    return await ask(settings.data_dir, name, values, tell), True
                except NoBot:
                    _require_database(settings)
                here = handlers(await stack.enter_async_context(open_store(settings)))
            return await here[name](values, tell), False

        yield carry


async def carry_out(settings: Settings, name: str, values: Values, handlers: Handlers) -> tuple[Values, bool]:
    """One operation. Raises as `Carry`."""
    async with carrying(settings, handlers) as carry:
        return await carry(name, values)


def _require_database(settings: Settings) -> None:
    """A command in the wrong folder says so: it must not tell of an empty database that it has just made."""
    path = database_path(settings)
    if not path.exists():
        raise StorageError(f"There is no database at {path}. Start the bot once, or check data_dir.")
