"""The whole sandbox: one aiohttp server on loopback that acts as Discord, and the members who use it."""

import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from sandbox.cdn import Cdn
from sandbox.dispatch import Dispatch
from sandbox.faults import Faults
from sandbox.gateway import Gateway
from sandbox.interactions import Interactions
from sandbox.limits import Limits
from sandbox.links import DAY_S, Links
from sandbox.members import Person
from sandbox.page.routes import Page
from sandbox.record import Record
from sandbox.rest.api import PREFIX, Api
from sandbox.world import Guild, Member, User, World

_GATEWAY: Final = "/gateway"
_MOST_BODY: Final = 64 * 1024 * 1024  # bytes of one request: ten files of 6 MiB


class Sandbox:
    """A running sandbox. `open_sandbox` makes one."""

    def __init__(
        self, world: World, base: str, *,
        limits: Limits, faults: Faults, record: Record, link_ttl_s: float, strict_media: bool,
    ) -> None:  # fmt: skip
        self.world = world
        self.base_url = base
        self.limits = limits
        self.faults = faults
        self.record = record
        self.links = Links(base, secrets.token_bytes(32), world.clock.now_ms, link_ttl_s, strict_media)
        self.gateway = Gateway(world)
        self.gateway.url = base.replace("http", "ws", 1) + _GATEWAY
        self.interactions = Interactions(world)
        self.api = Api(world, self.links, self.gateway, self.interactions, limits=limits, faults=faults, record=record)
        self.cdn = Cdn(world, self.links, faults, record)
        self.dispatch = Dispatch(world, self.gateway, self.links)

    @property
    def api_base(self) -> str:
        """What the bot's `discord.api_base` must be."""
        return self.base_url + PREFIX

    @property
    def cdn_host(self) -> str:
        """host:port of the CDN and the media proxy, for the bot's `fetch.insecure_hosts`."""
        return self.base_url.partition("://")[2]

    @property
    def token(self) -> str:
        """The bot's token."""
        return self.world.application.token

    def member(self, who: int | User | Member, guild: Guild | None = None) -> Person:
        """A member with their app. `guild` is needed where the user is in several guilds. Raises LookupError."""
        if isinstance(who, Member):
            return Person(self, who)
        user_id = who.id if isinstance(who, User) else who
        for found in [guild] if guild else self.world.guilds.values():
            if user_id in found.members:
                return Person(self, found.members[user_id])
        raise LookupError(f"user {user_id} is in no guild")


@asynccontextmanager
async def open_sandbox(
    world: World,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits | None = None,
    faults: Faults | None = None,
    keep: int = 0,
    page: bool = False,
    link_ttl_s: float = DAY_S,
    strict_media: bool = False,
) -> AsyncIterator[Sandbox]:
    """Serve `world` until the context ends.

    `port` 0 takes a free one. `limits` (default: generous) and `faults` (default: none) may be changed while it runs.
    `keep`: how many REST exchanges `sandbox.record` keeps whole. `page`: serve the page for people at /. `link_ttl_s`:
    seconds until a CDN link expires. `strict_media`: components do not resolve unsigned links. Raises OSError when the
    port is taken.
    """
    app = web.Application(client_max_size=_MOST_BODY)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    # The port is known only after the socket is bound, and routes cannot be added after the start. So the socket is
    # bound first.
    listening = socket.create_server((host, port))
    bound_port = listening.getsockname()[1]
    sandbox = Sandbox(
        world, f"http://{host}:{bound_port}",
        limits=limits or Limits(), faults=faults or Faults(), record=Record(keep), link_ttl_s=link_ttl_s,
        strict_media=strict_media,
    )  # fmt: skip
    sandbox.api.add_to(app)
    sandbox.cdn.add_to(app)
    if page:
        Page(sandbox).add_to(app)
    app.router.add_get(_GATEWAY, sandbox.gateway.handle)
    app.router.add_get(_GATEWAY + "/", sandbox.gateway.handle)
    world.listen(sandbox.dispatch.heard)
    world.listen(sandbox.interactions.heard)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield sandbox
    finally:
        world.unlisten(sandbox.dispatch.heard)
        world.unlisten(sandbox.interactions.heard)
        await sandbox.gateway.drop()
        await runner.cleanup()
