"""Messages in Discord's JSON."""

from collections.abc import Sequence

from sandbox.links import Links
from sandbox.snowflakes import iso, ms
from sandbox.wire import Json
from sandbox.wire.components import component
from sandbox.wire.guilds import member, user
from sandbox.wire.media import attachment, embed
from sandbox.world import Application, Message, User

_FORWARD = 1  # message_reference.type


def message(subject: Message, links: Links, *, readable: bool = True) -> Json:
    """A message.

    `readable=False`: as an application without the MESSAGE_CONTENT intent gets it, with empty content.
    """
    world = subject.channel.guild.world
    mentions = subject.mentions
    found = _substance(subject, links, readable=readable) | {
        "id": str(subject.id),
        "channel_id": str(subject.channel.id),
        "author": user(subject.author),
        "pinned": subject.pinned,
        "mention_everyone": bool(mentions.get("everyone")),
        "tts": False,
    }
    if subject.nonce is not None:
        found["nonce"] = subject.nonce
    if subject.metadata is not None:
        found |= {"interaction_metadata": subject.metadata, "webhook_id": str(world.application.id)}
    if subject.author.id == world.bot.id:
        found["application_id"] = str(world.application.id)
    if subject.reply_to is not None:
        found["message_reference"] = _reference(subject.reply_to, 0)
        is_deleted = subject.reply_to.channel.message(subject.reply_to.id) is None
        found["referenced_message"] = (
            None if is_deleted else message_without_reference(subject.reply_to, links, readable=readable)
        )
    if subject.snapshot is not None:
        found["message_reference"] = _reference(subject.snapshot, _FORWARD)
        found["message_snapshots"] = [{"message": _substance(subject.snapshot, links, readable=readable)}]
    return found


def message_without_reference(subject: Message, links: Links, *, readable: bool) -> Json:
    """A message as another message quotes it: one level deep."""
    found = message(subject, links, readable=readable)
    for key in ("referenced_message", "message_snapshots"):
        found.pop(key, None)
    return found


def event(subject: Message, links: Links, *, readable: bool) -> Json:
    """A message in MESSAGE_CREATE and MESSAGE_UPDATE: with the guild and its author's membership."""
    guild = subject.channel.guild
    found = message(subject, links, readable=readable) | {
        "guild_id": str(guild.id),
        "channel_type": int(subject.channel.kind),
    }
    author = guild.members.get(subject.author.id)
    if author is not None:
        found["member"] = member(author, with_user=False)
    for mention in found["mentions"]:
        if mentioned := guild.members.get(int(mention["id"])):
            mention["member"] = member(mentioned, with_user=False)
    return found


def _substance(subject: Message, links: Links, *, readable: bool) -> Json:
    """The fields that need MESSAGE_CONTENT, and that a snapshot contains."""
    world = subject.channel.guild.world
    users: Sequence[User] = [world.users[i] for i in subject.mentions.get("users", ()) if i in world.users]
    found: Json = {
        "type": int(subject.kind),
        "content": subject.content if readable else "",
        "mentions": [user(found) for found in users],
        "mention_roles": [str(i) for i in subject.mentions.get("roles", ())],
        "attachments": [],
        "embeds": [],
        "components": [],
        "timestamp": iso(ms(subject.id)),
        "edited_timestamp": iso(subject.edited_ms) if subject.edited_ms else None,
        "flags": int(subject.flags),
    }
    if readable:
        found["attachments"] = [attachment(a, links) for a in subject.attachments if not a.inside]
        found["embeds"] = [embed(e, subject, links) for e in subject.embeds]
        found["components"] = [component(c, subject, links) for c in subject.components]
    if subject.stickers:
        found["sticker_items"] = [{"id": str(s.id), "name": s.name, "format_type": s.format} for s in subject.stickers]
    return found


def _reference(subject: Message, kind: int) -> Json:
    return {
        "type": kind,
        "message_id": str(subject.id),
        "channel_id": str(subject.channel.id),
        "guild_id": str(subject.channel.guild.id),
    }


def readable(subject: Message, app: Application, *, granted: bool) -> bool:
    """Whether the bot gets the content:
    always with the intent, otherwise only for its own messages and messages that mention it.
    """
    return granted or subject.author.id == app.id or app.id in subject.mentions.get("users", ())
