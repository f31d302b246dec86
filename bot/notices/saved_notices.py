"""Tells members of new pictures that fit their saved searches.

Both steps work with the member's rights at that moment. *Matching* takes new pictures, a few at a time, and asks each
saved search that one of them may fit, as `/saved run` would, for what is new alone. *Telling* sends a member what has
gathered, at most so often. Both are stored step by step: a restart goes on where it was, and a notice that was sent but
not recorded is known to Discord by its nonce.

Nobody learns here of a picture that they may not see. A notice in a channel names only what everybody who reads that
channel may see too; what else fits, its member finds with `/saved run`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

import discord

from bot.commands.query_scope import Asker, asker_in
from bot.commands.saved_question import saved_question
from bot.links import jump_link
from bot.notices.absent_members import AbsentMembers
from bot.notices.posting import Notice, send
from bot.permissions.posting import refusal
from bot.permissions.shared_audience import shared_channels
from bot.permissions.thread_members import ThreadMembers
from bot.replies.escape import escaped
from bot.texts import Language, translate
from indexer.clock import now_ms
from indexer.errors import RetryLater, Stop, TellPerson
from indexer.notices.saved_notices import Looked
from indexer.notices.saved_searches import NAME_CHARACTERS
from indexer.query.query import Query, Stages
from indexer.records.hits import Place
from indexer.records.ids import ChannelId, GuildId, UserId, snowflake_ms
from indexer.records.saved_searches import Telling
from indexer.search.new_matches import Bar, is_match
from indexer.service import Service
from indexer.supervisor import contained

logger = logging.getLogger(__name__)

NAME: Final = "saved search notices"  # of this work among the faults
LINKS: Final = 10  # in one notice
SERVER_CHARACTERS: Final = 60


class SavedSearchNotices:
    """Belongs to one event loop; `round` is run again and again (rounds.py). `minutes` are those between two notices of
    one search.
    """

    def __init__(
        self,
        client: discord.Client,
        service: Service,
        members: AbsentMembers,
        threads: ThreadMembers,
        minutes: float,
    ) -> None:
        self._client = client
        self._service = service
        self._members = members
        self._threads = threads
        self.pause_ms = round(minutes * 60_000)
        self._noted = service.saved_notices

    async def round(self) -> bool:
        """Looks once, and tells who is due. False where something failed: it is tried again in the next round."""
        failed = 0
        for guild_id in await self._noted.new.guilds():
            with contained(NAME, self._service.faults) as attempt:
                await self._match(guild_id)
            failed += attempt.failed
        for saved_id in await self._noted.due(now_ms() - self.pause_ms):
            with contained(NAME, self._service.faults) as attempt:
                await self._tell(saved_id)
            failed += attempt.failed
        return not failed

    async def _match(self, guild_id: GuildId) -> None:
        """Deals with the oldest new pictures of the server. Raises RetryLater."""
        guild = self._client.get_guild(guild_id)
        pictures = await self._noted.new.oldest(guild_id)
        if guild is None or not pictures:
            return
        model_id = (await self._service.searcher.of(guild_id)).model_id
        candidates = await self._noted.worth_a_look(guild_id, pictures, model_id)
        looked: list[Looked] = []
        for user_id, tellings in groupby(candidates, lambda telling: telling.user_id):
            member = await self._members.get(guild, user_id)
            if member is None:
                await self._noted.member_left(user_id, guild_id)
                continue
            for telling in tellings:
                asker = await self._asker(member, telling)
                try:
                    looked.append(await self._look(asker, telling, len(pictures)))
                except TellPerson as error:  # it names something that is not there for this member now
                    logger.debug("saved search %d asks for nothing now: %s", telling.saved_id, error)
                except (RetryLater, Stop):  # the model or the database is away: all of it again, later
                    raise
                except Exception as error:  # noqa: BLE001 -- one search must not keep the others from being looked at
                    self._service.faults.add(NAME, error)
        await self._noted.store(pictures, looked)

    async def _asker(self, member: discord.Member, telling: Telling) -> Asker:
        """The member with their rights now, asking from nowhere. Raises RetryLater."""
        return await asker_in(self._service, self._threads, member, Language(telling.notice.language), None)

    async def _look(self, asker: Asker, telling: Telling, most: int) -> Looked:
        """Asks the search for what is new, of which there are `most`. Raises TellPerson where it cannot be asked,
        RetryLater.
        """
        searcher = await self._service.searcher.of(asker.guild_id)
        asked = await saved_question(self._service, asker, telling.search)
        query = asked.query
        if asked.outdated and query.filters_only:
            return Looked(telling.saved_id, (), searcher.model_id, None)
        not_authors = query.filter.not_authors | {asker.user_id}
        query = replace(query, filter=replace(query.filter, not_authors=not_authors))
        bar = Bar() if query.filters_only else await self._service.searcher.bar(query)
        fitting = await self._fitting(query, bar, telling, most)
        return Looked(telling.saved_id, [place.place_id for place in fitting], searcher.model_id, bar.gate)

    async def _fitting(self, query: Query, bar: Bar, telling: Telling, most: int) -> list[Place]:
        """The new places that fit."""
        first_ms = min(snowflake_ms(place.message_id) for place in telling.places)
        after_ms = max(first_ms, query.filter.after_ms or 0)
        # Nobody waits for an order here, so no second model is woken for one.
        query = replace(query, filter=replace(query.filter, after_ms=after_ms), count=2 * most, stages=Stages.FIRST)
        result = await self._service.searcher.search(query)
        hits = [hit for hit in result.hits if is_match(query, hit, bar, telling.said)]
        places = {place.place_id for hit in hits for place in (hit.place, *hit.other_places, *hit.copies)}
        return [place for place in telling.places if place.place_id in places]

    async def _tell(self, saved_id: int) -> None:
        """Sends what has gathered of one search. Raises RetryLater where Discord cannot be reached."""
        telling = await self._noted.take(saved_id)
        if telling is None:
            return
        guild_id = telling.search.guild_id
        guild = self._client.get_guild(guild_id)
        if guild is None:
            return  # Discord does not list it at the moment
        member = await self._members.get(guild, telling.user_id)
        if member is None:
            await self._noted.member_left(telling.user_id, guild_id)
            return
        asker = await self._asker(member, telling)
        places = _seen(telling.places, asker, asker.visible)
        if places and not await send(member, self._direct(telling, asker, places)):
            await self._mention(telling, asker, places)
        await self._noted.told(saved_id, counts=bool(places))

    async def _mention(self, telling: Telling, asker: Asker, places: Sequence[Place]) -> None:
        """In the channel that the member chose: what everybody there may see. Nowhere, if they chose none."""
        channel_id = telling.notice.channel_id
        channel = None if channel_id is None else asker.guild.get_channel_or_thread(channel_id)
        if not isinstance(channel, discord.abc.Messageable) or refusal(asker.guild, asker.member, channel) is not None:
            return
        places = _seen(places, asker, shared_channels(asker.guild, channel, asker.stored))
        if not places:
            return
        heading = translate(
            asker.language, "notice-saved-in-channel", pictures=len(places), member=asker.member.mention
        )
        text = _text(heading, places, asker, ends=False)
        await send(channel, Notice(text, _nonce(telling), UserId(asker.user_id)))

    def _direct(self, telling: Telling, asker: Asker, places: Sequence[Place]) -> Notice:
        name = escaped(telling.search.name, NAME_CHARACTERS)
        server = escaped(asker.guild.name, SERVER_CHARACTERS)
        heading = translate(asker.language, "notice-saved", pictures=len(places), name=name, server=server)
        return Notice(_text(heading, places, asker, ends=True), _nonce(telling))


def _seen(places: Sequence[Place], asker: Asker, channels: frozenset[ChannelId]) -> list[Place]:
    """Those in these channels; nothing of members who want to be forgotten."""
    return [place for place in places if place.channel_id in channels and place.author_id not in asker.leaving]


def _text(heading: str, places: Sequence[Place], asker: Asker, *, ends: bool) -> str:
    messages = list(dict.fromkeys((place.channel_id, place.message_id) for place in places))
    links = [f"- {jump_link(asker.guild_id, channel, message)}" for channel, message in messages]
    lines = [heading, *links[:LINKS]]
    if len(links) > LINKS:
        lines.append(translate(asker.language, "notice-more", pictures=len(links) - LINKS))
    if ends:
        lines.append(translate(asker.language, "notice-end"))
    return "\n".join(lines)


def _nonce(telling: Telling) -> str:
    """The same until the notice is recorded as told. At most 25 characters, which is what Discord takes."""
    return f"{telling.saved_id:x}-{telling.told_ms:x}"
