"""Threads: the active ones of a guild, and the archived ones of a channel with their three different paging keys."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sandbox import errors
from sandbox.permissions import Permission
from sandbox.rest.call import NOTHING, Call, Route, channel_of, guild_of, need
from sandbox.wire import Json
from sandbox.wire import guilds as wire
from sandbox.world import Channel, ChannelKind, Thread

if TYPE_CHECKING:
    from sandbox.rest.api import Api

_PRIVATE: Final = ChannelKind.PRIVATE_THREAD


def _listed(threads: Sequence[Thread], has_more: bool | None) -> Json:
    me = threads[0].guild.me if threads else None
    found: Json = {
        "threads": [wire.channel(thread, me) for thread in threads],
        "members": [wire.thread_member(t, me.id) for t in threads if me is not None and me.id in t.member_ids],
    }
    return found if has_more is None else found | {"has_more": has_more}


async def active(api: "Api", call: Call) -> Json:
    """Every active thread that the bot may view, newest first."""
    guild = guild_of(api.world, call)
    found = [t for t in guild.threads.values() if not t.archived and t.seen_by(guild.me)]
    return _listed(sorted(found, key=lambda thread: -thread.id), False)


def _page(call: Call, threads: list[Thread], key: Callable[[Thread], int], before: int | None) -> Json:
    """Up to `limit` threads whose key is below `before`, highest first."""
    limit = call.integer("limit", 50, 2, 100)
    ordered = sorted((t for t in threads if before is None or key(t) < before), key=key, reverse=True)
    return _listed(ordered[:limit], len(ordered) > limit)


def _history(api: "Api", call: Call) -> Channel:
    channel = channel_of(api.world, call)
    if not channel.read_by(channel.guild.me):
        raise errors.missing_permissions()
    return channel


async def archived_public(api: "Api", call: Call) -> Json:
    """By archive time; announcement threads too."""
    channel = _history(api, call)
    found = [t for t in channel.threads() if t.archived and t.kind is not _PRIVATE]
    return _page(call, found, lambda thread: thread.archived_ms, call.time_ms("before"))


async def archived_private(api: "Api", call: Call) -> Json:
    """By archive time; needs MANAGE_THREADS too."""
    channel = _history(api, call)
    need(channel, Permission.MANAGE_THREADS)
    found = [t for t in channel.threads() if t.archived and t.kind is _PRIVATE]
    return _page(call, found, lambda thread: thread.archived_ms, call.time_ms("before"))


async def joined_archived_private(api: "Api", call: Call) -> Json:
    """By id: the private archived threads the bot is in."""
    channel = _history(api, call)
    me = channel.guild.me.id
    found = [t for t in channel.threads() if t.archived and t.kind is _PRIVATE and me in t.member_ids]
    return _page(call, found, lambda thread: thread.id, call.snowflake("before"))


def _thread(api: "Api", call: Call) -> Thread:
    found = channel_of(api.world, call)
    if not isinstance(found, Thread):
        raise errors.ApiError(400, 50024, "Cannot execute action on this channel type")
    return found


async def members(api: "Api", call: Call) -> list[Json]:
    """A thread's members; needs the GUILD_MEMBERS intent."""
    thread = _thread(api, call)
    if not api.world.application.guild_members:
        raise errors.missing_access()
    return [_member(thread, user_id, whole=call.flag("with_member")) for user_id in sorted(thread.member_ids)]


async def member(api: "Api", call: Call) -> Json:
    thread = _thread(api, call)
    asked = call.ids["user_id"]
    user_id = api.world.bot.id if asked == "@me" else call.id("user_id")
    if user_id not in thread.member_ids:
        raise errors.unknown_member()
    return _member(thread, user_id, whole=call.flag("with_member"))


def _member(thread: Thread, user_id: int, *, whole: bool) -> Json:
    found = wire.thread_member(thread, user_id)
    person = thread.guild.members.get(user_id)
    return found | {"member": wire.member(person)} if whole and person else found


async def join(api: "Api", call: Call) -> Any:
    thread = _thread(api, call)
    if thread.archived:
        raise errors.ApiError(400, 50083, "Thread is archived")
    thread.add_member(api.world.bot)
    return NOTHING


async def leave(api: "Api", call: Call) -> Any:
    _thread(api, call).remove_member(api.world.bot)
    return NOTHING


ROUTES: Final = (
    Route("GET", "/guilds/{guild_id}/threads/active", active),
    Route("GET", "/channels/{channel_id}/threads/archived/public", archived_public),
    Route("GET", "/channels/{channel_id}/threads/archived/private", archived_private),
    Route("GET", "/channels/{channel_id}/users/@me/threads/archived/private", joined_archived_private),
    Route("GET", "/channels/{channel_id}/thread-members", members),
    Route("PUT", "/channels/{channel_id}/thread-members/@me", join),
    Route("DELETE", "/channels/{channel_id}/thread-members/@me", leave),
    Route("GET", "/channels/{channel_id}/thread-members/{user_id}", member),
)
