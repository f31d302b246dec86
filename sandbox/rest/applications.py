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
    starts = api.gateway.starts
    return {"url": api.gateway.url, "shards": starts.shards, "session_start_limit": starts.limit()}


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
    joined = sum(guild.has_bot for guild in world.guilds.values())
    return wire.application(world.application, world.bot, owner, joined)


def _scope(api: "Api", call: Call) -> int | None:
    """The owner of the commands: a guild, or everybody (None). Raises ApiError for another application's commands."""
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
    """Bulk overwrite. A command keeps its id when type and name stay, or when the request names the id."""
    scope = _scope(api, call)
    wanted = commands.check_all(call.body)
    before = api.commands.get(scope, [])
    free = {found["id"] for found in before}
    by_key = {commands.key(found): found["id"] for found in before}
    made = []
    for command in wanted:
        named = str(command.get("id"))
        command_id = named if named in free else by_key.get(commands.key(command))
        made.append(_registered(api, scope, command, command_id if command_id in free else None))
        free.discard(made[-1]["id"])
    api.commands[scope] = made
    return made


async def create_command(api: "Api", call: Call) -> Status:
    """A new command. It replaces the command with the same type and name."""
    scope = _scope(api, call)
    command = call.json()
    commands.check(command, "")
    before = api.commands.get(scope, [])
    same = [found for found in before if commands.key(found) == commands.key(command)]
    others = [found for found in before if found not in same]
    commands.check_all([*others, command])
    made = _registered(api, scope, command, same[0]["id"] if same else None)
    api.commands[scope] = [*others, made]
    return Status(200 if same else 201, made)


def _registered(api: "Api", scope: int | None, command: Json, command_id: str | None) -> Json:
    version = api.world.ids.make()
    return commands.registered(
        command, command_id=int(command_id or version), version=version,
        application_id=api.world.application.id, guild_id=scope,
    )  # fmt: skip


def _find(api: "Api", call: Call) -> Json:
    for command in api.commands.get(_scope(api, call), []):
        if command["id"] == call.ids["command_id"]:
            return command
    raise errors.unknown_command()


async def get_command(api: "Api", call: Call) -> Json:
    return _find(api, call)


async def edit_command(api: "Api", call: Call) -> Json:
    """Changes what the request names. A command never changes its type."""
    scope, command = _scope(api, call), _find(api, call)
    changed = command | call.json() | {"type": command["type"]}
    commands.check(changed, "")
    commands.check_all([changed if found is command else found for found in api.commands[scope]])
    made = _registered(api, scope, changed, command["id"])
    api.commands[scope] = [made if found is command else found for found in api.commands[scope]]
    return made


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
