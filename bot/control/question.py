"""What a command asks, from the values of its request: the grammar, the server, and who and where in it.

Whoever has the data folder may see all of it, so every channel is searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.control.handler import Values
from indexer.clock import now_ms
from indexer.errors import TellPerson
from indexer.query.grammar import Reference, Wish, count_of, parse
from indexer.records.hits import Filter
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId, UserId
from indexer.records.messages import Channel, Guild
from indexer.reports.reports import Reports


@dataclass(frozen=True, slots=True)
class Where:
    """The server that is asked about, and the channels that are stored of it."""

    guild_id: GuildId
    channels: Sequence[Channel]

    @property
    def names(self) -> dict[ChannelId, str]:
        return {channel.id: channel.name for channel in self.channels}


async def where(reports: Reports, wanted: object) -> Where:
    """The server with this id (an int) or name (None: the only one). Raises TellPerson, with those that are known."""
    guild_id = chosen_guild(await reports.guilds(), wanted).id
    return Where(guild_id, await reports.channels(guild_id))


def chosen_guild(known: Sequence[Guild], wanted: object) -> Guild:
    """The one with this id or name; None: the only one. Raises TellPerson, with those that are known."""
    listed = ", ".join(f"{guild.id} ({guild.name})" for guild in known) or "none"
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None:
        raise TellPerson("cli-which-server", known=listed)
    if isinstance(wanted, bool) or not isinstance(wanted, int | str):
        raise TellPerson("cli-id", name="guild", found=str(wanted)[:40])
    name = str(wanted)
    found = [guild for guild in known if str(guild.id) == name] or [
        guild for guild in known if guild.name.casefold() == name.casefold()
    ]
    if not found:
        raise TellPerson("cli-unknown-server", server=name[:100], known=listed)
    if len(found) > 1:
        raise TellPerson("cli-several-servers", server=name[:100], known=listed)
    return found[0]


def wish_of(words: str, values: Values) -> Wish:
    """What `words` ask for, with the request's `count`. Raises TellPerson."""
    wish = parse(words, now_ms())
    count = values.get("count")
    return wish if count is None else replace(wish, count=count_of(str(count)))


def require_something(wish: Wish, *, pictured: bool) -> None:
    """Raises TellPerson where nothing is asked for."""
    if wish.without and not wish.words and not pictured:
        raise TellPerson("error-only-without")
    if not (wish.words or wish.has_filters or pictured):
        raise TellPerson("cli-nothing-asked")


def require_filters_only(wish: Wish) -> None:
    """Raises TellPerson where words would be searched for: this command has nothing to compare them with."""
    if wish.words or wish.without:
        raise TellPerson("cli-filters-only", words=wish.words or " ".join(wish.without))


async def filter_of(reports: Reports, where: Where, wish: Wish) -> Filter:
    """Raises TellPerson for a channel or an author that is not there."""
    everything = frozenset(channel.id for channel in where.channels)
    authors: set[UserId] = set()
    for author in wish.authors:
        if author.id is not None:
            authors.add(UserId(author.id))
            continue
        named = await reports.authors_named(where.guild_id, author.name)
        if not named:
            raise TellPerson("cli-author", name=author.name)
        authors |= named
    leaving = await reports.unfinished_opt_outs()
    chosen = channels_named(wish.channels, where.channels) if wish.channels else everything
    return Filter(
        channels=chosen - channels_named(wish.not_channels, where.channels),
        authors=frozenset(authors) or None,
        not_authors=frozenset(user_id for user_id, place in leaving if place in (where.guild_id, EVERYWHERE)),
        after_ms=wish.after_ms,
        before_ms=wish.before_ms,
        require=wish.require,
        exclude=wish.exclude,
        exif=wish.exif,
        tags=frozenset(wish.tags),
        not_tags=frozenset(wish.not_tags),
        colours=wish.colours,
        text=wish.text,
    )


def channels_named(references: Iterable[Reference], stored: Sequence[Channel]) -> frozenset[ChannelId]:
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
