"""One REST request, parsed, and the definition of a route."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohttp import BodyPartReader, web

from sandbox import errors
from sandbox.errors import ApiError, Invalid
from sandbox.permissions import Permission
from sandbox.wire import Json
from sandbox.world import Channel, File, Guild, Member, World

if TYPE_CHECKING:
    from sandbox.rest.api import Api

_MOST_UPLOAD: Final = 10 * 1024 * 1024  # bytes a file, in a guild without boosts
NOTHING: Final = object()
"""What a handler returns for 204 No Content."""


@dataclass(frozen=True, slots=True)
class Status:
    """An answer with a status other than 200."""

    code: int
    body: Any


Handler: TypeAlias = "Callable[[Api, Call], Awaitable[Any]]"


@dataclass(frozen=True, slots=True)
class Route:
    """`template` is the path as Discord's OpenAPI file spells it. `open`: needs no bot token (its path holds one)."""

    method: str
    template: str
    handler: Handler
    open: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


@dataclass(slots=True)
class Call:
    """A request: the ids of its path, its query, its JSON body and its files by number."""

    route: Route
    ids: dict[str, str]
    query: dict[str, list[str]]
    body: Any
    uploads: dict[int, File]
    multipart: bool

    def id(self, name: str) -> int:
        """An id of the path. Raises Invalid when it is no number."""
        return snowflake(self.ids[name], name)

    def json(self) -> Json:
        """The body, which must be an object. Raises Invalid."""
        if not isinstance(self.body, dict):
            raise ApiError(400, 50109, "The request body contains invalid JSON.")
        return self.body

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A number of the query. Raises Invalid when it is none or outside `low` to `high`."""
        text = self.text(name)
        if text is None:
            return default
        if not text.lstrip("-").isdecimal():
            raise Invalid(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not int.')
        if not low <= int(text) <= high:
            raise Invalid(name, "NUMBER_TYPE_MAX", f"int value should be between {low} and {high}.")
        return int(text)

    def snowflake(self, name: str) -> int | None:
        """An id of the query, None when it is not there."""
        text = self.text(name)
        return None if text is None else snowflake(text, name)

    def time_ms(self, name: str) -> int | None:
        """An ISO 8601 time of the query in Unix milliseconds. Raises Invalid."""
        text = self.text(name)
        if text is None:
            return None
        try:
            # A "+" that was not escaped arrives as a space.
            return round(datetime.fromisoformat(text.replace(" ", "+")).timestamp() * 1000)
        except ValueError as error:
            raise Invalid(name, "DATE_TIME_TYPE_PARSE", f"Could not parse {text}. Should be ISO8601.") from error

    def text(self, name: str) -> str | None:
        """The last value of a query key."""
        values = self.query.get(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        """A boolean of the query."""
        return (self.text(name) or "").lower() in ("1", "true")


def snowflake(text: str, field: str) -> int:
    """An id from text. Raises Invalid."""
    if not text.isdecimal() or int(text) >= 1 << 63:
        raise Invalid(field, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
    return int(text)


async def parse(route: Route, request: web.Request) -> Call:
    """Read a request. Raises ApiError for a body that is not what its header says, or too large."""
    body: Any = None
    uploads: dict[int, File] = {}
    multipart = request.content_type == "multipart/form-data"
    if multipart:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise ApiError(400, 50109, "A part of the body is itself in parts.")
            if part.name == "payload_json":
                body = _load(await part.read())
            elif part.name and part.name.startswith("files["):
                data = bytes(await part.read())
                if len(data) > _MOST_UPLOAD:
                    raise ApiError(413, 40005, "Request entity too large")
                uploads[int(part.name[6:-1])] = File.of(part.filename or "unknown", data)
    elif request.can_read_body:
        body = _load(await request.read())
    query: dict[str, list[str]] = {}
    for key, value in request.query.items():
        query.setdefault(key, []).append(value)
    return Call(route, dict(request.match_info), query, body, uploads, multipart)


def _load(data: bytes | bytearray) -> Any:
    try:
        return json.loads(data) if data else None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from error


# What the bot may access


def guild_of(world: World, call: Call) -> Guild:
    """The guild of the path. Raises ApiError 10004 unless the bot is in it."""
    guild = world.guilds.get(call.id("guild_id"))
    if guild is None or not guild.has_bot:
        raise errors.unknown_guild()
    return guild


def channel_of(world: World, call: Call) -> Channel:
    """The channel of the path. Raises ApiError 10003, or 50001 where the bot may not view it."""
    channel = world.find_channel(call.id("channel_id"))
    if channel is None or not channel.guild.has_bot:
        raise errors.unknown_channel()
    if not channel.seen_by(channel.guild.me):
        raise errors.missing_access()
    return channel


def member_of(guild: Guild, user_id: int) -> Member:
    """A member by id. Raises ApiError 10007, or 10013 for nobody at all."""
    member = guild.members.get(user_id)
    if member is None:
        raise errors.unknown_member() if user_id in guild.world.users else errors.unknown_user()
    return member


def need(channel: Channel, permission: Permission) -> None:
    """Raise ApiError 50013 where the bot lacks `permission`."""
    if channel.allows(channel.guild.me) & permission != permission:
        raise errors.missing_permissions()
