"""A bot that has read two servers, and answers HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from bot.config.tables import WebSettings
from bot.observability.health import Beat
from bot.web.api.admission import Admission
from bot.web.operator import Operator
from bot.web.server import open_web
from indexer.records.api_keys import KeyScope
from indexer.records.ids import GuildId
from indexer.service import Service
from sandbox.world import Channel, Guild
from tests.worlds.running_bot import Running, Town, config_for, indexed, noise, town, with_auto_start

READ, WRITE, ADMIN = KeyScope.READ, KeyScope.WRITE, KeyScope.ADMIN


@dataclass
class ApiWorld:
    """`elsewhere` is another server, with nobody and nothing of the town. Keys are made once and kept."""

    url: str
    http: aiohttp.ClientSession
    bot: Running
    place: Town
    elsewhere: Guild
    hidden: Channel
    admission: Admission
    made: dict[tuple[KeyScope, int | None], str]

    @property
    def service(self) -> Service:
        return self.bot.service

    @property
    def town(self) -> str:
        """The path of the town."""
        return f"/api/v1/guilds/{self.place.guild.id}"

    async def key(self, scope: KeyScope = READ, guild: Guild | None = None) -> str:
        which = (scope, None if guild is None else guild.id)
        if which not in self.made:
            guild_id = None if guild is None else GuildId(guild.id)
            _, self.made[which] = await self.service.api_keys.create(f"{scope} of a test", scope, guild_id=guild_id)
        return self.made[which]

    async def fresh_key(self, scope: KeyScope) -> str:
        """A key that has asked for nothing: for a request that does not wait until a key may ask again."""
        return (await self.service.api_keys.create(f"{scope} of one test", scope, guild_id=None))[1]

    async def ask(
        self, path: str, *, key: str | None = None, method: str = "GET", status: int = 200, **options: Any
    ) -> Any:
        """The JSON of an answer that must have this status. `key`: one that may read everything where none is given.

        Whoever waits for a condition asks more often than a key may, so this waits as it is told.
        """
        headers = {"Authorization": f"Bearer {key or await self.key()}", **options.pop("headers", {})}
        while True:
            async with self.http.request(method, self.url + path, headers=headers, **options) as response:
                found = await response.json()
                if response.status != HTTPStatus.TOO_MANY_REQUESTS:
                    assert response.status == status, found
                    return found
            await asyncio.sleep(found["error"]["details"]["retry_after_s"])


def beat() -> Beat:
    return Beat(serving=True, shards=1, latency_ms=40.0)


@asynccontextmanager
async def served(bot: Running) -> AsyncIterator[tuple[str, aiohttp.ClientSession, Admission]]:
    """The HTTP side of a bot that runs in this process, and its line of questions."""
    archives = bot.data_dir.with_name("archives")
    archives.mkdir(exist_ok=True)
    web = WebSettings(listen="127.0.0.1:0", archives=archives, upload_bytes=64_000_000)
    operator = Operator(replace(config_for(bot.sandbox, bot.data_dir), web=web), "1.2.3", beat)
    operator.service = bot.service
    async with (
        open_web(web, operator.routes()) as url,
        operator.serving(bot.service),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield url, http, operator._api.admission


@asynccontextmanager
async def api_world(folder: Path) -> AsyncIterator[ApiWorld]:
    """Two servers, read by a bot that answers HTTP until the block ends."""
    place = town()
    stranger = place.world.user("zora", "Zora Stranger")
    elsewhere = place.world.guild("Elsewhere Society", stranger)
    hidden = elsewhere.channel("their-attic")
    for at in range(3):
        hidden.post(stranger, f"heirloom {at}", files=[noise(2000 + at)])
    async with indexed(place, folder, change=with_auto_start) as bot:
        await bot.indexed(elsewhere)
        async with served(bot) as (url, http, admission):
            yield ApiWorld(url, http, bot, place, elsewhere, hidden, admission, {})
