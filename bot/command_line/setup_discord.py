"""What `afterimage setup` asks Discord: who the bot is, what is switched off, and in which server it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import discord
from discord.http import Route

from bot.config.values import Secret
from bot.gateway.refusals import DiscordRefused, invitation, refusals

ASK_S = 30.0  # discord.py tries again where the network fails; this bounds all of its tries together
WAIT_S = 600.0  # as long as a person may need to find the right server in the browser
LOOK_S = 3.0


@dataclass(frozen=True, slots=True)
class Bot:
    """An application as Discord knows it. `servers` counts those that the bot is in, about."""

    name: str
    application_id: int
    servers: int
    missing: tuple[str, ...]

    @property
    def invitation(self) -> str:
        return invitation(self.application_id)


async def who(token: Secret, api_base: str) -> Bot:
    """Asks Discord who the token belongs to. Raises DiscordRefused."""
    async with _logged_in(token, api_base) as client:
        application, user = client.application, client.user
        assert application is not None, "known from the login on"
        assert user is not None, "known from the login on"
        return Bot(str(user), application.id, application.approximate_guild_count, tuple(_missing(application)))


async def first_server(token: Secret, api_base: str) -> str | None:
    """Waits until the bot is in a server, at most WAIT_S seconds; returns the server's name, or None.

    A network that fails meanwhile is asked again. Raises DiscordRefused.
    """
    async with _logged_in(token, api_base) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while True:
                    with suppress(aiohttp.ClientConnectionError, discord.DiscordServerError):
                        async for server in client.fetch_guilds(limit=1, with_counts=False):
                            return server.name
                    await asyncio.sleep(LOOK_S)
    return None


@asynccontextmanager
async def _logged_in(token: Secret, api_base: str) -> AsyncIterator[discord.Client]:
    """discord.py without a gateway connection. Raises DiscordRefused."""
    Route.BASE = api_base.rstrip("/")  # discord.py has one address for the whole process
    async with discord.Client(intents=discord.Intents(guilds=True)) as client:
        try:
            async with asyncio.timeout(ASK_S):
                with refusals(api_base):
                    await client.login(token.reveal())
        except TimeoutError:
            raise DiscordRefused(
                f"{api_base} gave no answer within {ASK_S:.0f} s. Check the network (a proxy, a firewall), and"
                " discord.api_base."
            ) from None
        with refusals(api_base):
            yield client


def _missing(application: discord.AppInfo) -> list[str]:
    """What must be switched in the portal, and where."""
    page = f"https://discord.com/developers/applications/{application.id}/bot"
    found = []
    if not (application.flags.gateway_message_content or application.flags.gateway_message_content_limited):
        found.append(
            "Message Content Intent is off, so the bot would see no picture. Open"
            f" {page}, find Privileged Gateway Intents, switch on Message Content Intent, and save."
        )
    if application.bot_require_code_grant:
        found.append(
            f"Requires OAuth2 Code Grant is on, so the invitation would not work. Open {page}, switch it off, and save."
        )
    return found
