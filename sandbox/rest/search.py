"""Search over a guild's messages, with the gaps that Discord's own index has."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sandbox import errors
from sandbox.rest import search_query
from sandbox.rest.call import Call, Route, Status, guild_of
from sandbox.rest.search_query import HAS, SearchQuery
from sandbox.wire import guilds as guild_wire
from sandbox.wire import messages as wire
from sandbox.world import Channel, Embed, Guild, Message, Thread, World

if TYPE_CHECKING:
    from sandbox.rest.api import Api

_NOT_READY: Final = 110_000


def properties(message: Message) -> frozenset[str]:
    """Which of `has`'s values a message answers to."""
    found = set()
    if "http://" in message.content or "https://" in message.content:
        found.add("link")
    if message.embeds:
        found.add("embed")
    if message.stickers:
        found.add("sticker")
    if message.snapshot is not None:
        found.add("snapshot")
    for attachment in message.attachments:
        found.add("file")
        found.add((attachment.file.content_type or "").partition("/")[0].replace("audio", "sound"))
    for embed in message.embeds:
        shown = embed.image or embed.thumbnail if isinstance(embed, Embed) else embed.get("image")
        if shown:
            found.add("image")
        if isinstance(embed, Embed) and embed.video:
            found.add("video")
    return frozenset(found & set(HAS))


@dataclass(slots=True)
class Index:
    """`building`: how many searches are answered with 202 first. `unknown`: messages that are missing from the index.

    Discord promises no completeness. Put ids into `unknown` to test that nothing relies on it.
    """

    world: World
    building: int = 0
    unknown: set[int] = field(default_factory=set)
    _cache: dict[tuple[int, frozenset[str]], tuple[int, list[int]]] = field(default_factory=dict)

    def matching(self, channel: Channel, has: frozenset[str]) -> list[int]:
        """The ids of a channel's messages that have all of `has` ("-x": lack x), ascending."""
        kept = self._cache.get((channel.id, has))
        if kept is not None and kept[0] == channel.version:
            return kept[1]
        wanted = {value for value in has if not value.startswith("-")}
        unwanted = {value[1:] for value in has if value.startswith("-")}
        ids = []
        for message in channel.messages():
            own = properties(message) if has else frozenset[str]()
            if wanted <= own and not unwanted & own:
                ids.append(message.id)
        self._cache[channel.id, has] = (channel.version, ids)
        return ids


async def search(api: "Api", call: Call) -> Any:
    """GET /guilds/{guild_id}/messages/search. Raises ApiError 50001 without the MESSAGE_CONTENT intent."""
    guild = guild_of(api.world, call)
    if not api.world.application.message_content:
        raise errors.missing_access()
    query = search_query.parse(call)
    if api.search.building > 0:
        api.search.building -= 1
        body = {
            "message": "Index not yet available. Try again later", "code": _NOT_READY, "documents_indexed": 0,
            "retry_after": 0,
        }  # fmt: skip
        return Status(202, body)
    ids = [pair for channel in _channels(guild, query) for pair in _in_channel(api.search, channel, query)]
    ids.sort(key=lambda pair: pair[0], reverse=not query.ascending)
    if query.by_relevance:
        ids.sort(key=lambda pair: _distance(pair, query))
    page = [channel.message(i) for i, channel in ids[query.offset : query.offset + query.limit]]
    shown = [[wire.message(m, api.links) | {"hit": True}] for m in page if m is not None]
    found_in = {message.channel.id: message.channel for message in page if message is not None}
    threads = [channel for channel in found_in.values() if isinstance(channel, Thread)]
    me = guild.me
    return {
        "messages": shown,
        "doing_deep_historical_index": False,
        "total_results": len(ids),
        "threads": [guild_wire.channel(t, me) for t in threads],
        "members": [guild_wire.thread_member(t, me.id) for t in threads if me.id in t.member_ids],
    }


def _in_channel(index: Index, channel: Channel, query: SearchQuery) -> list[tuple[int, Channel]]:
    """The messages of one channel that match, by id."""
    found = index.matching(channel, query.has)
    start = 0 if query.low is None else bisect_right(found, query.low)
    end = len(found) if query.high is None else bisect_left(found, query.high)
    ids = (i for i in found[start:end] if i not in index.unknown)
    if query.plain:
        return [(i, channel) for i in ids]
    return [(i, channel) for i in ids if (message := channel.message(i)) is not None and query.matches(message)]


def _distance(pair: tuple[int, Channel], query: SearchQuery) -> int:
    message = pair[1].message(pair[0])
    return (query.distance(message) if message else None) or 0


def _channels(guild: Guild, query: SearchQuery) -> list[Channel]:
    """The requested channels (all, when none is named) that the bot may read and that the age restriction allows."""
    everything: list[Channel] = [*guild.channels.values(), *guild.threads.values()]
    if asked := query.channels:
        everything = [c for c in everything if c.id in asked or (isinstance(c, Thread) and c.parent.id in asked)]
        for channel in everything:
            if channel.id in asked and not channel.read_by(guild.me):
                raise errors.missing_access()
    return [c for c in everything if c.read_by(guild.me) and (query.adult or not c.adult)]


ROUTES: Final = (Route("GET", "/guilds/{guild_id}/messages/search", search),)
