"""`afterimage search`: the same question as /similar, asked by whoever has the data folder, who may see all of it."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.config.loader import Config, load
from bot.links import is_discord, jump_link
from bot.observability import terminal
from bot.observability.log import logging_to
from bot.replies.pages import Asked, band_text, score_text
from bot.texts import Language
from bot.texts.errors import english
from indexer.clock import now_ms
from indexer.errors import Rejected, TellPerson
from indexer.model import (
    EVERYWHERE,
    Band,
    Channel,
    ChannelId,
    DecodedPicture,
    Filter,
    GuildId,
    Hit,
    SearchResult,
    UserId,
)
from indexer.pictures.decoder import open_decoder
from indexer.query.grammar import Reference, Wish, parse
from indexer.query.query import Query
from indexer.service import ReadOnly, open_search

NAME_CHARACTERS = 60  # of a name in a line
NOBODY = UserId(0)  # whose turn it is to have a picture opened: this process has one question


@dataclass(frozen=True, slots=True)
class Shown:
    """How hits are told: in the words of Discord's replies, with a link where it opens."""

    guild_id: GuildId
    asked: Asked
    opens: bool

    def closeness(self, hit: Hit) -> str:
        """Band and score; empty where nothing was compared."""
        if hit.band is Band.LISTED:
            return ""
        score = score_text(hit, self.asked, Language.ENGLISH)
        return band_text(hit, self.asked, Language.ENGLISH) + (f" ({score})" if score else "")

    def link(self, hit: Hit) -> str | None:
        """The message's address; None where the server is the sandbox's."""
        return jump_link(self.guild_id, hit.place.channel_id, hit.place.message_id) if self.opens else None


def search(arguments: argparse.Namespace) -> int:
    """Raises TellPerson for a question that cannot be asked, Stop where the index or the model cannot be opened."""
    config = load(arguments.config, os.environ)
    with logging_to(replace(config.log, level="warning")):
        asyncio.run(_search(config, arguments))
    return 0


async def _search(config: Config, arguments: argparse.Namespace) -> None:
    wish = parse(arguments.words, now_ms())
    if arguments.count is not None:
        wish = replace(wish, count=arguments.count)
    if wish.without and not wish.words and arguments.image is None:
        raise TellPerson("error-only-without")
    if not (wish.words or wish.has_filters) and arguments.image is None:
        raise TellPerson("cli-nothing-asked")
    async with open_search(config.settings) as reader:
        guild_id = await _guild(reader, arguments.guild)
        stored = await reader.reports.channels(guild_id)
        filter_ = await _filter(reader, guild_id, stored, wish)
        pictures = () if arguments.image is None else (await _picture(config, reader, arguments.image),)
        count = min(wish.count or config.settings.search.default_count, config.settings.search.max_count)
        query = Query.for_pictures(guild_id, filter_, pictures, count=count).asked_by(wish)
        result = await reader.searcher.search(query)
    names = {channel.id: channel.name for channel in stored}
    shown = Shown(guild_id, Asked(len(pictures), wish.words), is_discord(config.discord.api_base))
    if arguments.json:
        terminal.say_json(as_json(shown, result, names))
    else:
        terminal.say(as_text(shown, result, names))


async def _guild(reader: ReadOnly, wanted: int | None) -> GuildId:
    known = await reader.reports.guilds()
    listed = ", ".join(f"{guild.id} ({guild.name})" for guild in known) or "none"
    if wanted is None and len(known) == 1:
        return known[0].id
    if wanted is None:
        raise TellPerson("cli-which-server", known=listed)
    if wanted not in {guild.id for guild in known}:
        raise TellPerson("cli-unknown-server", server=str(wanted), known=listed)
    return GuildId(wanted)


async def _filter(reader: ReadOnly, guild_id: GuildId, stored: Sequence[Channel], wish: Wish) -> Filter:
    everything = frozenset(channel.id for channel in stored)
    authors: set[UserId] = set()
    for author in wish.authors:
        if author.id is not None:
            authors.add(UserId(author.id))
            continue
        named = await reader.reports.authors_named(guild_id, author.name)
        if not named:
            raise TellPerson("cli-author", name=author.name)
        authors |= named
    leaving = await reader.reports.unfinished_opt_outs()
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
    for one in references:
        found = {
            channel.id
            for channel in stored
            if channel.id == one.id or (one.id is None and channel.name.casefold() == one.name.casefold())
        }
        if not found:
            raise TellPerson("cli-channel", channel=str(one.id or f"#{one.name}"))
        chosen |= found | {channel.id for channel in stored if channel.parent_id in found}
    return frozenset(chosen)


async def _picture(config: Config, reader: ReadOnly, path: Path) -> DecodedPicture:
    data = await asyncio.to_thread(_bytes, path, config.settings.fetch.max_download_bytes)
    settings = replace(config.settings.decode, workers=1)
    async with open_decoder(settings, reader.encoder.pixel_spec) as decoder:
        try:
            async with decoder.turn_of(NOBODY) as turn:
                return await turn.decode(data)
        except Rejected as error:
            raise TellPerson("cli-picture", path=str(path), reason=english(error)) from error


def _bytes(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise TellPerson("cli-file-too-large", path=str(path), most=most)
        return path.read_bytes()
    except OSError as error:
        raise TellPerson("cli-file-unreadable", path=str(path), error=error.strerror or "") from error


def as_json(shown: Shown, result: SearchResult, names: dict[ChannelId, str]) -> dict[str, Any]:
    return {
        "searched": result.searched,
        "floor": result.floor.value,
        "stage_ms": {stage: round(ms, 3) for stage, ms in result.stage_ms.items()},
        "hits": [
            {
                "score": None if hit.band is Band.LISTED else round(hit.score, 4),
                "band": hit.band.value,
                "named": shown.closeness(hit),
                "channel": names.get(hit.place.channel_id, ""),
                "channel_id": str(hit.place.channel_id),
                "message_id": str(hit.place.message_id),
                "author": hit.author_name,
                "author_id": str(hit.place.author_id),
                "unix_ms": hit.created_ms,
                "link": shown.link(hit),
                "path": hit.path or None,
                "file_name": hit.file_name,
                "alt_text": hit.alt_text,
                "excerpt": hit.excerpt,
                "shown_elsewhere": len(hit.other_places),
            }
            for hit in result.hits
        ],
    }


def as_text(shown: Shown, result: SearchResult, names: dict[ChannelId, str]) -> str:
    """Two lines a hit: how close, where, who and when; then the link, or the message's id where no link opens."""
    lines = []
    for rank, hit in enumerate(result.hits, start=1):
        day = datetime.fromtimestamp(hit.created_ms / 1000, UTC).date().isoformat()
        more = f", and {len(hit.other_places)} times elsewhere" if hit.other_places else ""
        labels = (names.get(hit.place.channel_id, "?"), hit.author_name, hit.file_name)
        channel, author, file_name = (terminal.one_line(label, NAME_CHARACTERS) for label in labels)
        close = f"{shown.closeness(hit)}  " if shown.closeness(hit) else ""
        lines.append(f"{rank:>3}. {close}#{channel}  {author}, {day}{more}  {file_name}")
        lines.append(f"     {shown.link(hit) or f'message {hit.place.message_id}'}")
        if hit.path:
            lines.append(f"     {terminal.one_line(hit.path)}")
    if not lines:
        lines.append("nothing close enough")
    lines.append(f"searched {result.searched:,} pictures in {result.stage_ms.get('total', 0.0):.1f} ms")
    return "\n".join(lines)
