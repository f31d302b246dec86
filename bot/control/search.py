"""`search`: the same question as /similar, asked by whoever has the data folder, who may see all of it.

Answered by the running bot, or by the command itself where none runs. What comes of it is JSON: see `_as_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from bot.control.operations import Handler, Tell, Values, optional_id
from bot.links import jump_link
from bot.replies.closeness import Asked, band_text, score_text
from bot.texts import Language
from bot.texts.errors import english
from indexer.clock import now_ms
from indexer.errors import Rejected, TellPerson
from indexer.pictures.decoder import Decoder
from indexer.query.grammar import Reference, Wish, count_of, parse
from indexer.query.query import Query
from indexer.records.hits import Band, Filter, Hit, SearchResult
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId, UserId
from indexer.records.messages import Channel
from indexer.records.pictures import DecodedPicture
from indexer.reports.reports import Reports
from indexer.search.model_switch import GuildSearcher
from indexer.settings import SearchSettings

OpenDecoder = Callable[[], AbstractAsyncContextManager[Decoder]]

NOBODY = UserId(0)  # whose turn it is to have a picture opened: no member's
WAKING = "the bot's model is being loaded"


class Index(Protocol):
    """What a search needs: the running service has it, and a command can open it."""

    @property
    def reports(self) -> Reports: ...

    @property
    def searcher(self) -> GuildSearcher: ...


def searching(index: Index, open_decoder: OpenDecoder, settings: SearchSettings, *, opens: bool) -> dict[str, Handler]:
    """`search` on this index. `opens`: its messages are Discord's, so that links to them open."""
    return {"search": partial(_search, index, open_decoder, settings, opens)}


async def _search(
    index: Index, open_decoder: OpenDecoder, settings: SearchSettings, opens: bool, values: Values, tell: Tell
) -> Values:
    """`words`, `guild` or null, `count` or null, `file`: the attached picture's name → what was found.

    Raises TellPerson for a question that cannot be asked, RetryLater.
    """
    picture = values.get("attached")
    wish = _wish(values, pictured=picture is not None)
    guild_id = await _guild(index.reports, optional_id(values, "guild"))
    stored = await index.reports.channels(guild_id)
    filter_ = await _filter(index.reports, guild_id, stored, wish)
    pictures = () if picture is None else (await _decoded(open_decoder, picture, str(values.get("file", ""))),)
    count = min(wish.count or settings.default_count, settings.max_count)
    query = Query.for_pictures(guild_id, filter_, pictures, count=count).asked_by(wish)
    if not (query.filters_only or index.searcher.awake):
        tell(WAKING)
    result = await index.searcher.search(query)
    names = {channel.id: channel.name for channel in stored}
    return _as_json(guild_id, Asked(len(pictures), wish.words), result, names, opens=opens)


def _wish(values: Values, *, pictured: bool) -> Wish:
    wish = parse(str(values.get("words", "")), now_ms())
    count = values.get("count")
    if count is not None:
        wish = replace(wish, count=count_of(str(count)))
    if wish.without and not wish.words and not pictured:
        raise TellPerson("error-only-without")
    if not (wish.words or wish.has_filters or pictured):
        raise TellPerson("cli-nothing-asked")
    return wish


async def _guild(reports: Reports, wanted: int | None) -> GuildId:
    known = await reports.guilds()
    listed = ", ".join(f"{guild.id} ({guild.name})" for guild in known) or "none"
    if wanted is None and len(known) == 1:
        return known[0].id
    if wanted is None:
        raise TellPerson("cli-which-server", known=listed)
    if wanted not in {guild.id for guild in known}:
        raise TellPerson("cli-unknown-server", server=str(wanted), known=listed)
    return GuildId(wanted)


async def _filter(reports: Reports, guild_id: GuildId, stored: Sequence[Channel], wish: Wish) -> Filter:
    everything = frozenset(channel.id for channel in stored)
    authors: set[UserId] = set()
    for author in wish.authors:
        if author.id is not None:
            authors.add(UserId(author.id))
            continue
        named = await reports.authors_named(guild_id, author.name)
        if not named:
            raise TellPerson("cli-author", name=author.name)
        authors |= named
    leaving = await reports.unfinished_opt_outs()
    return Filter(
        channels=(_channels(wish.channels, stored) if wish.channels else everything)
        - _channels(wish.not_channels, stored),
        authors=frozenset(authors) or None,
        not_authors=frozenset(user_id for user_id, where in leaving if where in (guild_id, EVERYWHERE)),
        after_ms=wish.after_ms,
        before_ms=wish.before_ms,
        require=wish.require,
        exclude=wish.exclude,
    )


def _channels(references: Iterable[Reference], stored: Sequence[Channel]) -> frozenset[ChannelId]:
    """The channels, with their threads, that are named. Raises TellPerson for a name that none has."""
    chosen: set[ChannelId] = set()
    for named in references:
        found = {
            channel.id
            for channel in stored
            if channel.id == named.id or (named.id is None and channel.name.casefold() == named.name.casefold())
        }
        if not found:
            raise TellPerson("cli-channel", channel=str(named.id or f"#{named.name}"))
        chosen |= found | {channel.id for channel in stored if channel.parent_id in found}
    return frozenset(chosen)


async def _decoded(open_decoder: OpenDecoder, picture: bytes, file: str) -> DecodedPicture:
    try:
        async with open_decoder() as decoder, decoder.turn_of(NOBODY) as turn:
            return await turn.decode(picture)
    except Rejected as error:
        raise TellPerson("cli-picture", path=file, reason=english(error)) from error


def _closeness(hit: Hit, asked: Asked) -> str:
    """Band and score in the words of Discord's replies; empty where nothing was compared."""
    score = score_text(hit, asked, Language.ENGLISH)
    return band_text(hit, asked, Language.ENGLISH) + (f" ({score})" if score else "")


def _as_json(
    guild_id: GuildId, asked: Asked, result: SearchResult, names: dict[ChannelId, str], *, opens: bool
) -> dict[str, Any]:
    """`link` is the message's address; null where the server is the sandbox's."""
    return {
        "searched": result.searched,
        "floor": result.floor.value,
        "stage_ms": {stage: round(ms, 3) for stage, ms in result.stage_ms.items()},
        "hits": [
            {
                "score": None if hit.band is Band.LISTED else round(hit.score, 4),
                "band": hit.band.value,
                "named": _closeness(hit, asked),
                "channel": names.get(hit.place.channel_id, ""),
                "channel_id": str(hit.place.channel_id),
                "message_id": str(hit.place.message_id),
                "author": hit.author_name,
                "author_id": str(hit.place.author_id),
                "unix_ms": hit.created_ms,
                "link": jump_link(guild_id, hit.place.channel_id, hit.place.message_id) if opens else None,
                "path": hit.path or None,
                "file_name": hit.file_name,
                "alt_text": hit.alt_text,
                "excerpt": hit.excerpt,
                "shown_elsewhere": len(hit.other_places),
            }
            for hit in result.hits
        ],
    }
