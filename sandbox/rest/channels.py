"""A channel, and what a bot does there besides messages."""

from typing import TYPE_CHECKING, Any, Final

from sandbox.permissions import Permission
from sandbox.rest.call import NOTHING, Call, Route, channel_of, need
from sandbox.wire import Json
from sandbox.wire import guilds as wire

if TYPE_CHECKING:
    from sandbox.rest.api import Api


async def channel(api: "Api", call: Call) -> Json:
    found = channel_of(api.world, call)
    return wire.channel(found, found.guild.me)


async def typing(api: "Api", call: Call) -> Any:
    need(channel_of(api.world, call), Permission.SEND_MESSAGES)
    return NOTHING


ROUTES: Final = (
    Route("GET", "/channels/{channel_id}", channel),
    Route("POST", "/channels/{channel_id}/typing", typing),
)
