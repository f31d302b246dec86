"""/random: a random picture of this server's history; every picture has the same chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.commands import CommandContext, Tree, edit_reply
from bot.commands.open_replies import OpenReplies
from bot.commands.query_scope import Asker, Scope, SearchableChannel, asker, scope_of
from bot.commands.similar_reply import Answers
from bot.commands.thumbnails import give_addresses
from bot.commands.translator import localized
from bot.replies.single import single
from indexer.errors import TellPerson
from indexer.query.grammar import Wish
from indexer.records.ids import PictureId

if TYPE_CHECKING:
    from indexer.service import Service


class Random:
    """State that the command and its buttons share. `answers` searches for pictures like the one shown."""

    def __init__(self, context: CommandContext, answers: Answers) -> None:
        self.context = context
        self.service: Service = context.service
        self.answers = answers
        self.replies = OpenReplies("random", context.presses)

    async def show(self, interaction: discord.Interaction[Any], who: Asker, reply: RandomReply) -> None:
        filter_ = reply.scope.filter(who.visible, who.leaving)
        detail = await self.service.reports.random_place(who.guild_id, filter_)
        if detail is None:
            raise TellPerson("random-none")
        reply.picture_id = detail.picture_id
        view = single(detail, who.language, reply.token)
        where = {detail.link: (detail.channel_id, detail.message_id)}
        files = await give_addresses(self.context, interaction, view, where)
        await edit_reply(interaction, view=view, attachments=files)


@dataclass(slots=True)
class RandomReply:
    """One answer with a button for another picture."""

    owner_id: int
    scope: Scope
    random: Random
    token: str = ""
    picture_id: PictureId | None = None

    async def press(self, interaction: discord.Interaction[Any], action: str, values: Sequence[str]) -> None:
        if action == "another":
            await interaction.response.defer()
            await self.random.show(interaction, await asker(interaction, self.random.service), self)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        who = await asker(interaction, self.random.service)
        if action != "like":
            raise TellPerson("error-too-old")
        if self.picture_id is None:
            raise TellPerson("error-no-hit")
        await self.random.answers.answer_like(interaction, who, self.picture_id, self.scope)


def register(tree: Tree, context: CommandContext) -> None:
    """Adds the command and listens for its buttons."""
    answers = Answers(context, "random-like")
    answers.replies.listen(tree)
    random = Random(context, answers)
    random.replies.listen(tree)

    @app_commands.command(name="random", description=localized("command-random"))
    @app_commands.describe(
        channel=localized("option-channel"),
        author=localized("option-author"),
        after=localized("option-after"),
        before=localized("option-before"),
    )
    @app_commands.guild_only()
    async def random_command(
        interaction: discord.Interaction[Any],
        channel: SearchableChannel | None = None,
        author: discord.User | None = None,
        after: app_commands.Range[str, 1, 40] | None = None,
        before: app_commands.Range[str, 1, 40] | None = None,
    ) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, context.service)
        scope = await scope_of(context.service, Wish(), who, channel, author, after, before)
        reply = RandomReply(interaction.user.id, scope, random)
        reply.token = random.replies.remember(reply)
        await random.show(interaction, who, reply)

    tree.add_command(random_command)
