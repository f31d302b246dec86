"""The server's life. It listens before the bot is ready, so that a probe is answered from the first second."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bot.config.tables import WebSettings
from bot.config.values import listen_address
from bot.web.guards import add_headers, answers, deadline, fair_share, known_hosts
from bot.web.origins import answer_preflights, name_origins
from indexer.errors import Stop

log = logging.getLogger(__name__)

# A probe asks every few seconds and Prometheus every 15 seconds; 600 a minute is 10 times as much as both together.
PER_MINUTE = 600.0
BURST = 120
# The interface has limits of its own for each key (bot/web/api/access.py). One page of results asks for 50 thumbnails.
API = "/api/"
API_PER_MINUTE = 6000.0
API_BURST = 1200

REQUEST_BYTES = 64 * 1024  # of a body; a path that takes pictures reads them itself
LINE_BYTES = 16 * 1024  # of the path and the query: a question of 1,000 characters has 12,000 bytes there, at most
LONGEST_S = 10.0
SHUTDOWN_S = 2.0  # seconds for requests that still run when the bot ends

# Connections that are open at once. A process may have 1,024 files open where nobody changed that, and the database,
# the index and the connections to Discord are among them. Up to BACKLOG more are accepted in a step of the event loop.
CONNECTIONS = 256
BACKLOG = 128
IDLE_S = 75.0  # seconds without a request, or with the beginning of one only, after which a connection is closed


@asynccontextmanager
async def open_web(settings: WebSettings, routes: Iterable[web.RouteDef]) -> AsyncIterator[str]:
    """Answers until the block ends. Yields the base URL. `web.listen` must name an address.

    Raises Stop where the server cannot listen on the address.
    """
    host, port = listen_address(settings.listen)
    app = web.Application(
        middlewares=[
            answers(),
            known_hosts(settings.hosts),
            fair_share(PER_MINUTE, BURST, but=API),
            fair_share(API_PER_MINUTE, API_BURST, below=API),
            answer_preflights(settings.origins, API),
            deadline(LONGEST_S),
        ],
        client_max_size=REQUEST_BYTES,
    )
    app.on_response_prepare.append(add_headers)
    app.on_response_prepare.append(name_origins(settings.origins, API))
    app.add_routes(routes)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=IDLE_S,
        shutdown_timeout=SHUTDOWN_S,
        logger=_protocol_log(),
        max_line_size=LINE_BYTES,
    )
    await runner.setup()
    assert runner.server is not None, "it was set up"
    listening: asyncio.Server | None = None
    try:
        listener = _bound(host, port)
        connection = _bounded(runner.server)
        listening = await asyncio.get_running_loop().create_server(connection, sock=listener, backlog=BACKLOG)
        bound_host, bound_port = listener.getsockname()[:2]
        url = f"http://[{bound_host}]:{bound_port}" if ":" in bound_host else f"http://{bound_host}:{bound_port}"
        log.info("HTTP at %s: /healthz, /readyz, /metrics, /api/v1; the console is at %s/console", url, url)
        yield url
    finally:
        if listening is not None:
            listening.close()
        await runner.cleanup()


class _RefusedConnection(asyncio.Protocol):
    """A connection beyond CONNECTIONS: closed without an answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _bounded(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    """Makes the protocol of each connection, as aiohttp's `server` does, as long as there is room."""

    def connection() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < CONNECTIONS else _RefusedConnection()

    return connection


def _protocol_log() -> logging.Logger:
    """aiohttp's own log of its connections, without what is no HTTP: it would quote what a stranger sent."""
    protocol = logging.getLogger(f"{__name__}.protocol")
    if not protocol.filters:
        protocol.addFilter(_is_our_fault)
    return protocol


def _is_our_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError))


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Stop(
            f"web.listen: {host}, port {port} cannot be listened on ({error.strerror}); choose another, or end what"
            " listens there"
        ) from error
    return listener
