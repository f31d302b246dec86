"""/similar and the message command Find similar: pictures, words, or both → the nearest messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands

from bot.commands import CommandContext, Tree
from bot.commands.query_scope import Scope, SearchableChannel, asker, decode_reference, decode_upload, scope_of
from bot.commands.similar_reply import Answers
from bot.commands.translator import localized
from bot.history.message_parser import parse_message
from indexer.clock import now_ms
from indexer.errors import TellPerson
from indexer.query.grammar import Wish, parse
from indexer.records.ids import MessageId

TEXT_CHARACTERS = 300


def register(tree: Tree, context: CommandContext) -> None:
    """Adds the commands and listens for their buttons."""
    answers = Answers(context)
    answers.replies.listen(tree)
    service = context.service

    @app_commands.command(
        name="similar",
        description=localized("command-similar"),
    )
    @app_commands.describe(
        image=localized("option-image"),
        image2=localized("option-second-image"),
        image3=localized("option-third-image"),
        text=localized("option-text"),
        channel=localized("option-channel"),
        author=localized("option-author"),
        after=localized("option-after"),
        before=localized("option-before"),
        count=localized("option-count"),
        share=localized("option-share"),
        explain=localized("option-explain"),
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
        share: bool = False,
        explain: bool = False,
        image2: discord.Attachment | None = None,
        image3: discord.Attachment | None = None,
    ) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, service)
        wish = parse(text or "", now_ms())
        if count is not None:
            wish = replace(wish, count=count)
        scope = await scope_of(service, wish, who, channel, author, after, before)
        given = [upload for upload in (image, image2, image3) if upload is not None]
        pictures = [await decode_upload(service, who, upload) for upload in given]
        await answers.answer(interaction, who, wish, pictures, scope, explain=explain, share=share)

    @similar_command.autocomplete("text")
    async def complete_text(interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        return await context.completion.choices(interaction, typed)

    @app_commands.context_menu(name=localized("command-find-similar"))
    @app_commands.guild_only()
    async def find_similar(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, service)
        target = parse_message(_payload(interaction, message), who.guild_id, stickers=True)
        if not target.pictures:
            raise TellPerson("error-no-picture")
        picture = await decode_reference(service, who, target.pictures[0])
        scope = Scope(not_message=MessageId(message.id))
        await answers.answer(interaction, who, Wish(), [picture], scope, origin="message")

    tree.add_command(similar_command)
    tree.add_command(find_similar)


def _payload(interaction: discord.Interaction[Any], message: discord.Message) -> Mapping[str, Any]:
    """The target message as Discord sent it:
    our own parser finds pictures in more places than discord.py's objects do.
    """
    data: Mapping[str, Any] = interaction.data or {}
    payload: Mapping[str, Any] = data["resolved"]["messages"][str(message.id)]
    return payload
