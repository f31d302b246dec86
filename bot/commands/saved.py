"""/saved: searches that a member keeps under a name, asks again, lists and removes. Only that member sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord
from discord import app_commands

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.query_scope import Asker, Scope, SearchableChannel, asker, decode_upload
from bot.commands.saved_question import read_question, saved_question
from bot.commands.similar import TEXT_CHARACTERS
from bot.commands.similar_reply import Answers, require_something
from bot.commands.translator import localized
from bot.permissions.posting import refusal
from bot.replies.closeness import Asked
from bot.replies.escape import escaped
from bot.texts import Language, translate
from indexer.errors import TellPerson
from indexer.notices.saved_searches import MOST_A_MEMBER, NAME_CHARACTERS
from indexer.query.query import Query
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, UserId
from indexer.records.saved_searches import AskedPicture, Notice, SavedSearch

# Ten lines with both parts escaped fit into the 2,000 characters of a message.
SHOWN_CHARACTERS = 35

Interaction = discord.Interaction[Any]
Name = app_commands.Range[str, 1, NAME_CHARACTERS]
Text = app_commands.Range[str, 1, TEXT_CHARACTERS]


class Saved(app_commands.Group):
    """The group `/saved`."""

    def __init__(self, context: CommandContext, answers: Answers) -> None:
        super().__init__(name="saved", description=localized("command-saved"), guild_only=True)
        self._service = context.service
        self._answers = answers
        self._completion = context.completion
        self._minutes = context.config.limits.notice_minutes

    @app_commands.command(description=localized("command-saved-add"))
    @app_commands.describe(
        name=localized("option-saved-name"),
        text=localized("option-text"),
        image=localized("option-image"),
        notify=localized("option-saved-notify"),
        channel=localized("option-saved-channel"),
    )
    async def add(
        self,
        interaction: Interaction,
        name: Name,
        text: Text | None = None,
        image: discord.Attachment | None = None,
        notify: bool = False,
        channel: SearchableChannel | None = None,
    ) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, self._service)
        wish, scope = await read_question(self._service, who, text or "")
        if image is None:
            require_something(wish, scope)
        if who.user_id in who.leaving:
            raise TellPerson("saved-opted-out")
        notice = self._notice(interaction, who, channel) if notify or channel is not None else None
        picture = None if image is None else await self._embedded(interaction, who, image)
        saved = self._service.saved_searches
        stored = await saved.save(who.user_id, who.guild_id, name, text or "", picture, notice)
        lines = [translate(who.language, "saved-added", name=escaped(stored, NAME_CHARACTERS))]
        if notice is not None:
            lines.append(_told_how(notice, who.language, self._minutes))
        await self._say(interaction, "\n".join(lines))

    @add.autocomplete("text")
    async def complete_text(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._completion.choices(interaction, typed)

    @app_commands.command(name="list", description=localized("command-saved-list"))
    async def list_all(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        guild_id, user_id, language = _who(interaction)
        found = await self._service.saved_searches.of_member(user_id, guild_id)
        answering = (await self._service.searcher.of(guild_id)).model_id
        lines = [translate(language, "saved-list", searches=len(found), most=MOST_A_MEMBER)]
        lines += [_line(saved, language, answering) for saved in found]
        await self._say(interaction, "\n".join(lines))

    @app_commands.command(description=localized("command-saved-run"))
    @app_commands.describe(name=localized("option-saved-name"))
    async def run(self, interaction: Interaction, name: Name) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, self._service)
        saved = await self._service.saved_searches.get(who.user_id, who.guild_id, name)
        asked = await saved_question(self._service, who, saved)
        query = asked.query
        if asked.outdated and not saved.question:
            raise TellPerson("saved-picture-outdated", name=saved.name)
        shown = Asked(int(query.has_pictures), asked.wish.words, asked.wish.without)
        await self._answers.answer_query(interaction, who, asked.wish, query, asked.scope, shown)
        if asked.outdated:
            note = translate(who.language, "saved-without-picture", name=escaped(saved.name, NAME_CHARACTERS))
            await interaction.followup.send(note, ephemeral=True, allowed_mentions=NO_MENTIONS)

    @app_commands.command(description=localized("command-saved-remove"))
    @app_commands.describe(name=localized("option-saved-name"))
    async def remove(self, interaction: Interaction, name: Name) -> None:
        await interaction.response.defer(ephemeral=True)
        guild_id, user_id, language = _who(interaction)
        removed = await self._service.saved_searches.remove(user_id, guild_id, name)
        await self._say(interaction, translate(language, "saved-removed", name=escaped(removed, NAME_CHARACTERS)))

    @run.autocomplete("name")
    @remove.autocomplete("name")
    async def names(self, interaction: Interaction, current: str) -> list[app_commands.Choice[str]]:
        """The member's own names that contain what was typed."""
        guild_id, user_id, _ = _who(interaction)
        found = await self._service.saved_searches.of_member(user_id, guild_id)
        typed = current.casefold()
        return [app_commands.Choice(name=saved.name, value=saved.name) for saved in found if typed in saved.name]

    @staticmethod
    def _notice(interaction: Interaction, who: Asker, channel: SearchableChannel | None) -> Notice:
        """How the member wants to be told. Raises TellPerson for a channel where they, or the bot, may not post."""
        if channel is not None and refusal(who.guild, who.member, channel) is not None:
            raise TellPerson("saved-channel-closed", channel=str(channel.id))
        channel_id = None if channel is None else ChannelId(channel.id)
        return Notice(MessageId(interaction.id), who.language.value, channel_id)

    async def _embedded(self, interaction: Interaction, who: Asker, image: discord.Attachment) -> AskedPicture:
        """The uploaded picture, as it is kept."""
        picture = await decode_upload(self._service, who, image)
        query = Query(who.guild_id, Scope().filter(who.visible, who.leaving), frames=picture.frames[:1])
        query = await self._answers.search.prepared(interaction, who, replace(query, asker=who.user_id))
        return AskedPicture(picture.sha256, picture.perceptual_hash, query.model_id, query.vectors[0])

    async def _say(self, interaction: Interaction, text: str) -> None:
        # Without a view: it may say so far that the model is waking up.
        await interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)


def _line(saved: SavedSearch, language: Language, answering: ModelId) -> str:
    parts = [escaped(saved.question, SHOWN_CHARACTERS)] if saved.question else []
    if saved.picture is not None:
        outdated = saved.picture.model_id != answering
        parts.append(translate(language, "saved-with-an-old-picture" if outdated else "saved-with-a-picture"))
    if saved.notice is not None:
        parts.append(translate(language, "saved-tells"))
    return f"- **{escaped(saved.name, NAME_CHARACTERS)}**: {' · '.join(parts)}"


def _told_how(notice: Notice, language: Language, minutes: float) -> str:
    if notice.channel_id is None:
        return translate(language, "saved-will-tell", minutes=minutes)
    return translate(language, "saved-will-tell-in", minutes=minutes, channel=f"<#{notice.channel_id}>")


def _who(interaction: Interaction) -> tuple[GuildId, UserId, Language]:
    if interaction.guild_id is None:
        raise TellPerson("error-server-only")
    return GuildId(interaction.guild_id), UserId(interaction.user.id), Language.of(interaction.locale)


def register(tree: Tree, context: CommandContext) -> None:
    """Adds the commands and listens for the buttons of their answers."""
    answers = Answers(context, "saved")
    answers.replies.listen(tree)
    tree.add_command(Saved(context, answers))
