"""What an answer in Discord is searched with: the model where it has to wake first, and hits that Discord still has."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord

from bot.commands import NO_MENTIONS, WAKING
from bot.commands.query_scope import ANSWER_S, Asker
from bot.replies.contact_sheet import MAX_HITS
from bot.replies.pages import PAGE_HITS, page_count
from bot.texts import translate
from indexer.errors import TellPerson
from indexer.query.query import Query
from indexer.records.hits import Floor, SearchResult
from indexer.records.ids import MessageId
from indexer.search.copy_checker import BUDGET_S

if TYPE_CHECKING:
    from indexer.service import Service

# Before a page is shown, its messages are looked up in Discord, all at the same time, within so many seconds in total.
VERIFY_S = 1.0
# A wait that is over within a second needs no words. An interaction lives for 15 minutes; a model that takes longer
# than this from disk is not coming.
NOTICE_S = 1.0
WAKE_S = 300.0


class VerifiedSearch:
    """Of one bot. Every query is within what its asker may see already."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def prepared(self, interaction: discord.Interaction[Any], who: Asker, query: Query) -> Query:
        """The query with everything that the model makes of it. Where the model is being loaded and that takes
        noticeable time, the reply says so, until the answer takes its place."""
        searcher = self._service.searcher
        preparing = asyncio.ensure_future(searcher.prepare(query))
        try:
            async with asyncio.timeout(WAKE_S):
                done, _ = await asyncio.wait({preparing}, timeout=NOTICE_S)
                if not done and not searcher.awake:
                    waking = translate(who.language, "waking-up")
                    await interaction.edit_original_response(content=waking, allowed_mentions=NO_MENTIONS)
                    interaction.extras[WAKING] = True
                return await preparing
        except TimeoutError:
            raise TellPerson("error-still-waking") from None
        finally:
            preparing.cancel()

    async def answer(self, query: Query, compare_s: float = BUDGET_S) -> SearchResult:
        """The answer of the index, which waits `compare_s` seconds at most until pictures are compared.
        If the index holds nothing of what is asked about yet, the answer of the newest messages.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                result = await self._service.searcher.search(query, compare_s=compare_s)
                if result.searched or not await self._service.on_demand.take_in(query.guild_id, query.filter.channels):
                    return result
                result = await self._service.searcher.search(query, compare_s=compare_s)
                return replace(result, floor=Floor.LIVE)
        except TimeoutError:
            raise TellPerson("error-timeout") from None

    async def verified(self, query: Query, index: int | None, compare_s: float = BUDGET_S) -> SearchResult:
        """The answer without hits that were deleted in Discord: they are purged, and other hits take their place.

        Looks up what is about to be shown (page `index`; None: as many hits as a contact sheet shows), for at most
        VERIFY_S seconds. A hit that could not be looked up in that time is shown.
        """
        deadline = time.monotonic() + VERIFY_S
        closed: set[MessageId] = set()
        while True:
            result = await self.answer(query, compare_s)
            hits = tuple(hit for hit in result.hits if hit.place.message_id not in closed)
            result = replace(result, hits=hits)
            first = 0 if index is None else min(index, page_count(result) - 1) * PAGE_HITS
            shown = hits[first : MAX_HITS if index is None else first + PAGE_HITS]
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                return result
            verified = await self._service.hit_verifier.verify(shown, remaining_s)
            closed |= verified.closed
            if not verified.gone and not verified.closed:
                return result
