"""Guilds, their channels, roles and members."""

from typing import TYPE_CHECKING, Final

from sandbox import errors
from sandbox.checks import fields
from sandbox.rest.call import Call, Route, guild_of, member_of
from sandbox.wire import Json
from sandbox.wire import guilds as wire

if TYPE_CHECKING:
    from sandbox.rest.api import Api


async def guild(api: "Api", call: Call) -> Json:
    found = guild_of(api.world, call)
    counts = {"approximate_member_count": len(found.members), "approximate_presence_count": len(found.members)}
    return wire.guild(found) | (counts if call.flag("with_counts") else {})


async def channels(api: "Api", call: Call) -> list[Json]:
    """Every channel that the bot may view, threads apart."""
    found = guild_of(api.world, call)
    return [wire.channel(channel) for channel in found.channels.values() if channel.viewable_by(found.me)]


async def roles(api: "Api", call: Call) -> list[Json]:
    return [wire.role(role) for role in guild_of(api.world, call).roles.values()]


async def role(api: "Api", call: Call) -> Json:
    found = guild_of(api.world, call).roles.get(call.id("role_id"))
    if found is None:
        raise errors.ApiError(404, 10011, "Unknown Role")
    return wire.role(found)


async def member(api: "Api", call: Call) -> Json:
    return wire.member(member_of(guild_of(api.world, call), call.id("user_id")))


async def members(api: "Api", call: Call) -> list[Json]:
    """Members by id, `limit` at a time after `after`; needs the GUILD_MEMBERS intent."""
    found = guild_of(api.world, call)
    if not api.world.application.guild_members:
        raise errors.missing_access()
    limit = call.integer("limit", 1, 1, 1000)
    after = call.snowflake("after") or 0
    ids = sorted(user_id for user_id in found.members if user_id > after)[:limit]
    return [wire.member(found.members[user_id]) for user_id in ids]


async def search_members(api: "Api", call: Call) -> list[Json]:
    """Members by the beginning of their names."""
    found = guild_of(api.world, call)
    start = fields.text(call.text("query"), "query", 1, 100)
    return [wire.member(member) for member in found.members_named(start)[: call.integer("limit", 1, 1, 1000)]]


ROUTES: Final = (
    Route("GET", "/guilds/{guild_id}", guild),
    Route("GET", "/guilds/{guild_id}/channels", channels),
    Route("GET", "/guilds/{guild_id}/roles", roles),
    Route("GET", "/guilds/{guild_id}/roles/{role_id}", role),
    Route("GET", "/guilds/{guild_id}/members", members),
    Route("GET", "/guilds/{guild_id}/members/search", search_members),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", member),
)
