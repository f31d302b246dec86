"""The indexer's `History` over discord.py's client: channels, threads and pages. Permissions are checked first."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import discord
from discord.http import Route

from bot.history.channel_access import ChannelAccess, Thread
from bot.history.granted import granted
from bot.history.hidden_channels import is_hidden_payload
from bot.history.message_parser import Payload, parse_message, shows_nothing
from bot.history.rest import UNKNOWN_MESSAGE, Pace, RequestBudget, Rest
from indexer.errors import ChannelClosed, RetryLater, TellPerson
from indexer.ports import PAGE, SearchPage
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import Channel, ChannelKind, Guild, Message

log = logging.getLogger(__name__)

# Channel types of API v10. Categories (4), directories (14) and direct messages (1, 3) hold no history of a server.
KINDS = {
    0: ChannelKind.TEXT,
    2: ChannelKind.VOICE,
    5: ChannelKind.ANNOUNCEMENT,
    10: ChannelKind.ANNOUNCEMENT_THREAD,
    11: ChannelKind.PUBLIC_THREAD,
    12: ChannelKind.PRIVATE_THREAD,
    13: ChannelKind.STAGE,
    15: ChannelKind.FORUM,
    16: ChannelKind.MEDIA,
}
# Discord refuses empty messages. If several messages all arrive empty, something removes their content.
EMPTY_PROOF = 3


class DiscordHistory:
    """The servers' history, read through `client`, which must be logged in and have its guild cache."""

    def __init__(
        self,
        client: discord.Client,
        *,
        stickers: bool = False,
        bots: bool = True,
        budget: RequestBudget | None = None,
        pace: Pace | None = None,
        sticker_cdn: str | None = None,
    ) -> None:
        self._client = client
        self._stickers = stickers
        self._bots = bots
        self._sticker_cdn = sticker_cdn or _sticker_cdn(Route.BASE)
        self.rest = Rest(client, budget, pace=pace)
        self._access = ChannelAccess(client, self.rest)

    async def guild(self, guild_id: GuildId) -> Guild:
        """The guild as the gateway shows it.
        Raises ChannelClosed where the bot is not in it, RetryLater in an outage.
        """
        guild = self._access.guild(guild_id)
        return Guild(guild_id, guild.name)

    async def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        """Every channel and thread whose history the bot may read now: channels, active threads, archived threads.

        Raises TellPerson where the Message Content intent is missing: without it every message would look empty.
        """
        guild = self._access.guild(guild_id)
        self._require_content()
        about = f"The channels of server {guild_id}"
        parents: dict[int, Channel] = {}
        for raw in await self.rest.get("/guilds/{guild_id}/channels", about=about, guild_id=guild_id):
            channel = _channel(raw, guild_id)
            if channel is None or is_hidden_payload(raw):
                continue
            if self._access.channel_closed(guild, channel.id) is None:
                parents[channel.id] = channel
        for channel in parents.values():
            yield channel
        seen: set[int] = set()
        active = await self.rest.get("/guilds/{guild_id}/threads/active", about=about, guild_id=guild_id)
        for thread in self._read_threads(active, guild, parents, seen):
            yield thread
        for parent in parents.values():
            async for thread in self._archived(guild, parent, parents, seen):
                yield thread

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        """See `History.page`.
        Raises RetryLater for an answer that does not fit the question (such as a repeated page).
        """
        if before is not None and after is not None:
            raise ValueError("a page lies before or after a message, not both")
        guild_id = await self._access.require_open(channel_id)
        params: dict[str, int] = {"limit": PAGE}
        if before is not None:
            params["before"] = before
        if after is not None:
            params["after"] = after
        about = f"History of channel {channel_id}"
        raws = await self.rest.get("/channels/{channel_id}/messages", params, about=about, channel_id=channel_id)
        if not raws:  # without the permission the page is empty: Discord sends no 403
            await self._access.require_open(channel_id)
        if len(raws) >= EMPTY_PROOF and _emptied(raws):
            raise TellPerson("history-no-content")
        messages = [self._message(raw, channel_id, guild_id) for raw in raws]
        messages.sort(key=lambda message: message.id, reverse=True)
        ids = [message.id for message in messages]
        fits = len(set(ids)) == len(ids) <= PAGE
        if ids and before is not None:
            fits = fits and ids[0] < before
        if ids and after is not None:
            fits = fits and ids[-1] > after
        if not fits:
            raise RetryLater(f"{about}: Discord answered with a page that was not asked for.")
        return messages

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        """See `History.message`."""
        guild_id = await self._access.require_open(channel_id)
        raw = await self.rest.get(
            "/channels/{channel_id}/messages/{message_id}",
            about=f"Message {message_id} of channel {channel_id}",
            absent=UNKNOWN_MESSAGE,
            channel_id=channel_id,
            message_id=message_id,
        )
        return None if raw is None else self._message(raw, channel_id, guild_id)

    async def search(
        self,
        guild_id: GuildId,
        channel_id: ChannelId | None,
        *,
        has: Sequence[str] = (),
        before: MessageId | None = None,
        limit: int = 25,
    ) -> SearchPage | None:
        """See `SearchableHistory.search`.
        Not available while Discord itself still indexes the server's old messages.
        """
        params: list[tuple[str, str]] = [
            ("sort_by", "timestamp"),
            ("sort_order", "desc"),
            ("include_nsfw", "true"),
            ("limit", str(limit)),
            *(("has", word) for word in has),
        ]
        if channel_id is not None:
            await self._access.require_open(channel_id)
            params.append(("channel_id", str(channel_id)))
        if before is not None:
            params.append(("max_id", str(before)))
        answer = await self.rest.get(
            "/guilds/{guild_id}/messages/search",
            params,
            about=f"Search of server {guild_id}",
            optional=True,
            guild_id=guild_id,
        )
        if answer is None or answer.get("doing_deep_historical_index") or "messages" not in answer:
            return None
        raws = [raw for group in answer["messages"] for raw in group]
        ids = [int(raw["id"]) for raw in raws]
        if before is not None and max(ids, default=0) > before:
            raise RetryLater(f"Search of server {guild_id}: Discord answered with a page that was not asked for.")
        messages = [
            self._message(raw, ChannelId(int(raw["channel_id"])), guild_id)
            for raw in raws
            if channel_id is None or int(raw["channel_id"]) == channel_id
        ]
        messages.sort(key=lambda message: message.id, reverse=True)
        lowest = MessageId(min(ids)) if ids else None
        return SearchPage(tuple(messages), int(answer.get("total_results") or 0), lowest)

    def parse(self, payload: Payload, guild_id: GuildId) -> Message:
        """A payload as a Message: the same result for a live payload and for one from history.

        Messages of the bot itself become ignored ones, and so do those of other bots where these are not wanted. A
        shared reply shows other members' pictures and words, and must not keep them after they were forgotten.
        """
        message = parse_message(payload, guild_id, stickers=self._stickers, sticker_cdn=self._sticker_cdn)
        if self._is_own(payload) or (message.by_bot and not self._bots):
            return replace(message, author_name="", content="", pictures=(), ignored=True)
        return message

    def _is_own(self, payload: Payload) -> bool:
        """Whether this bot, or a webhook of its application (an answer to a command), wrote the message."""
        own = self._client.user
        by_user = own is not None and int(payload["author"]["id"]) == own.id
        application_id = payload.get("application_id")
        return by_user or (application_id is not None and int(application_id) == self._client.application_id)

    async def close(self) -> None:
        """Waits for requests to end whose callers have left."""
        await self.rest.close()

    def _require_content(self) -> None:
        flags = self._client.application_flags
        switched_on = bool(flags) and (flags.gateway_message_content or flags.gateway_message_content_limited)
        if not switched_on or not self._client.intents.message_content:
            raise TellPerson("history-no-content")

    def _read_threads(
        self, answer: Mapping[str, Any], guild: discord.Guild, parents: Mapping[int, Channel], seen: set[int]
    ) -> list[Channel]:
        """The readable threads of one listing that were not seen before."""
        joined = {int(member["id"]) for member in answer.get("members", ()) if "id" in member}
        threads: list[Channel] = []
        for raw in answer["threads"]:
            channel = _channel(raw, GuildId(guild.id), parents)
            if channel is None or channel.parent_id is None or channel.id in seen or is_hidden_payload(raw):
                continue
            thread = self._access.remember(
                channel.id,
                Thread(guild.id, channel.parent_id, channel.kind is ChannelKind.PRIVATE_THREAD, channel.id in joined),
            )
            if channel.parent_id in parents and self._access.thread_closed(guild, channel.id, thread) is None:
                seen.add(channel.id)
                threads.append(channel)
        return threads

    async def _archived(
        self, guild: discord.Guild, parent: Channel, parents: Mapping[int, Channel], seen: set[int]
    ) -> AsyncIterator[Channel]:
        """Archived threads of a channel.
        Pages of public and private threads go by archive time, those of joined ones by thread id.
        """
        if parent.kind in (ChannelKind.VOICE, ChannelKind.STAGE):
            return
        listings = ["/channels/{channel_id}/threads/archived/public"]
        if parent.kind is ChannelKind.TEXT:
            cached = guild.get_channel(parent.id)
            may_manage = cached is not None and granted(cached, guild.me).manage_threads
            listings.append(
                "/channels/{channel_id}/threads/archived/private"
                if may_manage
                else "/channels/{channel_id}/users/@me/threads/archived/private"
            )
        for path in listings:
            before: str | None = None
            while True:
                params: dict[str, Any] = {"limit": PAGE} if before is None else {"limit": PAGE, "before": before}
                try:
                    answer = await self.rest.get(
                        path, params, about=f"Archived threads of channel {parent.id}", channel_id=parent.id
                    )
                except ChannelClosed as error:
                    log.info("skipping a list of archived threads: %s", error)
                    break
                for thread in self._read_threads(answer, guild, parents, seen):
                    yield thread
                raws = answer["threads"]
                if not answer.get("has_more") or not raws:
                    break
                last = raws[-1]
                following = str(last["id"]) if "@me" in path else str(last["thread_metadata"]["archive_timestamp"])
                if following == before:
                    raise RetryLater(f"Archived threads of channel {parent.id}: Discord repeated a page.")
                before = following

    def _message(self, raw: Payload, channel_id: ChannelId, guild_id: GuildId) -> Message:
        """One message. A message of an unknown shape gets no pictures, so that it does not stop the whole channel."""
        try:
            return self.parse(raw, guild_id)
        except (KeyError, TypeError, ValueError, AttributeError):
            log.warning("message %s of channel %s has a shape this bot does not know", raw.get("id"), channel_id)
            return Message(MessageId(int(raw["id"])), channel_id, guild_id, UserId(0), "")


