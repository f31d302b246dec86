"""Gives a reply's pictures addresses that Discord shows. `discord.thumbnails` selects the kind:

- links: the bare CDN link. Discord documents that it signs such links in API fields, but does not name components.
- signed: the link that the picture's message contains now; those messages are requested before they are shown anyway.
- uploaded: a small copy, attached to the reply. If a link or copy cannot be made in time, the picture keeps the kind of
  link above it in this list.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import discord

from indexer.errors import AfterimageError
from indexer.hit_pictures import Shown
from indexer.pictures.small_copy import webp
from indexer.records.ids import ChannelId, MessageId, UserId

if TYPE_CHECKING:
    from bot.commands import CommandContext

# Seconds for all pictures of a reply together. A page has five pictures, and most of their messages were just
# requested.
SIGNED_S = 1.0
UPLOADED_S = 4.0

# The place of each picture of a reply: its bare link → its channel and message.
Places = Mapping[str, tuple[ChannelId, MessageId]]


async def give_addresses(
    context: CommandContext, interaction: discord.Interaction[Any], view: discord.ui.LayoutView, places: Places
) -> list[discord.File]:
    """Changes the addresses of the pictures in `view`; returns the files that have to be sent with it.

    Copies are opened in the turn of the member who asked.
    """
    mode = context.config.discord.thumbnails
    shown = [item for item in _pictures(view) if item.media.url in places]
    if mode == "links" or not shown:
        return []
    links = {item.media.url for item in shown}
    copies = await _copies(context, interaction, {link: places[link] for link in links}) if mode == "uploaded" else {}
    missing = {link: places[link] for link in links if link not in copies}
    signed = await _signed(context, missing)
    names = {link: f"picture-{number}.webp" for number, link in enumerate(copies, start=1)}
    for item in shown:
        link = item.media.url
        item.media = f"attachment://{names[link]}" if link in names else signed.get(link, link)
    return [discord.File(io.BytesIO(copies[link]), name) for link, name in names.items()]


def _pictures(view: discord.ui.LayoutView) -> Iterator[discord.ui.Thumbnail[Any] | discord.MediaGalleryItem]:
    for item in view.walk_children():
        if isinstance(item, discord.ui.Thumbnail):
            yield item
        elif isinstance(item, discord.ui.MediaGallery):
            yield from item.items


async def _signed(context: CommandContext, places: Places) -> dict[str, str]:
    signed: dict[str, str] = {}

    async def ask(link: str, channel_id: ChannelId, message_id: MessageId) -> None:
        with suppress(AfterimageError):
            picture = await context.service.hit_verifier.picture(channel_id, message_id, link)
            if picture is not None:
                signed[link] = picture.url

    with suppress(TimeoutError):
        async with asyncio.timeout(SIGNED_S), asyncio.TaskGroup() as tasks:
            for link, where in places.items():
                tasks.create_task(ask(link, *where))
    return signed


async def _copies(context: CommandContext, interaction: discord.Interaction[Any], places: Places) -> dict[str, bytes]:
    service = context.service
    wanted = {link: Shown(channel_id, message_id, link) for link, (channel_id, message_id) in places.items()}
    pictures = await service.hit_pictures.pixels(service.decoder, UserId(interaction.user.id), wanted, UPLOADED_S)
    return {link: await asyncio.to_thread(webp, picture) for link, picture in pictures.items()}
