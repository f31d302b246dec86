"""An unmodified discord.py client that is logged in to a sandbox."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import discord
import pytest
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from PIL import Image

from sandbox.server import Sandbox
from tests.worlds.waiting import DEADLINE_S


class Bot(discord.AutoShardedClient):
    """A bare client with a command tree. What it hears is in `heard`.

    Auto-sharded, since only that asks /gateway/bot where the gateway is.
    """

    def __init__(self, intents: discord.Intents) -> None:
        super().__init__(intents=intents, guild_ready_timeout=0.2)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[tuple[str, object]] = []

    async def setup_hook(self) -> None:
        await self.tree.sync()

    def dispatch(self, event: str, /, *args: object, **kwargs: object) -> None:
        self.heard.append((event, args[0] if args else None))
        super().dispatch(event, *args, **kwargs)

    async def hears(self, event: str) -> object:
        """What the next or an earlier event of that name brought."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for name, what in self.heard:
                    if name == event:
                        return what
                await asyncio.sleep(0.01)


Connect = Callable[..., AbstractAsyncContextManager[Bot]]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """`async with connect(sandbox, setup) as bot`: `setup(bot)` adds commands before it logs in."""

    @asynccontextmanager
    async def run(
        sandbox: Sandbox, setup: Callable[[Bot], None] | None = None, intents: discord.Intents | None = None
    ) -> AsyncIterator[Bot]:
        monkeypatch.setattr(discord.http.Route, "BASE", sandbox.api_base)
        # After an invalidated session discord.py goes to this address whatever server it came from.
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(sandbox.gateway.url))
        wanted = intents or discord.Intents(guilds=True, guild_messages=True, message_content=True)
        async with Bot(wanted) as bot:
            if setup is not None:
                setup(bot)
            running = asyncio.create_task(bot.start(sandbox.token))
            try:
                ready = asyncio.create_task(bot.hears("ready"))
                await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    ready.cancel()
                    running.result()
                yield bot
            finally:
                await bot.close()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    return run


def picture(size: tuple[int, int] = (96, 64), colour: str = "red", kind: str = "PNG") -> bytes:
    """A plain picture's bytes."""
    held = io.BytesIO()
    Image.new("RGB", size, colour).save(held, kind)
    return held.getvalue()
