"""/similar and the message command Find similar: a picture, words, or both → the nearest messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.asking import (
    ANSWER_S,
    Asker,
    Scope,
    asker,
    decode_reference,
    decode_upload,
    named_channels,
    with_threads,
)
from bot.commands.open_replies import OpenReplies
from bot.parse import parse_message
from bot.replies.pages import Asked, Dress, page
from bot.replies.texts import Language, say
from indexer.errors import TellPerson
from indexer.model import DecodedPicture, MessageId, PictureId, SearchResult, UserId
from indexer.search.grammar import Wish, parse
from indexer.search.moments import parse_moment
from indexer.search.query import Query

if TYPE_CHECKING:
    from indexer.service import Service

TEXT_CHARACTERS = 300
SearchableChannel = app_commands.AppCommandChannel | app_commands.AppCommandThread


@dataclass(slots=True)
class SimilarReply:
    """One answer to /similar that can still be turned, followed and shared. Everything is searched anew at a press."""

    owner_id: int
    query: Query
    scope: Scope
    asked: Asked
    explain: bool
    similar: Similar
    token: str = ""
    index: int = 0

    async def press(self, interaction: discord.Interaction[Any], action: str, values: Sequence[str]) -> None:
        await interaction.response.defer()
        who = await asker(interaction, self.similar.service)
        match action.partition("-"):
            case "page", _, target:
                self.index = int(target)
                await self.similar.show(interaction, who, self)
            case "more", _, _:
                await self.similar.more_like(interaction, who, self, PictureId(int(values[0])))
            case _:
                raise TellPerson(say(who.language, "error.too_old"))


class Similar:
    """What the commands and their buttons share."""

    def __init__(self, context: CommandContext) -> None:
        self.service: Service = context.service
        self.settings = context.config.settings.search
        self.replies = OpenReplies("similar")

    async def answer(
        self,
        interaction: discord.Interaction[Any],
        who: Asker,
        wish: Wish,
        pictures: Sequence[DecodedPicture],
        scope: Scope,
        *,
        explain: bool = False,
    ) -> None:
        """Searches and replies to a deferred interaction."""
        if not (pictures or wish.words.strip()):
            raise TellPerson(say(who.language, "error.nothing_asked"))
        count = min(wish.count or self.settings.default_count, self.settings.max_count)
        query = replace(
            Query.for_pictures(who.guild_id, scope.filter(who.visible), tuple(pictures), wish.words, count),
            phrases=wish.phrases,
            without=wish.without,
            min_score=wish.min_score,
        )
        query = await self.service.searcher.prepare(query)
        asked = Asked(len(pictures), wish.words, wish.without)
        reply = SimilarReply(interaction.user.id, query, scope, asked, explain, self)
        reply.token = self.replies.remember(reply)
        await self.show(interaction, who, reply)

    async def show(self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply) -> None:
        """Edits the reply to its current page, searched with what `who` may see now."""
        result = await self.search(reply.query.within(reply.scope.filter(who.visible)), who.language)
        dress = Dress(who.language, reply.token, reply.explain)
        view = page(who.guild_id, reply.asked, result, reply.index, dress)
        await interaction.edit_original_response(view=view, allowed_mentions=NO_MENTIONS)

    async def search(self, query: Query, language: Language) -> SearchResult:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self.service.searcher.search(query)
        except TimeoutError:
            raise TellPerson(say(language, "error.timeout")) from None

    async def more_like(
        self, interaction: discord.Interaction[Any], who: Asker, reply: SimilarReply, picture_id: PictureId
    ) -> None:
        """A reply of its own with pictures like one of the hits; the picture must be one that `who` may see."""
        query = Query(who.guild_id, reply.scope.filter(who.visible), like=(picture_id,), count=reply.query.count)
        query = await self.service.searcher.prepare(query)
        following = SimilarReply(reply.owner_id, query, reply.scope, Asked(1), reply.explain, self)
        following.token = self.replies.remember(following)
        result = await self.search(query, who.language)
        view = page(who.guild_id, following.asked, result, 0, Dress(who.language, following.token, reply.explain))
        await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


def scope_of(
    wish: Wish,
    who: Asker,
    channel: SearchableChannel | None,
    author: discord.Member | discord.User | None,
    after: str | None,
    before: str | None,
) -> Scope:
    """The options of a command and the filters of its text, together. Raises TellPerson where they cannot be met."""
    now_ms = round(time.time() * 1000)
    chosen = named_channels(wish.channels, who) if wish.channels else None
    if channel is not None:
        inside = who.guild.get_channel(channel.id)
        named = [one.id for one in inside.channels] if isinstance(inside, discord.CategoryChannel) else [channel.id]
        below = with_threads(named, who.stored)
        if not below & who.visible:
            raise TellPerson(say(who.language, "error.channel", channel=f"<#{channel.id}>"))
        chosen = below if chosen is None else chosen & below
    authors = {UserId(reference.id) for reference in wish.authors if reference.id is not None}
    if author is not None:
        authors = {UserId(author.id)}
    return Scope(
        channels=chosen,
        not_channels=named_channels(wish.not_channels, who) if wish.not_channels else frozenset(),
        authors=frozenset(authors) or None,
        after_ms=parse_moment(after, now_ms) if after else wish.after_ms,
        before_ms=parse_moment(before, now_ms) if before else wish.before_ms,
        require=wish.require,
        exclude=wish.exclude,
    )


def register(tree: Tree, context: CommandContext) -> None:
    """Adds the commands and listens for their buttons."""
    similar = Similar(context)
    similar.replies.listen(tree)
    service = context.service

    @app_commands.command(
        name=locale_str("similar"),
        description=locale_str("Find pictures in this server's history: like a picture, by words, or both"),
    )
    @app_commands.describe(
        image=locale_str("A picture to compare with"),
        text=locale_str("What to look for, as in: cat in the rain -dog in:#memes has:gif"),
        channel=locale_str("Only in this channel or category, threads included"),
        author=locale_str("Only what this member posted"),
        after=locale_str("Only from this day on: 2024-05-01, yesterday, 3 weeks ago"),
        before=locale_str("Only before this day: 2024-05-01, yesterday, 3 weeks ago"),
        count=locale_str("How many hits"),
        explain=locale_str("Show how each hit got its place"),
    )
    @app_commands.guild_only()
    async def similar_command(
        interaction: discord.Interaction[Any],
        image: discord.Attachment | None = None,
        text: app_commands.Range[str, 1, TEXT_CHARACTERS] | None = None,
        channel: SearchableChannel | None = None,
        author: discord.User | None = None,
        after: app_commands.Range[str, 1, 40] | None = None,
        before: app_commands.Range[str, 1, 40] | None = None,
        count: app_commands.Range[int, 1, 50] | None = None,
        explain: bool = False,
    ) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, service)
        wish = parse(text or "", round(time.time() * 1000))
        if count is not None:
            wish = replace(wish, count=count)
        scope = scope_of(wish, who, channel, author, after, before)
        pictures = [await decode_upload(service, image)] if image is not None else []
        await similar.answer(interaction, who, wish, pictures, scope, explain=explain)

    @app_commands.context_menu(name=locale_str("Find similar"))
    @app_commands.guild_only()
    async def find_similar(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, service)
        target = parse_message(_payload(interaction, message), who.guild_id, stickers=True)
        if not target.pictures:
            raise TellPerson(say(who.language, "error.no_picture"))
        picture = await decode_reference(service, target.pictures[0])
        await similar.answer(interaction, who, Wish(), [picture], Scope(not_message=MessageId(message.id)))

    tree.add_command(similar_command)
    tree.add_command(find_similar)


def _payload(interaction: discord.Interaction[Any], message: discord.Message) -> Mapping[str, Any]:
    """The target message as Discord sent it: our own parser knows more places of pictures than discord.py's objects."""
    data: Mapping[str, Any] = interaction.data or {}
    payload: Mapping[str, Any] = data["resolved"]["messages"][str(message.id)]
    return payload
