"""The bot writes to single users."""

from typing import TYPE_CHECKING, Final

from sandbox import errors
from sandbox.checks import messages as checks
from sandbox.rest.call import Call, Route, snowflake
from sandbox.snowflakes import ms
from sandbox.wire import Json
from sandbox.wire import direct as wire
from sandbox.world import World
from sandbox.world.direct import DirectChannel, DirectMessage

if TYPE_CHECKING:
    from sandbox.rest.api import Api

NONCE_MS: Final = 5 * 60 * 1000
"""For how long Discord knows a nonce again: "the past few minutes"."""


async def open_channel(api: "Api", call: Call) -> Json:
    """The conversation with a user: a new one, or the one there is. It is given whether or not messages arrive."""
    world = api.world
    user_id = snowflake(str(call.json().get("recipient_id")), "recipient_id")
    user = world.users.get(user_id)
    if user is None or user is world.bot:
        raise errors.invalid_recipients()
    if user_id not in world.direct:
        world.direct[user_id] = DirectChannel(world.ids.make(), user)
    return wire.direct_channel(world.direct[user_id])


def find(world: World, channel_id: int) -> DirectChannel | None:
    """The conversation with this id."""
    return next((channel for channel in world.direct.values() if channel.id == channel_id), None)


def send(world: World, channel: DirectChannel, call: Call) -> Json:
    """The bot posts. Raises ApiError 50007 where the user takes no messages, or shares no server with the bot."""
    body = checks.check(call.json(), call.uploads)
    user_id = channel.recipient.id
    shared = any(guild.has_bot and user_id in guild.members for guild in world.guilds.values())
    if user_id in world.closed_to_messages or not shared:
        raise errors.closed_to_messages()
    since_ms = world.clock.now_ms() - NONCE_MS
    if body.nonce is not None and call.json().get("enforce_nonce"):
        for sent in channel.messages:
            if sent.nonce == body.nonce and ms(sent.id) > since_ms:
                return wire.direct_message(sent, channel, world.bot)
    message = DirectMessage(world.ids.make(), body.content or "", body.nonce)
    channel.messages.append(message)
    return wire.direct_message(message, channel, world.bot)


ROUTES: Final = (Route("POST", "/users/@me/channels", open_channel),)
