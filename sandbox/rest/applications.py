"""The bot's account, its application, the gateway's address, and its commands."""

from typing import TYPE_CHECKING, Any, Final

from sandbox import errors
from sandbox.checks import commands
from sandbox.rest.call import NOTHING, Call, Route, Status
from sandbox.wire import Json
from sandbox.wire import guilds as wire

if TYPE_CHECKING:
    from sandbox.rest.api import Api


async def gateway(api: "Api", call: Call) -> Json:
    return {"url": api.gateway.url}


async def gateway_bot(api: "Api", call: Call) -> Json:
    limit = {"total": 1000, "remaining": max(0, 1000 - api.gateway.identified), "reset_after": 0, "max_concurrency": 1}
    return {"url": api.gateway.url, "shards": 1, "session_start_limit": limit}


async def me(api: "Api", call: Call) -> Json:
    return wire.own_user(api.world.bot)


async def user(api: "Api", call: Call) -> Json:
    found = api.world.users.get(call.id("user_id"))
    if found is None:
        raise errors.unknown_user()
    return wire.user(found)


async def my_guilds(api: "Api", call: Call) -> list[Json]:
    joined = [guild for guild in api.world.guilds.values() if guild.has_bot]
    return [
        {
            "id": str(guild.id), "name": guild.name, "icon": None, "banner": None, "owner": False,
            "permissions": str(int(guild.me.permissions())), "features": [],
        }
        for guild in joined
    ]  # fmt: skip


async def application(api: "Api", call: Call) -> Json:
    """The application; its owner is the first guild's."""
    world = api.world
    owner = next((guild.owner for guild in world.guilds.values()), world.bot)
    return wire.application(world.application, world.bot, owner, len(world.guilds))


def _scope(api: "Api", call: Call) -> int | None:
    """Whose commands: a guild's, or everybody's (None). Raises ApiError for another application's."""
    if call.id("application_id") != api.world.application.id:
        raise errors.ApiError(403, 20012, "You are not authorized to perform this action on this application")
    if "guild_id" not in call.ids:
        return None
    guild = api.world.guilds.get(call.id("guild_id"))
    if guild is None or not guild.has_bot:
        raise errors.missing_access()
    return guild.id


async def list_commands(api: "Api", call: Call) -> list[Json]:
    return api.commands.get(_scope(api, call), [])


async def set_commands(api: "Api", call: Call) -> list[Json]:
    """Bulk overwrite. A command that keeps type and name keeps its id."""
    scope = _scope(api, call)
    old = {(found["type"], found["name"]): int(found["id"]) for found in api.commands.get(scope, [])}
    found = []
    for command in commands.check_all(call.body):
        key = (command.get("type") or commands.CHAT_INPUT, command["name"])
        found.append(_registered(api, scope, command, old.get(key)))
    api.commands[scope] = found
    return found


async def create_command(api: "Api", call: Call) -> Status:
    scope = _scope(api, call)
    command = call.json()
    commands.check(command, "")
    key = (command.get("type") or commands.CHAT_INPUT, command["name"])
    before = api.commands.get(scope, [])
    others = [found for found in before if (found["type"], found["name"]) != key]
    made = _registered(api, scope, command, None)
    api.commands[scope] = [*others, made]
    return Status(201 if len(others) == len(before) else 200, made)


def _registered(api: "Api", scope: int | None, command: Json, command_id: int | None) -> Json:
    return commands.registered(
        command, command_id=command_id or api.world.ids.make(), application_id=api.world.application.id, guild_id=scope
    )


def _find(api: "Api", call: Call) -> Json:
    for command in api.commands.get(_scope(api, call), []):
        if command["id"] == call.ids["command_id"]:
            return command
    raise errors.unknown_command()


async def get_command(api: "Api", call: Call) -> Json:
    return _find(api, call)


async def edit_command(api: "Api", call: Call) -> Json:
    scope, command = _scope(api, call), _find(api, call)
    changed = command | call.json()
    commands.check(changed, "")
    permissions = changed["default_member_permissions"]
    changed["default_member_permissions"] = None if permissions is None else str(permissions)
    api.commands[scope][api.commands[scope].index(command)] = changed
    return changed


async def delete_command(api: "Api", call: Call) -> Any:
    scope, command = _scope(api, call), _find(api, call)
    api.commands[scope].remove(command)
    return NOTHING


_GLOBAL: Final = "/applications/{application_id}/commands"
_OF_GUILD: Final = "/applications/{application_id}/guilds/{guild_id}/commands"
ROUTES: Final = (
    Route("GET", "/gateway", gateway, open=True),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", "/users/@me", me),
    Route("GET", "/users/@me/guilds", my_guilds),
    Route("GET", "/users/{user_id}", user),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/applications/@me", application),
    Route("GET", "/applications/{application_id}", application),
    *(
        route
        for base in (_GLOBAL, _OF_GUILD)
        for route in (
            Route("GET", base, list_commands),
            Route("PUT", base, set_commands),
            Route("POST", base, create_command),
            Route("GET", base + "/{command_id}", get_command),
            Route("PATCH", base + "/{command_id}", edit_command),
            Route("DELETE", base + "/{command_id}", delete_command),
        )
    ),
)
