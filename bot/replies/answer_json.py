"""An answer as JSON: the same object for the command line's `--json`, the control socket and HTTP.

docs/schemas/search.json describes it; tests hold the two together. Ids are strings:
they do not fit into the numbers of JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, NotRequired, TypedDict

from bot.links import message_link
from bot.replies.closeness import Asked, band_text, score_text
from bot.replies.explained import explained_parts, explained_stages, rerank_note
from bot.texts import Language
from indexer.records.hits import Band, Hit, SearchResult
from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import PlaceFlag

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # fromtimestamp knows no older photographs on Windows


class HitJson(TypedDict):
    """One picture and the message that shows it.

    `score` is the cosine, null where nothing was compared. `band` is a key, `named` the words of Discord's replies.
    `link` opens the message; null where the server is the sandbox's. `path` is an archive's file, or null. `picture` is
    a small copy (WebP, base64), null where it could not be had; only there if it was asked for. `place` is the number
    of the picture in this message, `tags` are its tags there. `at_ms`: which moment of an animation is meant,
    milliseconds from its start; null where there is no choice.
    """

    place: str
    score: float | None
    band: str
    named: str
    explained: list[str]
    parts: dict[str, Any]
    channel: str
    channel_id: str
    message_id: str
    author: str
    author_id: str
    unix_ms: int
    posted: str
    link: str | None
    path: str | None
    file_name: str
    alt_text: str
    text: str
    width: int
    height: int
    kinds: list[str]
    tags: list[str]
    at_ms: int | None
    shown_elsewhere: int
    picture: NotRequired[str | None]


class RerankedJson(TypedDict):
    """What the second model did: how many hits it was to order, and how many it has seen. `note` is a sentence where
    the order is the first model's, else empty.
    """

    model: str
    outcome: str
    candidates: int
    scored: int
    note: str


class AnswerJson(TypedDict):
    """One question's answer. `searched` counts the places inside the filter, `query` is what was typed. `asked_with`
    are small copies of the pictures of the question; only there if copies were asked for. `reranked` is null where
    there is no second model, or nothing to order.
    """

    query: str
    pictures: int
    guild_id: str
    searched: int
    floor: str
    explained: str
    stage_ms: dict[str, float]
    reranked: RerankedJson | None
    hits: list[HitJson]
    asked_with: NotRequired[list[str]]


def hit_json(guild_id: GuildId, hit: Hit, asked: Asked, names: Mapping[ChannelId, str], *, opens: bool) -> HitJson:
    """`opens`: the server is Discord's, so that links to its messages open."""
    language = Language.ENGLISH
    place = hit.place
    score = score_text(hit, asked, language)
    compared = hit.band is not Band.LISTED
    return {
        "place": str(place.place_id),
        "score": round(hit.score, 4) if compared else None,
        "band": hit.band.value,
        "named": band_text(hit, asked, language) + (f" ({score})" if score else ""),
        "explained": explained_parts(hit, language),
        "parts": {
            name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(hit.parts).items()
        },
        "channel": names.get(place.channel_id, ""),
        "channel_id": str(place.channel_id),
        "message_id": str(place.message_id),
        "author": hit.author_name,
        "author_id": str(place.author_id),
        "unix_ms": hit.created_ms,
        "posted": posted(hit.created_ms),
        "link": message_link(guild_id, place.channel_id, place.message_id, opens=opens),
        "path": hit.path or None,
        "file_name": hit.file_name,
        "alt_text": hit.alt_text,
        "text": hit.excerpt,
        "width": hit.width,
        "height": hit.height,
        "kinds": kinds_of(place.flags),
        "tags": list(hit.tags),
        "at_ms": hit.at_ms,
        "shown_elsewhere": len(hit.other_places),
    }


def answer_json(
    guild_id: GuildId, asked: Asked, result: SearchResult, names: Mapping[ChannelId, str], *, query: str, opens: bool
) -> AnswerJson:
    """The whole answer; `opens` as above."""
    return {
        "query": query,
        "pictures": asked.pictures,
        "guild_id": str(guild_id),
        "searched": result.searched,
        "floor": result.floor.value,
        "explained": explained_stages(result, Language.ENGLISH),
        "stage_ms": {stage: round(ms, 3) for stage, ms in result.stage_ms.items()},
        "reranked": reranked_json(result),
        "hits": [hit_json(guild_id, hit, asked, names, opens=opens) for hit in result.hits],
    }


def reranked_json(result: SearchResult) -> RerankedJson | None:
    """What the second model did."""
    reranked = result.reranked
    if reranked is None:
        return None
    return {
        "model": reranked.model,
        "outcome": reranked.outcome.value,
        "candidates": reranked.candidates,
        "scored": reranked.scored,
        "note": rerank_note(result, Language.ENGLISH),
    }


def kinds_of(flags: PlaceFlag) -> list[str]:
    """What kind of picture it is, in the words of `has:` where there is one: animated, spoiler, forwarded, …"""
    return [str(flag.name).lower() for flag in PlaceFlag if flag in flags]


def posted(unix_ms: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return (_EPOCH + timedelta(milliseconds=unix_ms)).isoformat(timespec="seconds")
