"""Search: by words, by an uploaded picture, by both, by a stored picture; and a picture at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec

from bot.control.question import Where, filter_of
from bot.replies.answer_json import reranked_json
from bot.replies.closeness import Asked
from bot.web.api import pictures
from bot.web.api.models.pictures import Hits, RandomPicture, RandomQuery, Reranked, SearchQuery
from bot.web.api.operation import BAD_QUESTION, WITH_MODEL_S, Call, Operation
from bot.web.api.uploads import PICTURES, picture_bytes
from bot.web.errors import ApiError
from indexer.clock import now_ms
from indexer.errors import TellPerson
from indexer.query.grammar import Wish, parse
from indexer.query.query import Query
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, PictureId, PlaceId, UserId
from indexer.records.pictures import DecodedPicture
from indexer.search.browse import MOST


def asker_of(call: Call[Any, Any]) -> UserId:
    """Whose question it is: nobody else's answer is remembered for it. No member has such an id."""
    return UserId(-call.key.id)


async def filtered(call: Call[Any, Any], q: str) -> tuple[Wish, Filter, dict[ChannelId, str]]:
    """What the text asks for, the filter that it means, and the names of the guild's channels.

    Raises TellPerson for a text that cannot mean what it says.
    """
    reports = call.parts.service.reports
    wish = parse(q, now_ms())
    place = Where(call.guild.id, await reports.channels(call.guild.id))
    return wish, await filter_of(reports, place, wish), place.names


async def by_words(call: Call[SearchQuery, None]) -> Hits:
    return await _answer(call, ())


async def by_picture(call: Call[SearchQuery, None]) -> Hits:
    """The file is read in the key's turn, so that a key has one file in memory however often it asks at once."""
    most = call.parts.config.settings.fetch.max_download_bytes
    async with call.parts.service.decoder.turn_of(asker_of(call)) as turn:
        picture = await turn.decode(await picture_bytes(call.request, most))
    return await _answer(call, (picture,))


async def by_stored(call: Call[SearchQuery, None]) -> Hits:
    place_id = PlaceId(call.ids["place"])
    detail = (await call.parts.service.reports.described([place_id])).get(place_id)
    if detail is None or detail.guild_id != call.guild.id or detail.picture_id is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.")
    return await _answer(call, (), like=(detail.picture_id,))


async def _answer(
    call: Call[SearchQuery, None], given: Sequence[DecodedPicture], like: tuple[PictureId, ...] = ()
) -> Hits:
    """One page: everything up to it is searched again, which the searcher remembers. Raises ApiError where too many
    questions wait.
    """
    async with call.parts.admission.turn(call.key.id):
        return await _page(call, given, like)


async def _page(call: Call[SearchQuery, None], given: Sequence[DecodedPicture], like: tuple[PictureId, ...]) -> Hits:
    service, guild_id = call.parts.service, call.guild.id
    wish, filter_, names = await filtered(call, call.query.q)
    query = Query.for_pictures(guild_id, filter_, tuple(given)).asked_by(wish)
    query = replace(query, like=like, asker=asker_of(call))
    if wish.without and not (wish.words.strip() or query.has_pictures):
        raise TellPerson("error-only-without")
    most = MOST if query.filters_only else service.settings.search.max_count
    most = min(wish.count or most, most)
    start, end = (call.query.page - 1) * call.query.per_page, call.query.page * call.query.per_page
    result = await service.searcher.search(replace(query, count=min(end + 1, most)))
    asked = Asked(len(given) + len(like), wish.words, wish.without)
    return Hits(
        hits=[pictures.hit(call.parts, guild_id, found, asked, names) for found in result.hits[start:end]],
        page=call.query.page,
        more=len(result.hits) > end,
        searched=result.searched,
        floor=result.floor.value,
        took_ms=round(result.stage_ms["total"], 3),
        reranked=msgspec.convert(reranked_json(result), Reranked | None),
    )


async def at_random(call: Call[RandomQuery, None]) -> RandomPicture:
    _, filter_, names = await filtered(call, call.query.q)
    detail = await call.parts.service.reports.random_place(GuildId(call.guild.id), filter_)
    return RandomPicture(None if detail is None else pictures.shown(call.parts, detail, names))


OPERATIONS = (
    Operation(
        "search",
        "GET",
        "/guilds/{guild}/search",
        "Pictures that fit the words and filters, the closest first; without words, the newest.",
        by_words,
        Hits,
        query=SearchQuery,
        longest_s=WITH_MODEL_S,
        refusals=(BAD_QUESTION,),
    ),
    Operation(
        "searchByPicture",
        "POST",
        "/guilds/{guild}/search",
        "Pictures like the uploaded one, with or without words.",
        by_picture,
        Hits,
        query=SearchQuery,
        uploads=PICTURES,
        cost=2.0,
        longest_s=WITH_MODEL_S,
        refusals=(BAD_QUESTION, (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_picture")),
    ),
    Operation(
        "similar",
        "GET",
        "/guilds/{guild}/places/{place}/similar",
        "Pictures like one that is stored.",
        by_stored,
        Hits,
        query=SearchQuery,
        longest_s=WITH_MODEL_S,
        refusals=(BAD_QUESTION,),
    ),
    Operation(
        "random",
        "GET",
        "/guilds/{guild}/random",
        "A picture of the past; every message has the same chance.",
        at_random,
        RandomPicture,
        query=RandomQuery,
        refusals=(BAD_QUESTION,),
    ),
)
