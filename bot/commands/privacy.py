"""/privacy: says what is stored, with buttons that work after a restart too:
forget me, export, let me be found again.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
from typing import Any

import discord
from discord import app_commands

from bot.commands import NO_MENTIONS, CommandContext, Tree, answer_error
from bot.commands.open_replies import PAGES_A_COMMAND
from bot.commands.translator import localized
from bot.texts import Language, translate
from bot.texts.formats import size_text
from bot.token_buckets import TokenBuckets
from indexer.errors import TellPerson
from indexer.records.ids import EVERYWHERE, GuildId, UserId, snowflake_ms
from indexer.records.saved_searches import AskedPicture
from indexer.reports.data_export import HeldMessage
from indexer.service import Service

Interaction = discord.Interaction[Any]

# Discord's own default, used where an interaction does not say how large a file may be sent back.
ATTACHMENT_BYTES = 10 * 1024 * 1024

# An export reads every message of a member, in all servers. The time of the last one is kept in memory only: after a
# restart the hour begins again.
EXPORTS_A_MINUTE = 1 / 60

_DANGER = {"sure-here", "sure-everywhere", "forget-here", "forget-everywhere"}


def buttons(language: Language, *actions: str) -> discord.ui.View:
    """Buttons that state their action in their id and store nothing else: any process of this bot can answer them."""
    view = discord.ui.View(timeout=None)
    for action in actions:
        label = {"forget-here": "yes", "forget-everywhere": "yes"}.get(action, action).replace("sure-", "forget-")
        style = discord.ButtonStyle.danger if action in _DANGER else discord.ButtonStyle.secondary
        view.add_item(
            discord.ui.Button(label=translate(language, f"privacy-{label}"), style=style, custom_id=f"privacy:{action}")
        )
    return view


class Privacy:
    """State that the command and its buttons share. Everything concerns only the member who asks."""

    def __init__(self, context: CommandContext) -> None:
        self._service: Service = context.service
        self._keeps_all = context.config.settings.crawl.messages == "all"
        self._presses = context.presses
        self._some_servers = not context.config.discord.shards.whole  # other processes have the others, and their index
        self.exports = TokenBuckets(EXPORTS_A_MINUTE, 1)

    async def about(self, interaction: Interaction) -> None:
        guild_id, user_id, language = _who(interaction)
        held = await self._service.reports.held(user_id, guild_id)
        out = await self._service.reports.opted_out(user_id)
        saved = await self._service.saved_searches.of_member(user_id, guild_id)
        lines = [
            translate(language, "privacy-title"),
            translate(language, "privacy-kept-all" if self._keeps_all else "privacy-kept"),
            translate(language, "privacy-yours", messages=held.messages, pictures=held.pictures),
        ]
        if saved:
            lines.append(translate(language, "privacy-saved", searches=len(saved)))
        actions = ["sure-here", "sure-everywhere", "export"]
        if EVERYWHERE in out:
            lines.append(translate(language, "privacy-out-everywhere"))
            actions = ["export", "return"]
        elif guild_id in out:
            lines.append(translate(language, "privacy-out-here"))
            actions = ["sure-everywhere", "export", "return"]
        if self._some_servers and self._service.promises is None:
            lines.append(translate(language, "privacy-some-servers"))
        await interaction.response.send_message(
            "\n".join(lines), view=buttons(language, *actions), ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    async def press(self, interaction: Interaction, action: str) -> None:
        guild_id, user_id, language = _who(interaction)
        if wait := self._presses.take(user_id, PAGES_A_COMMAND):
            raise TellPerson("error-rate", seconds=max(1, round(wait)))
        if action == "export" and (wait := self.exports.take(user_id)):
            raise TellPerson("privacy-exported-before", minutes=max(1, round(wait / 60)))
        match action:
            case "sure-here" | "sure-everywhere":
                view = buttons(language, action.replace("sure", "forget"), "no")
                text = self._of_all(language, f"privacy-{action}", everywhere=action == "sure-everywhere")
                await interaction.response.edit_message(content=text, view=view)
            case "no":
                await interaction.response.edit_message(content=translate(language, "privacy-kept-as-is"), view=None)
            case "forget-here" | "forget-everywhere":
                await interaction.response.defer()
                where = guild_id if action == "forget-here" else EVERYWHERE
                deleted_count = await self._service.forget_user(user_id, where, by=user_id)
                text = self._of_all(language, "privacy-noted", everywhere=where == EVERYWHERE)
                if deleted_count is not None:
                    text = self._of_all(
                        language, "privacy-forgotten", everywhere=where == EVERYWHERE, messages=deleted_count
                    )
                text = await self._with_safety(text, language, kept=deleted_count is not None)
                await interaction.edit_original_response(content=text, view=None)
            case "return":
                await interaction.response.defer()
                await self._service.welcome_back(user_id, guild_id)
                text = self._of_all(language, "privacy-back", everywhere=True)
                text = await self._with_safety(text, language, kept=True)
                await interaction.edit_original_response(content=text, view=None)
            case "export":
                await interaction.response.defer(ephemeral=True, thinking=True)
                await self._export(interaction, user_id, language)
            case _:
                raise TellPerson("error-too-old")

    async def _with_safety(self, text: str, language: Language, *, kept: bool) -> str:
        """Says so where the wish would be lost with this machine, although a storage outside was to keep it.

        `kept`: it is in the database, which tells the storage.
        """
        safe = await self._service.made_safe() and (kept or self._service.promises is None)
        return text if safe else f"{text}\n{translate(language, 'privacy-here-only')}"

    def _of_all(self, language: Language, key: str, *, everywhere: bool, **values: int) -> str:
        """The text of what concerns one server, or all of them. Where other processes of the bot serve some, it says
        so: their index is not reached from here. A storage that all of them have carries promises to each.
        """
        text = translate(language, key, **values)
        reached = self._service.promises is not None and key != "privacy-exported"
        if not everywhere or not self._some_servers or reached:
            return text
        return f"{text}\n{translate(language, 'privacy-some-servers')}"

    async def _export(self, interaction: Interaction, user_id: UserId, language: Language) -> None:
        out = await self._service.reports.opted_out(user_id)
        messages = [_exported(message) for message in await self._service.reports.held_messages(user_id)]
        saved = await self._service.saved_searches.of_member(user_id)
        watched = await self._service.watched_pictures.added_by(user_id)
        if not (messages or out or saved or watched):
            raise TellPerson("privacy-nothing-here" if self._some_servers else "privacy-nothing")
        held = {
            "user": str(user_id),
            "opted_out_of": ["everywhere" if guild == EVERYWHERE else str(guild) for guild in out],
            "messages": messages,
            "saved_searches": [
                {
                    "guild": str(search.guild_id),
                    "name": search.name,
                    "question": search.question,
                    **({"picture": _asked_with(search.picture)} if search.picture is not None else {}),
                    "unix_ms": search.created_ms,
                }
                for search in saved
            ],
            "watched_pictures": [
                {
                    "guild": str(guild),
                    "number": picture.watch_id,
                    "told_channel": str(picture.watch.channel_id),
                    "unix_ms": snowflake_ms(picture.watch.after_id),
                    **({"picture": _asked_with(picture.picture)} if picture.picture is not None else {}),
                }
                for guild, picture in watched
            ],
        }
        name, data = await asyncio.to_thread(_pack, held, interaction.filesize_limit or ATTACHMENT_BYTES, language)
        if data is None:
            raise TellPerson("privacy-too-large", size=name)
        await interaction.edit_original_response(
            content=self._of_all(language, "privacy-exported", everywhere=True, messages=len(messages)),
            attachments=[discord.File(io.BytesIO(data), name)],
            allowed_mentions=NO_MENTIONS,
        )


def _exported(message: HeldMessage) -> dict[str, Any]:
    guild, channel, message_id = message.guild_id, message.channel_id, message.message_id
    return {
        "guild": str(guild),
        "channel": str(channel),
        "message": str(message_id),
        "link": f"https://discord.com/channels/{guild}/{channel}/{message_id}",
        "unix_ms": snowflake_ms(message_id),
        "content": message.content,
        "pictures": [
            {
                "link": picture.link,
                "file_name": picture.file_name,
                "alt_text": picture.alt_text,
                **({"texts": dict(picture.texts)} if picture.texts else {}),
                **({"tags": list(picture.tags)} if picture.tags else {}),
            }
            for picture in message.pictures
        ],
    }


def _asked_with(picture: AskedPicture) -> dict[str, Any]:
    return {
        "sha256": picture.sha256.hex(),
        "perceptual_hash": f"{picture.perceptual_hash:016x}",
        "embedding": [round(float(number), 4) for number in picture.vector],
    }


def _pack(held: dict[str, Any], limit: int, language: Language) -> tuple[str, bytes | None]:
    """The file's name and bytes: uncompressed if that fits, else compressed if that fits, else its size and None.
    Blocks.
    """
    data = json.dumps(held, ensure_ascii=False, indent=1).encode()
    if len(data) <= limit:
        return "afterimage-export.json", data
    packed = gzip.compress(data)
    return ("afterimage-export.json.gz", packed) if len(packed) <= limit else (size_text(len(packed), language), None)


def _who(interaction: Interaction) -> tuple[GuildId, UserId, Language]:
    language = Language.of(interaction.locale)
    if interaction.guild_id is None:
        raise TellPerson("error-server-only")
    return GuildId(interaction.guild_id), UserId(interaction.user.id), language


def register(tree: Tree, context: CommandContext) -> None:
    shared = Privacy(context)

    class Pressed(
        discord.ui.DynamicItem[discord.ui.Button[Any]],
        template=r"privacy:(?P<action>.{1,60})",
    ):
        def __init__(self, item: discord.ui.Button[Any], action: str) -> None:
            super().__init__(item)
            self._action = action

        @classmethod
        async def from_custom_id(
            cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
        ) -> Pressed:
            assert isinstance(item, discord.ui.Button), "the id is given to buttons only"
            return cls(item, match["action"])

        async def callback(self, interaction: Interaction) -> None:
            try:
                await shared.press(interaction, self._action)
            except Exception as error:  # noqa: BLE001 -- discord.py would only log it: the person must be told too
                await answer_error(interaction, error)

    @app_commands.command(name="privacy", description=localized("command-privacy"))
    @app_commands.guild_only()
    async def privacy(interaction: Interaction) -> None:
        await shared.about(interaction)

    tree.client.add_dynamic_items(Pressed)
    tree.add_command(privacy)
