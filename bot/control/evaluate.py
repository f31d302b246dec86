"""`evaluate`: labelled questions are asked by each index alone and by both, and what was expected is looked for."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.control.handler import Handler, Tell, Values
from bot.control.question import Where, filter_of, require_something, where, wish_of
from bot.control.search import Index
from bot.observability.process_memory import process_memory
from bot.texts.errors import english
from indexer.errors import TellPerson
from indexer.query.query import Query, Retrieval, Stages
from indexer.records.hits import Filter, Hit
from indexer.records.ids import MessageId, UserId

TOP = 10  # hits that are looked at
MOST_QUESTIONS = 100  # of one request
WAKING = "a picture"
# With the second model: what it makes of pictures is kept, so each question is asked once before it is measured.
RERANKED = {"reranked": Stages.BOTH, "second": Stages.SECOND}
WORDS_NEED_NOT = ("picture", "text")  # stages of the model and of its vectors: words alone would be asked without them


@dataclass(frozen=True, slots=True)
class Evaluating:
    """The operation on this index."""

    index: Index

    def handlers(self) -> dict[str, Handler]:
        return {"evaluate": self.evaluate}

    async def evaluate(self, values: Values, tell: Tell) -> Values:
        """`questions` ({query, like or null, expected}), `by` (hybrid, vectors or words; where there is a second model,
        reranked and second: what it alone makes of the first stage's hits), `guild` → `answers`: for each hit of the
        first TOP the expected messages that it shows (`found`), `ms`, and whether the second model could not order
        (`fell_back`); or `error`. `memory`: the most resident bytes that each kind of process had after any of them.

        Nothing is answered from memory: each request asks as somebody who never asked before. Raises TellPerson.
        """
        questions = _questions(values)
        by, stages = _way(values.get("by"))
        if stages is not Stages.FIRST and not self.index.searcher.reranks:
            raise TellPerson("cli-no-second-model")
        if stages is not Stages.FIRST:
            await self.index.searcher.wake_second()
        place = await where(self.index.reports, values.get("guild"))
        await self._wake(place, by)
        asker = _nobody()
        answers, memory = [], dict[str, int]()
        for question in questions:
            try:
                query = replace(await self._query(place, question), by=by, asker=asker, stages=stages)
                if stages is not Stages.FIRST:
                    await self.index.searcher.search(replace(query, asker=_nobody()))
                answers.append(await self._answer(query, question))
            except TellPerson as error:
                answers.append({"error": english(error)})
            now = process_memory(self.index.encoder, self.index.searcher)
            memory = {name: max(size, memory.get(name, 0)) for name, size in now.items()}
        return {"answers": answers, "memory": memory}

    async def _wake(self, place: Where, by: Retrieval) -> None:
        """Loads the model and the files that are not in memory yet, so that no question is measured with that."""
        everywhere = Filter(frozenset(place.names))
        query = Query(place.guild_id, everywhere, words=WAKING, count=TOP, by=by, stages=Stages.FIRST)
        await self.index.searcher.search(replace(query, asker=_nobody()))

    async def _query(self, place: Where, question: Mapping[str, Any]) -> Query:
        """Raises TellPerson for a question that cannot be asked."""
        words, like = str(question.get("query", "")), question.get("like")
        wish = wish_of(words, {})
        require_something(wish, pictured=like is not None)
        query = Query(place.guild_id, await filter_of(self.index.reports, place, wish), count=TOP).asked_by(wish)
        if like is None:
            return query
        message_id = MessageId(int(like))
        picture_id = await self.index.reports.first_picture(place.guild_id, message_id)
        if picture_id is None:
            raise TellPerson("search-picture-gone")
        query = await self.index.searcher.prepare(replace(query, like=(picture_id,)))
        # Its other posts are looked for, so the picture itself may be found, but not where it was taken from.
        return replace(query, not_pictures=frozenset(), filter=replace(query.filter, not_message=message_id))

    async def _answer(self, query: Query, question: Mapping[str, Any]) -> dict[str, Any]:
        begun_s = time.perf_counter()
        result = await self.index.searcher.search(query)
        ms = (time.perf_counter() - begun_s) * 1000
        if query.by is Retrieval.WORDS:
            ms -= sum(result.stage_ms.get(stage, 0.0) for stage in WORDS_NEED_NOT)
        expected = {int(message_id) for message_id in question["expected"]}
        found = [sorted(str(message_id) for message_id in _messages(hit) & expected) for hit in result.hits[:TOP]]
        fell_back = result.reranked is not None and result.reranked.fell_back
        return {"found": found, "ms": round(ms, 3), "fell_back": fell_back}


def _messages(hit: Hit) -> set[int]:
    """Every message that shows the hit's picture or a copy of it."""
    return {int(place.message_id) for place in (hit.place, *hit.other_places, *hit.copies)}


def _questions(values: Values) -> list[Mapping[str, Any]]:
    """Raises TellPerson for values of another shape."""
    found: Any = values.get("questions")
    if not isinstance(found, list) or len(found) > MOST_QUESTIONS or not all(_is_question(entry) for entry in found):
        raise TellPerson("cli-needs", name="questions")
    return found


def _is_question(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("expected"), list)
        and all(_is_id(message_id) for message_id in (*entry["expected"], entry.get("like") or "1"))
    )


def _is_id(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**63


def _nobody() -> UserId:
    """Somebody who never asked before."""
    return UserId(secrets.randbelow(2**62))


def _way(found: object) -> tuple[Retrieval, Stages]:
    """Raises TellPerson for what is none."""
    if (stages := RERANKED.get(str(found))) is not None:
        return Retrieval.HYBRID, stages
    try:
        return Retrieval(str(found)), Stages.FIRST
    except ValueError:
        raise TellPerson("cli-needs", name="by") from None
