"""The bot's life: configuration, log, indexer, connection; a signal ends it in the reverse order, within a deadline."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.config.tables import Config
from bot.control.caches import caches
from bot.control.delete import Deleting
from bot.control.duplicates import Duplicates
from bot.control.evaluate import Evaluating
from bot.control.handler import Handler, Tell, Values
from bot.control.imports import imports
from bot.control.jobs import jobs, starting
from bot.control.keys import keys
from bot.control.operations import running_status, upkeep
from bot.control.picture_texts import picture_texts
from bot.control.pictures import Pictures
from bot.control.search import Drawing, Searching
from bot.control.selection import Selecting
from bot.control.server import open_control
from bot.control.tags import Tagging
from bot.gateway.client import Client
from bot.gateway.settling import ABSENT_S
from bot.links import is_discord
from bot.observability.health import keep_beating
from bot.version import installed_version
from indexer.crawl.histories import OpenArchive
from indexer.errors import AfterimageError, Stop
from indexer.ports import History
from indexer.service import Service, open_service
from indexer.settings import Settings
from indexer.supervisor import plainest

if TYPE_CHECKING:
    from bot.web.operator import Operator

logger = logging.getLogger(__name__)

# The part of the deadline in which commands in hand may finish; the rest is for pipeline, workers and database.
DRAIN_SHARE = 0.5

# Seconds within which a second signal is the same one: `timeout`, for one, signals the process and its whole group.
ECHO_S = 1.0


Prepare = Callable[[Config], AbstractAsyncContextManager[Config]]
Work = Callable[[Client, Service], Coroutine[Any, Any, None]]


class Watchdog:
    """Ends the process when closing takes longer than `deadline_s` seconds, whatever hangs.

    Everything stored is whole transactions, so what is lost is repeated at the next start.
    """

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._timer = threading.Timer(deadline_s, self._give_up)
        self._timer.daemon = True

    def arm(self) -> None:
        self._timer.start()

    def stand_down(self) -> None:
        self._timer.cancel()

    def _give_up(self) -> None:
        logger.error("not closed within %.0f s (discord.shutdown_s): leaving as it is", self.deadline_s)
        os._exit(1)


class Shutdown:
    """SIGTERM and SIGINT: the first asks for an end, the second does not wait for it."""

    def __init__(self, watchdog: Watchdog) -> None:
        self.requested = asyncio.Event()
        self.serving = False
        self._watchdog = watchdog
        self._main = asyncio.current_task()
        self._asked_s = 0.0

    def ask(self, number: signal.Signals) -> None:
        if self.requested.is_set():
            if time.monotonic() - self._asked_s < ECHO_S:
                return
            logger.warning("%s again: leaving at once", number.name)
            os._exit(128 + number)
        logger.info("%s: finishing what is in hand, at most %.0f s", number.name, self._watchdog.deadline_s)
        self._asked_s = time.monotonic()
        self.requested.set()
        self._watchdog.arm()
        if not self.serving and self._main is not None:
            self._main.cancel()  # still loading: nothing is in hand

    @contextmanager
    def listening(self) -> Iterator[None]:
        # Not loop.add_signal_handler, which Windows' loops do not have: this way is the same on every system.
        loop = asyncio.get_running_loop()

        def handle(number: int, _: object) -> None:
            loop.call_soon_threadsafe(self.ask, signal.Signals(number))

        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def _serve(
    config: Config, client: Client, service: Service, operator: Operator | None, shutdown: Shutdown, work: Work | None
) -> None:
    """Connected until a signal comes, or until `work` is done. Raises what broke the connection for good."""
    drain_s = config.discord.shutdown_s * DRAIN_SHARE
    async with asyncio.TaskGroup() as tasks:
        beat = tasks.create_task(keep_beating(config.settings.data_dir, client.beat, service.faults), name="health")
        signalled = tasks.create_task(shutdown.requested.wait(), name="signal")
        working = [] if work is None else [tasks.create_task(work(client, service), name="work")]
        watching = operator.watching(tasks, service) if operator is not None else []
        answering = operator.serving(service) if operator is not None else nullcontext()
        try:
            async with answering, client.serving(service, drain_s) as connection:
                await asyncio.wait({connection, signalled, *working}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (beat, signalled, *working, *watching):
                task.cancel()


def operations(config: Config, service: Service) -> dict[str, Handler]:
    """What commands may ask of this bot."""
    opens, search = is_discord(config.discord.api_base), config.settings.search
    pictures = Pictures(
        lambda: nullcontext(service.decoder),
        lambda: nullcontext(service.fetcher),
        lambda: nullcontext(service.kept_thumbnails),
        service.hit_pictures,
    )
    selecting = Selecting(service.reports, lambda: nullcontext(service), search)
    return {
        **upkeep(service),
        **imports(service),
        **keys(service),
        **caches(service),
        **picture_texts(service),
        **jobs(service),
        **starting(service),
        **Searching(service, pictures, search, opens).handlers(),
        **Drawing(service.reports, pictures, search, opens).handlers(),
        **Duplicates(service.reports, service.reposts, pictures, opens).handlers(),
        **Evaluating(service).handlers(),
        **Tagging(service, selecting).handlers(),
        **Deleting(service, selecting).handlers(),
        "status": partial(running_status, service),
    }


def _metrics(operator: Operator | None) -> dict[str, Handler]:
    """/metrics for whoever has the data folder: `afterimage fleet metrics` asks on each node."""
    if operator is None:
        return {}

    async def metrics(values: Values, tell: Tell) -> Values:
        return {"text": operator.metrics.render().decode()}

    return {"metrics": metrics}


@asynccontextmanager
async def _open_web(config: Config, client: Client) -> AsyncIterator[Operator | None]:
    """HTTP, where an address is configured. Imported only then: its libraries take a fifteenth of a start."""
    if not config.web.listen:
        yield None
        return
    from bot.web.operator import Operator
    from bot.web.server import open_web

    operator = Operator(config, installed_version(), client.beat)
    async with open_web(config.web, operator.routes()):
        yield operator


def _open_archives(settings: Settings) -> OpenArchive:
    """Opens archives that were imported before. Imported where one is read: most bots never do."""

    def opener() -> Callable[..., Awaitable[History]]:
        from indexer.imports.archive_opener import open_archive

        return open_archive

    return lambda *origin: opener()(settings, *origin)


async def _open_and_serve(
    config: Config, client: Client, operator: Operator | None, drain_s: float, shutdown: Shutdown, work: Work | None
) -> None:
    async with (
        open_service(
            config.settings,
            client.history,
            open_archive=_open_archives(config.settings),
            serves=config.discord.shards.serves,
            waits=(lambda reason: None) if operator is None else operator.waits,
        ) as service,
        open_control(
            config.settings.data_dir,
            operations(config, service) | _metrics(operator),
            drain_s,
            attached_bytes=config.settings.fetch.max_download_bytes,
        ),
    ):
        # What is loaded by now stays: looking through all of it again, as a full collection does, would block the loop
        # each time.
        gc.collect()
        gc.freeze()
        shutdown.serving = True
        await _serve(config, client, service, operator, shutdown, work)


async def _run(
    config: Config, prepare: Prepare, watchdog: Watchdog, adopt: bool, absent_s: float, work: Work | None
) -> None:
    shutdown = Shutdown(watchdog)
    with shutdown.listening():
        try:
            async with prepare(config) as ready:
                for warning in ready.warnings:
                    logger.warning("%s", warning)
                logger.info("afterimage %s, data in %s", installed_version(), ready.settings.data_dir.absolute())
                token = ready.discord.token
                assert token is not None, "the command line does not come here without one"
                drain_s = ready.discord.shutdown_s * DRAIN_SHARE
                async with (
                    Client(ready, adopt=adopt, absent_s=absent_s) as client,
                    _open_web(ready, client) as operator,
                ):
                    await client.log_in(token)  # before the model is loaded, or downloaded for minutes
                    await _open_and_serve(ready, client, operator, drain_s, shutdown, work)
                logger.info("closed")
        except asyncio.CancelledError:
            if not shutdown.requested.is_set():
                raise
        except BaseExceptionGroup as group:
            raise plainest(group) from group


def run(
    config: Config,
    prepare: Prepare = nullcontext,
    *,
    adopt: bool = False,
    absent_s: float = ABSENT_S,
    work: Work | None = None,
) -> None:
    """Runs the bot until SIGTERM or SIGINT, or until `work` is done, which begins at once and raises nothing.

    The log is open already: it begins before this file is imported. Raises Stop for what whoever runs it must put
    right.

    `prepare` may take and give back what must live around the bot, and change the configuration by that. `adopt` and
    `absent_s`: see `Client`.
    """
    watchdog = Watchdog(config.discord.shutdown_s)
    try:
        asyncio.run(_run(config, prepare, watchdog, adopt, absent_s, work))
    except (AfterimageError, KeyboardInterrupt):
        raise
    except Exception as error:  # the log takes tokens out, the interpreter's own traceback would not
        logger.critical("the bot failed", exc_info=error)
        raise Stop("The bot failed; the log says where. Please report it.") from None
    finally:
        watchdog.stand_down()
