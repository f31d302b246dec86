"""/watch: those who manage a server list pictures, and a channel is told when one of them is posted again."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import discord
from discord import app_commands

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.query_scope import Asker, Scope, SearchableChannel, asker, decode_upload
from bot.commands.reindex import who_may
from bot.commands.translator import localized
from bot.links import jump_link
from bot.permissions.posting import refusal
from bot.permissions.shared_audience import shared_channels
from bot.texts import translate
from indexer.errors import TellPerson
from indexer.pictures.small_copy import webp
from indexer.query.query import Query
from indexer.records.ids import ChannelId, MessageId
from indexer.records.saved_searches import AskedPicture
from indexer.records.watched import Watch, WatchedPicture
from indexer.service import Service

Interaction = discord.Interaction[Any]

_MESSAGE = re.compile(r"/channels/(\d{1,20})/(\d{1,20})/(\d{1,20})/?\s*$")
LISTED = 15  # lines of some 110 characters, in a message of 2,000
CHOICES = 25  # Discord shows no more


class WatchGroup(app_commands.Group):
    """The group `/watch`."""

    def __init__(self, service: Service) -> None:
        super().__init__(
            name="watch",
            description=localized("command-watch"),
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._service = service

    @app_commands.command(description=localized("command-watch-add"))
    @app_commands.describe(
        channel=localized("option-watch-channel"),
        image=localized("option-watch-image"),
        message=localized("option-watch-message"),
        lookalikes=localized("option-watch-lookalikes"),
    )
    async def add(
        self,
        interaction: Interaction,
        channel: SearchableChannel,
        image: discord.Attachment | None = None,
        message: app_commands.Range[str, 1, 200] | None = None,
        lookalikes: bool = False,
    ) -> None:
        who_may(interaction)
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, self._service)
        if (image is None) == (message is None):
            raise TellPerson("watch-either")
        if refusal(who.guild, who.member, channel) is not None:
            raise TellPerson("watch-channel-closed", channel=str(channel.id))
        watch = Watch(who.user_id, MessageId(interaction.id), ChannelId(channel.id), lookalikes)
        numbers = await (
            self._add_message(who, watch, message) if message is not None else self._add_upload(who, watch, image)
        )
        values = {"numbers": _numbers(numbers), "channel": f"<#{channel.id}>"}
        lines = [translate(who.language, "watch-added-alike" if lookalikes else "watch-added", **values)]
        if message is not None:
            lines.append(translate(who.language, "watch-goes"))
        if unwatched := _unwatched(who, channel):
            lines.append(translate(who.language, "watch-unwatched", channels=unwatched, channel=f"<#{channel.id}>"))
        await _say(interaction, "\n".join(lines))

    @app_commands.command(name="list", description=localized("command-watch-list"))
    async def list_all(self, interaction: Interaction) -> None:
        guild_id, _, language = who_may(interaction)
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, self._service)
        watched = await self._service.watched_pictures.listed(guild_id)
        lines = [translate(language, "watch-list", pictures=len(watched))]
        lines += [_line(picture, who) for picture in watched[-LISTED:]]
        if len(watched) > LISTED:
            lines.append(translate(language, "watch-more", pictures=len(watched) - LISTED))
        await _say(interaction, "\n".join(lines))

    @app_commands.command(description=localized("command-watch-remove"))
    @app_commands.describe(number=localized("option-watch-number"))
    async def remove(self, interaction: Interaction, number: int) -> None:
        guild_id, _, language = who_may(interaction)
        await interaction.response.defer(ephemeral=True)
        await self._service.watched_pictures.remove(guild_id, number)
        await _say(interaction, translate(language, "watch-removed", number=str(number)))

    @remove.autocomplete("number")
    async def numbers(self, interaction: Interaction, current: int | str) -> list[app_commands.Choice[int]]:
        """The newest that begin with what was typed."""
        guild_id, _, _ = who_may(interaction)
        watched = await self._service.watched_pictures.listed(guild_id)
        found = [picture.watch_id for picture in reversed(watched) if str(picture.watch_id).startswith(str(current))]
        return [app_commands.Choice(name=f"#{watch_id}", value=watch_id) for watch_id in found[:CHOICES]]

    async def _add_message(self, who: Asker, watch: Watch, link: str) -> list[int]:
        """Raises TellPerson for a message that there is not, or that the member may not see: in the same words."""
        found = _MESSAGE.search(link)
        if found is None or int(found[1]) != who.guild_id or int(found[2]) not in who.visible:
            raise TellPerson("watch-no-picture")
        return await self._service.watched_pictures.add_message(
            who.guild_id, watch, MessageId(int(found[3])), frozenset({ChannelId(int(found[2]))})
        )

    async def _add_upload(self, who: Asker, watch: Watch, image: discord.Attachment | None) -> list[int]:
        assert image is not None, "one of both was given"
        picture = await decode_upload(self._service, who, image)
        assert picture.thumbnail is not None, "a question's pictures come with one"
        small_copy = await asyncio.to_thread(webp, picture.thumbnail)
        query = Query(who.guild_id, Scope().filter(who.visible, who.leaving), frames=picture.frames[:1])
        query = await self._service.searcher.prepare(query)
        asked = AskedPicture(picture.sha256, picture.perceptual_hash, query.model_id, query.vectors[0])
        return [await self._service.watched_pictures.add_upload(who.guild_id, watch, asked, small_copy)]


def _numbers(watch_ids: list[int]) -> str:
    return ", ".join(f"#{watch_id}" for watch_id in watch_ids)


def _unwatched(who: Asker, channel: SearchableChannel) -> int:
    """How many channels the member sees that are not watched, since not everybody in `channel` may read them."""
    here = who.guild.get_channel_or_thread(channel.id)
    unwatched = who.visible - shared_channels(who.guild, here, who.stored)
    return sum(other.id in unwatched for other in who.guild.channels)


def _line(watched: WatchedPicture, who: Asker) -> str:
    language, watch, place = who.language, watched.watch, watched.place
    if place is None:
        what = translate(language, "watch-uploaded")
    elif place.channel_id in who.visible:
        what = jump_link(who.guild_id, place.channel_id, place.message_id)
    else:
        what = translate(language, "watch-hidden")
    how = translate(language, "watch-alike" if watch.alike else "watch-copies")
    return f"- **#{watched.watch_id}** · {what} · {how} → <#{watch.channel_id}>"


async def _say(interaction: Interaction, text: str) -> None:
    await interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)


def register(tree: Tree, context: CommandContext) -> None:
    tree.add_command(WatchGroup(context.service))
