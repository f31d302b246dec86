"""A discord.py message as the raw payload it was made from, as far as `bot.history.message_parser` reads it.

The gateway's new messages and the target of a message command reach the bot as objects only. Turning them back keeps
one reader for all: whatever parse finds in history, it finds live. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord


def payload_of(message: discord.Message) -> dict[str, Any]:
    """The payload of `message`: author, content, times, and every part that can hold a picture."""
    author = message.author
    return {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": message.type.value,
        "author": {
            "id": str(author.id),
            "username": author.name,
            "global_name": author.global_name,
            "bot": author.bot,
        },
        "webhook_id": str(message.webhook_id) if message.webhook_id is not None else None,
        "application_id": str(message.application_id) if message.application_id is not None else None,
        "edited_timestamp": message.edited_at.isoformat() if message.edited_at is not None else None,
        "poll": {} if message.poll is None else {"question": {"text": message.poll.question}},
        "activity": message.activity,
        **_body(message),
        "message_snapshots": [{"message": _body(snapshot)} for snapshot in message.message_snapshots],
    }


def _body(part: discord.Message | discord.MessageSnapshot) -> dict[str, Any]:
    return {
        "content": part.content,
        "attachments": [attachment_payload(attachment) for attachment in part.attachments],
        "embeds": [embed.to_dict() for embed in part.embeds],
        "components": _components(part.components),
        "sticker_items": [
            {"id": str(sticker.id), "name": sticker.name, "format_type": sticker.format.value}
            for sticker in part.stickers
        ],
    }


def attachment_payload(attachment: discord.Attachment) -> dict[str, Any]:
    """The payload of one attachment, of a message or of a command's option."""
    return {**attachment.to_dict(), "title": attachment.title, "flags": attachment.flags.value}


def _components(components: Sequence[object]) -> list[dict[str, Any]]:
    return [payload for component in components if (payload := _component(component))]


def _component(component: object) -> dict[str, Any]:
    """Only the kinds that can hold a picture or words; the others are empty."""
    match component:
        case discord.Container():
            return {"type": 17, "spoiler": component.spoiler, "components": _components(component.children)}
        case discord.SectionComponent():
            return {
                "type": 9,
                "components": _components(component.children),
                "accessory": _component(component.accessory),
            }
        case discord.TextDisplay():
            return {"type": 10, "content": component.content}
        case discord.ThumbnailComponent():
            return {
                "type": 11,
                "media": _media(component.media),
                "description": component.description,
                "spoiler": component.spoiler,
            }
        case discord.MediaGalleryComponent():
            return {
                "type": 12,
                "items": [
                    {"media": _media(item.media), "description": item.description, "spoiler": item.spoiler}
                    for item in component.items
                ],
            }
        case discord.FileComponent():
            return {
                "type": 13,
                "file": _media(component.media),
                "name": component.name,
                "spoiler": component.spoiler,
            }
        case _:
            return {}


def _media(media: discord.UnfurledMediaItem) -> dict[str, Any]:
    return {
        "url": media.url,
        "proxy_url": media.proxy_url,
        "width": media.width,
        "height": media.height,
        "content_type": media.content_type,
        "flags": media.flags.value,
    }
