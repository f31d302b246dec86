"""The reasons why Discord does not accept the bot, one sentence each for its operator; and the invitation link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from indexer.errors import Stop

NO_MESSAGE_CONTENT = (
    "Discord does not give this bot the content of messages, so it would see no picture. Open"
    " https://discord.com/developers/applications, choose the application, then Bot, switch on Message Content Intent,"
    " and start the bot again. (Bots in 10,000 users' servers or more need Discord's review for it.)"
)

REFUSED_LOGIN = (
    "Discord does not accept the token. Make a new one on the Bot page of"
    " https://discord.com/developers/applications and put it where the old one is."
)


# By Discord's close code.
SHARDS_REFUSED = {
    4010: "Discord does not take these shards: correct discord.shards, and start the bot again.",
    4011: (
        "Discord wants more shards: 2,500 servers belong to one at most. Give discord.shards a larger number of shards,"
        " the same in all processes of the bot (docs/fleet.md), and start them again."
    ),
}


class DiscordRefused(Stop):
    """Discord does not accept the bot as it is configured. The message says what is missing and where to correct it."""


@contextmanager
def refusals(api_base: str) -> Iterator[None]:
    """Converts discord.py's errors into DiscordRefused. `api_base` is the address that was tried."""
    try:
        yield
    except discord.LoginFailure as error:
        raise DiscordRefused(REFUSED_LOGIN) from error
    except discord.PrivilegedIntentsRequired as error:
        raise DiscordRefused(NO_MESSAGE_CONTENT) from error
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise DiscordRefused(
            f"{api_base} cannot be reached ({error}). Check the network, and discord.api_base."
        ) from error
    except discord.ConnectionClosed as error:
        if error.code in SHARDS_REFUSED:
            raise DiscordRefused(SHARDS_REFUSED[error.code]) from error
        raise DiscordRefused(
            f"Discord closed the connection for good (code {error.code}). Start the bot again; if that does not"
            " help, look the code up among Discord's gateway close codes."
        ) from error
    except (discord.HTTPException, discord.GatewayNotFound) as error:
        raise DiscordRefused(
            f"Discord does not work as it should ({error}). Look at its status page, and start the bot again later."
        ) from error


def invitation(application_id: int | None) -> str:
    """The address where a manager of a server can invite the bot. It asks only for permissions that the bot uses."""
    assert application_id is not None, "known from the login on"
    rights = discord.Permissions(
        view_channel=True, read_message_history=True, send_messages=True, send_messages_in_threads=True
    )
    return discord.utils.oauth_url(application_id, permissions=rights, scopes=("bot", "applications.commands"))
