"""What every question shares: who asks, what they may see at this moment, and the pictures that they upload."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.permissions import visible_channels
from bot.permissions.thread_members import ThreadMembers
from bot.texts import Language
from indexer.clock import now_ms
from indexer.errors import ReadersBusy, RetryLater, TellPerson
from indexer.ports import Priority
from indexer.query.date_parser import parse_date
from indexer.query.grammar import Reference, Wish
from indexer.records.colours import Colour
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import NO_FLAGS, Channel, PictureRef, PlaceFlag
from indexer.records.pictures import DecodedPicture

if TYPE_CHECKING:
    from indexer.service import Service

# A reply that comes later than this is useless to the member who waits. The interaction itself would live 15 minutes.
ANSWER_S = 30.0

SearchableChannel = app_commands.AppCommandChannel | app_commands.AppCommandThread


@dataclass(frozen=True, slots=True)
class Asker:
    """The member who asks and what they may see now. `stored` are the channels the index knows, visible or not.

    `manages`: they hold Manage Server, and may know the state of the whole server's index. `leaving` are members who
    want to be forgotten and whose data is not completely deleted yet.
    """

    guild: discord.Guild
    member: discord.Member
    language: Language
    visible: frozenset[ChannelId]
    stored: Sequence[Channel]
    manages: bool
    asking_channel: visible_channels.AskingChannel
    leaving: frozenset[UserId] = frozenset()

    @property
    def guild_id(self) -> GuildId:
        return GuildId(self.guild.id)

    @property
    def user_id(self) -> UserId:
        return UserId(self.member.id)


@dataclass(frozen=True, slots=True)
class Scope:
    """A member's filters, without what they may see. It is kept with an open reply, and combined with their rights at
    each press.

    `channels` are the chosen channels with their threads (None: all), `not_channels` the excluded ones.
    """

    channels: frozenset[ChannelId] | None = None
    not_channels: frozenset[ChannelId] = frozenset()
    authors: frozenset[UserId] | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    require: PlaceFlag = NO_FLAGS
    exclude: PlaceFlag = NO_FLAGS
    not_message: MessageId | None = None
    tags: frozenset[str] = frozenset()
    not_tags: frozenset[str] = frozenset()
    colours: tuple[Colour, ...] = ()
    text: bool | None = None

    def filter(self, visible: frozenset[ChannelId], leaving: frozenset[UserId]) -> Filter:
        """The filter for a member who may see `visible`:
        never more channels than these, and nothing by authors in `leaving`.
        """
        chosen = visible if self.channels is None else visible & self.channels
        return Filter(
            channels=chosen - self.not_channels,
            authors=self.authors,
            not_authors=leaving,
            after_ms=self.after_ms,
            before_ms=self.before_ms,
            require=self.require,
            exclude=self.exclude,
            not_message=self.not_message,
            tags=self.tags,
            not_tags=self.not_tags,
            colours=self.colours,
            text=self.text,
        )


def manages(interaction: discord.Interaction[Any]) -> bool:
    """Whether the member who asks holds Manage Server at this moment."""
    return interaction.permissions.manage_guild or interaction.permissions.administrator


async def asker(interaction: discord.Interaction[Any], service: Service) -> Asker:
    """Raises TellPerson outside a server."""
    return await asker_in(
        service, interaction.client.thread_members, _member(interaction), Language.of(interaction.locale),
        interaction.channel, manages=manages(interaction),
    )  # fmt: skip


async def asker_at_once(interaction: discord.Interaction[Any], service: Service) -> Asker:
    """As `asker`, but nothing is asked of Discord: private threads that only membership opens count as not visible."""
    return await asker_in(
        service, None, _member(interaction), Language.of(interaction.locale), interaction.channel,
        manages=manages(interaction),
    )  # fmt: skip


def _member(interaction: discord.Interaction[Any]) -> discord.Member:
    if interaction.guild is None or not isinstance(interaction.user, discord.Member):
        raise TellPerson("error-server-only")
    return interaction.user


async def asker_in(
    service: Service,
    threads: ThreadMembers | None,
    member: discord.Member,
    language: Language,
    channel: visible_channels.AskingChannel,
    *,
    manages: bool = False,
) -> Asker:
    """This member as somebody who asks in this channel. None: what is age-restricted is not shown.

    Without `threads` nothing is asked of Discord.
    """
    guild = member.guild
    stored = await service.reports.channels(GuildId(guild.id))
    if threads is None:
        visible = visible_channels.visible_channels(guild, member, channel, stored=stored)
    else:
        visible = await visible_channels.look(threads, guild, member, channel, stored)
    leaving = service.removals.leaving(GuildId(guild.id))
    return Asker(guild, member, language, visible, stored, manages, channel, leaving)


def with_threads(channel_ids: Iterable[int], stored: Iterable[Channel]) -> frozenset[ChannelId]:
    """The channels and every thread in them that the index knows."""
    chosen = {ChannelId(channel_id) for channel_id in channel_ids}
    return frozenset(chosen | {channel.id for channel in stored if channel.parent_id in chosen})


def named_channels(references: Iterable[Reference], who: Asker) -> frozenset[ChannelId]:
    """The channels, with their threads, that these names mean, from those that `who` may see.

    Raises TellPerson for a name that means none of them. The error does not say whether the channel exists elsewhere.
    """
    found: set[ChannelId] = set()
    for reference in references:
        if reference.id is not None:
            matches = {ChannelId(reference.id)}
        else:
            wanted = reference.name.casefold()
            matches = {channel.id for channel in who.stored if channel.name.casefold() == wanted} & who.visible
        if not with_threads(matches, who.stored) & who.visible:
            raise _no_pictures(reference, with_threads(matches or _named(reference, who.stored), who.stored), who)
        found |= matches
    return with_threads(found, who.stored)


def _named(reference: Reference, stored: Iterable[Channel]) -> frozenset[ChannelId]:
    wanted = reference.name.casefold()
    return frozenset(channel.id for channel in stored if channel.name.casefold() == wanted)


def _no_pictures(named: Reference, chosen: frozenset[ChannelId], who: Asker) -> TellPerson:
    """The message for a member who chose these channels and may see none of them here.
    If only age hides them, it says what to do.
    """
    hidden = visible_channels.hidden_for_age(who.guild, who.member, who.asking_channel, who.stored)
    about = "age-restricted" if chosen & hidden else "channel"
    if named.id is not None:
        return TellPerson(f"error-{about}-by-id", channel=str(named.id))
    return TellPerson(f"error-{about}-by-name", channel=named.name)


async def named_authors(service: Service, references: Sequence[Reference], who: Asker) -> frozenset[UserId]:
    """The members that these names mean, from the authors whose messages `who` may see; `me` is the member who asks.

    Raises TellPerson for a name that means none of them.
    """
    found: set[UserId] = set()
    for reference in references:
        if reference.id is not None:
            found.add(UserId(reference.id))
        elif reference.name.casefold() == "me":
            found.add(UserId(who.member.id))
        else:
            named = await service.reports.authors_named(who.guild_id, reference.name, who.visible) - who.leaving
            if not named:
                raise TellPerson("error-author", name=reference.name)
            found |= named
    return frozenset(found)


async def scope_of(
    service: Service,
    wish: Wish,
    who: Asker,
    channel: SearchableChannel | None,
    author: discord.Member | discord.User | None,
    after: str | None,
    before: str | None,
) -> Scope:
    """Combines the options of a command with the filters in its text.
    Raises TellPerson where they cannot be fulfilled.
    """
    if wish.exif is not None:
        raise TellPerson("error-only-in-collections")
    asked_ms = now_ms()
    chosen = named_channels(wish.channels, who) if wish.channels else None
    if channel is not None:
        inside = who.guild.get_channel(channel.id)
        named = [below.id for below in inside.channels] if isinstance(inside, discord.CategoryChannel) else [channel.id]
        below = with_threads(named, who.stored)
        if not below & who.visible:
            raise _no_pictures(Reference(channel.id, ""), below, who)
        chosen = below if chosen is None else chosen & below
    authors = await named_authors(service, wish.authors, who)
    if author is not None:
        authors = authors & {UserId(author.id)} if wish.authors else frozenset({UserId(author.id)})
    return Scope(
        channels=chosen,
        not_channels=named_channels(wish.not_channels, who) if wish.not_channels else frozenset(),
        authors=authors if author is not None or wish.authors else None,
        after_ms=parse_date(after, asked_ms) if after else wish.after_ms,
        before_ms=parse_date(before, asked_ms) if before else wish.before_ms,
        require=wish.require,
        exclude=wish.exclude,
        tags=frozenset(wish.tags),
        not_tags=frozenset(wish.not_tags),
        colours=wish.colours,
        text=wish.text,
    )


async def decode_upload(service: Service, who: Asker, attachment: discord.Attachment) -> DecodedPicture:
    """Opens the uploaded file as a picture.

    Raises Rejected with the sentence for the member, RetryLater, LinkExpired, ReadersBusy.
    """
    return await _decode(service, who, attachment.url, attachment.proxy_url, attachment.width, attachment.height)


async def decode_reference(service: Service, who: Asker, picture: PictureRef) -> DecodedPicture:
    """As `decode_upload`, for a picture that a message shows."""
    return await _decode(service, who, picture.url, picture.proxy_url, picture.width, picture.height)


async def _decode(
    service: Service, who: Asker, url: str, proxy_url: str | None, width: int | None, height: int | None
) -> DecodedPicture:
    """Downloads and opens the picture, one at a time for each member, within ANSWER_S in total."""
    downloading = False
    try:
        async with asyncio.timeout(ANSWER_S), service.decoder.turn_of(who.user_id) as turn:
            downloading = True
            data = await service.fetcher.fetch(
                url, proxy_url=proxy_url, width=width, height=height, priority=Priority.QUERY
            )
            downloading = False
            return await turn.decode(data)
    except TimeoutError:
        message = f"the picture of a question was not there within {ANSWER_S:g} s"
        raise (RetryLater if downloading else ReadersBusy)(message) from None