def _sticker_cdn(api_base: str) -> str:
    """The address of stickers: Discord's CDN, or the sandbox that `api_base` names.
    Messages contain no address for them.
    """
    parts = urlsplit(api_base)
    return discord.Asset.BASE if parts.hostname == "discord.com" else f"{parts.scheme}://{parts.netloc}"


def _channel(raw: Payload, guild_id: GuildId, parents: Mapping[int, Channel] | None = None) -> Channel | None:
    """A channel or, with `parents`, a thread. A thread inherits its parent's age restriction."""
    kind = KINDS.get(raw.get("type", -1))
    if kind is None:
        return None
    parent_id = ChannelId(int(raw["parent_id"])) if kind.is_thread and raw.get("parent_id") else None
    parent = (parents or {}).get(parent_id) if parent_id is not None else None
    return Channel(
        id=ChannelId(int(raw["id"])),
        guild_id=guild_id,
        kind=kind,
        name=str(raw.get("name") or ""),
        parent_id=parent_id,
        age_restricted=bool(raw.get("nsfw")) or (parent is not None and parent.age_restricted),
        archived=bool((raw.get("thread_metadata") or {}).get("archived")),
    )


def _emptied(raws: Sequence[Payload]) -> bool:
    """True where every ordinary message of a page came empty, and the page had enough of them for a conclusion."""
    judged = [shows_nothing(raw) for raw in raws if _ordinary(raw)]
    return len(judged) >= EMPTY_PROOF and all(judged)


def _ordinary(raw: Payload) -> bool:
    """A person's message or reply that mentions nobody.
    It arrives empty if the intent is missing, and never otherwise.
    """
    exempt = (raw.get("author") or {}).get("bot") or raw.get("webhook_id") or raw.get("mentions")
    return raw.get("type", 0) in (0, 19) and not exempt
