"""The pictures that a question of the grammar names: all that its filters let through, or the hits of its words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bot.control.handler import Tell, Values
from bot.control.question import filter_of, where, wish_of
from bot.control.search import WAKING, Index
from indexer.errors import TellPerson
from indexer.query.grammar import Wish
from indexer.query.query import Query
from indexer.records.hits import Filter, Hit, Place
from indexer.records.ids import GuildId, MessageId, PlaceId
from indexer.reports.reports import Reports
from indexer.search.browse import MOST
from indexer.settings import SearchSettings

OpenIndex = Callable[[], AbstractAsyncContextManager[Index]]


@dataclass(frozen=True, slots=True)
class Selection:
    """`hits` None: everything inside the filter."""

    guild_id: GuildId
    filter: Filter
    hits: tuple[Hit, ...] | None

    @property
    def places(self) -> list[PlaceId]:
        """Every place that shows a hit."""
        return list(dict.fromkeys(place.place_id for place in self._shown))

    @property
    def messages(self) -> list[MessageId] | None:
        """Every message that shows a hit; None: everything inside the filter."""
        return None if self.hits is None else list(dict.fromkeys(place.message_id for place in self._shown))

    @property
    def _shown(self) -> list[Place]:
        return [place for hit in self.hits or () for place in (hit.place, *hit.other_places)]


@dataclass(frozen=True, slots=True)
class Selecting:
    """`open_index` opens what a question with words needs: nothing is opened for filters alone."""

    reports: Reports
    open_index: OpenIndex
    settings: SearchSettings

    async def asked(self, values: Values, tell: Tell) -> Selection:
        """`words` in the grammar, `guild` (id, name or null). Raises TellPerson where nothing is named, RetryLater."""
        wish = wish_of(str(values.get("words", "")), {})
        place = await where(self.reports, values.get("guild"))
        return await self.of_wish(wish, place.guild_id, await filter_of(self.reports, place, wish), tell)

    async def of_wish(self, wish: Wish, guild_id: GuildId, filter_: Filter, tell: Tell) -> Selection:
        """Hits where words or `count:` are given: as many as a search shows at most."""
        if wish.without and not wish.words:
            raise TellPerson("error-only-without")
        if not (wish.words or wish.has_filters):
            raise TellPerson("select-nothing")
        if not wish.words and wish.count is None:
            return Selection(guild_id, filter_, None)
        async with self.open_index() as index:
            if wish.words and not index.searcher.awake:
                tell(WAKING)
            most = self.settings.max_count if wish.words else MOST
            query = Query(guild_id, filter_, count=min(wish.count or most, most)).asked_by(wish)
            return Selection(guild_id, filter_, (await index.searcher.search(query)).hits)
