"""`search`, `search-batch` and `random`: the questions of members, asked by whoever has the data folder.

Answered by the running bot, or by the command itself where none runs, as bot/replies/answer_json.py has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.control.handler import Handler, Tell, Values
from bot.control.pictures import Pictures
from bot.control.question import Where, filter_of, require_filters_only, require_something, where, wish_of
from bot.replies.answer_json import answer_json, hit_json
from bot.replies.closeness import Asked
from bot.texts.errors import english
from indexer.errors import TellPerson
from indexer.hit_pictures import Shown
from indexer.ports import Encoder
from indexer.query.grammar import Wish
from indexer.query.query import Query
from indexer.records.hits import Band, Hit, Place, PlaceDetail
from indexer.records.ids import PlaceId
from indexer.records.messages import PlaceFlag
from indexer.reports.reports import Reports
from indexer.search.hits import hit_at
from indexer.search.model_switch import GuildSearcher
from indexer.settings import SearchSettings

WAKING = "the bot's model is being loaded"
MOST_QUERIES = 500  # of one batch
# Answers of a batch are sent up to this size; the command asks again for the others, and their words are known by then.
BATCH_BYTES = 2 * 1024 * 1024


class Index(Protocol):
    """What a search needs: the running service has it, and a command can open it."""

    @property
    def reports(self) -> Reports: ...

    @property
    def searcher(self) -> GuildSearcher: ...

    @property
    def encoder(self) -> Encoder: ...


@dataclass(frozen=True, slots=True)
class Searching:
    """The operations on this index. `opens`: its messages are Discord's, so that links to them open."""

    index: Index
    pictures: Pictures
    settings: SearchSettings
    opens: bool

    def handlers(self) -> dict[str, Handler]:
        return {"search": self.search, "search-batch": self.batch}

    async def search(self, values: Values, tell: Tell) -> Values:
        """`words`, `guild` (id, name or null), `count` or null, `files` and `links` as `Pictures.asked` has them;
        `pictures`: with small copies → an answer.

        Raises TellPerson for a question that cannot be asked, RetryLater.
        """
        words = str(values.get("words", ""))
        wish = wish_of(words, values)
        pictured = bool(values.get("files") or values.get("links"))
        require_something(wish, pictured=pictured)
        place = await where(self.index.reports, values.get("guild"))
        filter_ = await filter_of(self.index.reports, place, wish)
        pictures = await self.pictures.asked(values)
        query = Query.for_pictures(place.guild_id, filter_, pictures, count=self._count(wish)).asked_by(wish)
        asked = Asked(len(pictures), wish.words)
        answer = await self._answer(place, query, asked, words, tell, copies=bool(values.get("pictures")))
        if values.get("pictures"):
            answer["asked_with"] = await self.pictures.encoded(list(pictures))
        return answer

    async def batch(self, values: Values, tell: Tell) -> Values:
        """`queries`, texts; `guild`, `count` → `answers`, each an answer, or `query` and `error`: of the first ones, as
        many as fit into BATCH_BYTES, at least one.

        All their words are embedded together. Raises TellPerson, RetryLater.
        """
        texts: Any = values.get("queries")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise TellPerson("cli-needs", name="queries")
        texts = texts[:MOST_QUERIES]
        place = await where(self.index.reports, values.get("guild"))
        queries = [await self._query_or_why(place, text, values) for text in texts]
        ready = [query for query in queries if isinstance(query, Query) and not query.filters_only]
        if ready and not self.index.searcher.awake:
            tell(WAKING)
        await self.index.searcher.learn_words(ready)
        answers: list[Mapping[str, Any]] = []
        size = 0
        for text, query in zip(texts, queries, strict=True):
            answer = await self._answer_or_why(place, text, query, tell)
            size += len(json.dumps(answer))
            if answers and size > BATCH_BYTES:
                break
            answers.append(answer)
        return {"answers": answers}

    async def _query_or_why(self, place: Where, text: str, values: Values) -> Query | str:
        """The query of one line of a batch, or why it cannot be asked."""
        try:
            wish = wish_of(text, values)
            require_something(wish, pictured=False)
            filter_ = await filter_of(self.index.reports, place, wish)
        except TellPerson as error:
            return english(error)
        return Query(place.guild_id, filter_, count=self._count(wish)).asked_by(wish)

    async def _answer_or_why(self, place: Where, text: str, query: Query | str, tell: Tell) -> Mapping[str, Any]:
        if isinstance(query, str):
            return {"query": text, "error": query}
        try:
            return await self._answer(place, query, Asked(0, query.words), text, tell)
        except TellPerson as error:
            return {"query": text, "error": english(error)}

    def _count(self, wish: Wish) -> int:
        return min(wish.count or self.settings.default_count, self.settings.max_count)

    async def _answer(
        self, place: Where, query: Query, asked: Asked, words: str, tell: Tell, *, copies: bool = False
    ) -> dict[str, Any]:
        if not (query.filters_only or self.index.searcher.awake):
            tell(WAKING)
        result = await self.index.searcher.search(query)
        answer = answer_json(place.guild_id, asked, result, place.names, query=words, opens=self.opens)
        if copies:
            found = await self.pictures.copies(shown_of(result.hits))
            for hit, shown in zip(answer["hits"], result.hits, strict=True):
                hit["picture"] = found.get(shown.place.place_id)
        return dict(answer)


def shown_of(hits: Iterable[Hit]) -> dict[PlaceId, Shown]:
    """Where the pictures of the hits are. Spoilers stay hidden."""
    return {
        hit.place.place_id: Shown(hit.place.channel_id, hit.place.message_id, hit.link, hit.path)
        for hit in hits
        if not hit.place.flags & PlaceFlag.SPOILER
    }


@dataclass(frozen=True, slots=True)
class Drawing:
    """`random`. It needs no model."""

    reports: Reports
    pictures: Pictures
    settings: SearchSettings
    opens: bool

    def handlers(self) -> dict[str, Handler]:
        return {"random": self.random}

    async def random(self, values: Values, tell: Tell) -> Values:
        """`words` (filters alone), `guild`, `count`, `pictures` as for `search` → `guild_id` and `hits`."""
        wish = wish_of(str(values.get("words", "")), values)
        require_filters_only(wish)
        place = await where(self.reports, values.get("guild"))
        filter_ = await filter_of(self.reports, place, wish)
        count = min(wish.count or 1, self.settings.max_count)
        details = await self.reports.random_places(place.guild_id, filter_, count)
        hits = [hit for detail in details if (hit := listed(detail)) is not None]
        found = [hit_json(place.guild_id, hit, Asked(), place.names, opens=self.opens) for hit in hits]
        if values.get("pictures"):
            copies = await self.pictures.copies(shown_of(hits))
            for entry, shown in zip(found, hits, strict=True):
                entry["picture"] = copies.get(shown.place.place_id)
        return {"guild_id": str(place.guild_id), "hits": found}


def listed(detail: PlaceDetail) -> Hit | None:
    """The place as a hit with which nothing was compared; None where its picture is gone by now."""
    if detail.picture_id is None:
        return None
    place = Place(detail.message_id, detail.place_id, detail.channel_id, detail.author_id, detail.flags)
    return hit_at(detail.picture_id, place, detail, Band.LISTED, ())
