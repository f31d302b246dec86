"""One picture, shown large: for /random."""

from __future__ import annotations

from typing import Any

import discord

from bot.links import jump_link
from bot.replies.escape import excerpt, plain
from bot.replies.pages import ACCENT, ALT_CHARACTERS, EXCERPT_CHARACTERS, custom_id, showable, stamp
from bot.texts import Language, translate
from indexer.records.hits import PlaceDetail
from indexer.records.messages import PlaceFlag


def single(detail: PlaceDetail, language: Language, token: str | None) -> discord.ui.LayoutView:
    """The picture, the member who posted it with place and time,
    and buttons for another picture and for more like it.
    """
    container: discord.ui.Container[Any] = discord.ui.Container(accent_colour=ACCENT)
    hidden = bool(detail.flags & PlaceFlag.SPOILER)
    if showable(detail.link):
        description = None if hidden else plain(detail.alt_text or detail.file_name, ALT_CHARACTERS) or None
        gallery: discord.ui.MediaGallery[Any] = discord.ui.MediaGallery()
        gallery.add_item(media=detail.link, description=description, spoiler=hidden)
        container.add_item(gallery)
    lines = [
        translate(
            language,
            "hit-where",
            author=f"<@{detail.author_id}>",
            channel=f"<#{detail.channel_id}>",
            age=stamp(detail.message_id, "R"),
            link=jump_link(detail.guild_id, detail.channel_id, detail.message_id),
        )
    ]
    if words := excerpt(detail.content, EXCERPT_CHARACTERS):
        lines.append(f"> {words}")
    container.add_item(discord.ui.TextDisplay("\n".join(lines)))
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(container)
    if token is not None:
        row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
        for action in ("another", "like"):
            row.add_item(
                discord.ui.Button(
                    label=translate(language, f"button-{action}"),
                    custom_id=custom_id(token, action),
                    style=discord.ButtonStyle.secondary,
                )
            )
        view.add_item(row)
    view.stop()  # as in pages.py
    return view
