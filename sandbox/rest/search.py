"""Search over a guild's messages, with the gaps Discord's own index has."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sandbox import errors
from sandbox.errors import Invalid
from sandbox.rest.call import Call, Route, Status, guild_of, snowflake
from sandbox.wire import guilds as guild_wire
from sandbox.wire import messages as wire
from sandbox.world import Channel, Embed, Message, Thread, World

if TYPE_CHECKING:
    from sandbox.rest.api import Api

HAS: Final = ("link", "embed", "file", "image", "video", "sound", "sticker", "poll", "snapshot")
_NOT_READY: Final = 110_000
_MOST_CHANNELS: Final = 500


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
    """`building`: how many searches are still answered 202 first. `unknown`: messages it does not know of.

    Discord promises no completeness: put ids into `unknown` to test that nobody relies on it.
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
    limit = call.integer("limit", 25, 1, 25)
    offset = call.integer("offset", 0, 0, 9975)
    low, high = call.snowflake("min_id"), call.snowflake("max_id")
    has = frozenset(call.query.get("has", ()))
    for value in has:
        if value.removeprefix("-") not in HAS:
            raise Invalid("has", "BASE_TYPE_CHOICES", f"Value must be one of {HAS}.")
    if api.search.building > 0:
        api.search.building -= 1
        body = {
            "message": "Index not yet available. Try again later", "code": _NOT_READY, "documents_indexed": 0,
            "retry_after": 0,
        }  # fmt: skip
        return Status(202, body)
    channels = _channels(api, call, guild.me.guild.id)
    authors = {snowflake(value, "author_id") for value in call.query.get("author_id", ())}
    words = (call.text("content") or "").lower().split()
    ids: list[tuple[int, Channel]] = []
    for channel in channels:
        found = api.search.matching(channel, has)
        start = 0 if low is None else bisect_right(found, low)
        end = len(found) if high is None else bisect_left(found, high)
        ids += [(i, channel) for i in found[start:end] if i not in api.search.unknown]
    if authors or words:
        ids = [(i, c) for i, c in ids if _matches(c.message(i), authors, words)]
    newest = call.text("sort_order") != "asc"
    ids.sort(key=lambda pair: pair[0], reverse=newest)
    page = [channel.message(i) for i, channel in ids[offset : offset + limit]]
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


def _channels(api: "Api", call: Call, guild_id: int) -> list[Channel]:
    """Those asked for (all, when none is), as far as the bot may read them and the age restriction lets it."""
    guild = api.world.guilds[guild_id]
    named = call.query.get("channel_id", [])
    if len(named) > _MOST_CHANNELS:
        raise Invalid("channel_id", "BASE_TYPE_MAX_LENGTH", "Must be 500 or fewer in length.")
    everything = [*guild.channels.values(), *guild.threads.values()]
    if named:
        asked = {snowflake(value, "channel_id") for value in named}
        everything = [c for c in everything if c.id in asked or (isinstance(c, Thread) and c.parent.id in asked)]
        for channel in everything:
            if channel.id in asked and not channel.read_by(guild.me):
                raise errors.missing_access()
    adult = call.flag("include_nsfw")
    return [c for c in everything if c.read_by(guild.me) and (adult or not c.adult)]


def _matches(message: Message | None, authors: set[int], words: list[str]) -> bool:
    if message is None or (authors and message.author.id not in authors):
        return False
    return all(word in message.content.lower() for word in words)


ROUTES: Final = (Route("GET", "/guilds/{guild_id}/messages/search", search),)
