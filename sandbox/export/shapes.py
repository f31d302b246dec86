"""Guilds, channels and messages in the exporter's JSON: its fields, in its order, with its names for enumerations."""

from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import quote

from sandbox.snowflakes import ms
from sandbox.wire import Json
from sandbox.world import (
    Attachment,
    Channel,
    ChannelKind,
    Embed,
    File,
    Guild,
    Hosted,
    Message,
    MessageKind,
    Sticker,
    User,
)

CHANNELS: Final = {
    ChannelKind.TEXT: "GuildTextChat",
    ChannelKind.VOICE: "GuildVoiceChat",
    ChannelKind.CATEGORY: "GuildCategory",
    ChannelKind.ANNOUNCEMENT: "GuildNews",
    ChannelKind.ANNOUNCEMENT_THREAD: "GuildNewsThread",
    ChannelKind.PUBLIC_THREAD: "GuildPublicThread",
    ChannelKind.PRIVATE_THREAD: "GuildPrivateThread",
    ChannelKind.STAGE: "GuildStageVoice",
    ChannelKind.FORUM: "GuildForum",
}
# A number without a name in the exporter is written as digits.
_MESSAGES: Final = {
    MessageKind.DEFAULT: "Default",
    MessageKind.USER_JOIN: "GuildMemberJoin",
    MessageKind.REPLY: "Reply",
}
_STICKERS: Final = {1: "Png", 2: "Apng", 3: "Lottie", 4: "Gif"}
_ICON: Final = "https://cdn.discordapp.com/embed/avatars/0.png"

Saves = Callable[[str, File], str]
"""The path under which the exporter saves the file of an address, or the address where it saves none."""


def date(unix_ms: int | None, zone: tzinfo) -> str | None:
    """A time with its offset as .NET writes it: with no more decimals than it needs."""
    if unix_ms is None:
        return None
    moment = datetime.fromtimestamp(unix_ms / 1000, zone)
    text, offset = moment.strftime("%Y-%m-%dT%H:%M:%S"), moment.strftime("%z")
    fraction = f"{unix_ms % 1000:03}".rstrip("0")
    return f"{text}{'.' + fraction if fraction else ''}{offset[:3]}:{offset[3:5]}"


def preamble(guild: Guild, channel: Channel, exported_ms: int, zone: tzinfo) -> Json:
    """The part before the messages. The category of a thread is the channel that it belongs to."""
    parent = channel.parent
    return {
        "guild": {"id": str(guild.id), "name": guild.name, "iconUrl": _ICON},
        "channel": {
            "id": str(channel.id),
            "type": CHANNELS.get(channel.kind, str(int(channel.kind))),
            "categoryId": str(parent.id) if parent else None,
            "category": parent.name if parent else None,
            "name": channel.name,
            "topic": channel.topic or None,
        },
        "dateRange": {"after": None, "before": None},
        "exportedAt": date(exported_ms, zone),
    }


class MessageShapes:
    """Messages of one export, with their media saved by `saves`."""

    def __init__(self, saves: Saves, zone: tzinfo, signed: Callable[[str], str]) -> None:
        """`signed` adds Discord's signature to a link of its CDN."""
        self._saves = saves
        self._zone = zone
        self._signed = signed

    def message(self, subject: Message) -> Json:
        guild = subject.channel.guild
        found: Json = {
            "id": str(subject.id),
            "type": _MESSAGES.get(subject.kind, str(int(subject.kind))),
            "timestamp": date(ms(subject.id), self._zone),
            "timestampEdited": date(subject.edited_ms, self._zone),
            "callEndedTimestamp": None,
            "isPinned": subject.pinned,
            "content": subject.content,
            "author": self._user(guild, subject.author),
            "attachments": self._attachments(subject),
            "components": [],  # the exporter writes buttons; it leaves out galleries and their contents
            "embeds": [self._embed(embed, subject) for embed in subject.embeds],
            "stickers": [self._sticker(sticker) for sticker in subject.stickers],
            "reactions": [],
            "mentions": [],
        }
        other = subject.snapshot or subject.reply_to
        if other is not None:
            found["reference"] = {
                "type": "Forward" if subject.snapshot else "Default",
                "messageId": str(other.id),
                "channelId": str(other.channel.id),
                "guildId": str(guild.id),
            }
        if subject.snapshot is not None:
            found["forwardedMessage"] = {
                "timestamp": date(ms(subject.snapshot.id), self._zone),
                "timestampEdited": date(subject.snapshot.edited_ms, self._zone),
                "content": subject.snapshot.content,
                "attachments": self._attachments(subject.snapshot),
                "embeds": [self._embed(embed, subject.snapshot) for embed in subject.snapshot.embeds],
                "stickers": [self._sticker(sticker) for sticker in subject.snapshot.stickers],
            }
        return found | {"inlineEmojis": []}

    def _user(self, guild: Guild, user: User) -> Json:
        member = guild.members.get(user.id)
        return {
            "id": str(user.id),
            "name": user.name,
            "discriminator": "0000",
            "nickname": member.display_name if member else user.display_name,
            "color": None,
            "isBot": user.bot,
            "roles": [
                {"id": str(role.id), "name": role.name, "color": None, "position": position}
                for position, role in enumerate(member.roles if member else ())
            ],
            "avatarUrl": _ICON,
        }

    def _attachments(self, subject: Message) -> Sequence[Json]:
        return [self._attachment(attachment) for attachment in subject.attachments if not attachment.inside]

    def _attachment(self, subject: Attachment) -> Json:
        address = f"https://cdn.discordapp.com/attachments/{subject.channel_id}/{subject.id}/{quote(subject.file.name)}"
        return {
            "id": str(subject.id),
            "url": self._saves(self._signed(address), subject.file),
            "fileName": subject.file.name,
            "fileSizeBytes": subject.file.size,
        }

    def _embed(self, subject: Embed | dict[str, Any], message: Message) -> Json:
        if isinstance(subject, dict):
            subject = Embed(subject.get("title") or "", subject.get("description") or "", subject.get("url") or "")
        found: Json = {
            "title": subject.title,
            "url": subject.url or None,
            "timestamp": None,
            "description": subject.description,
        }
        for key, picture in (("thumbnail", subject.thumbnail), ("image", subject.image), ("video", subject.video)):
            if isinstance(picture, Hosted):
                found[key] = self._hosted(picture)
        shown = [self._hosted(subject.image)] if isinstance(subject.image, Hosted) else []
        return found | {"images": shown, "fields": [], "inlineEmojis": []}

    def _hosted(self, subject: Hosted) -> Json:
        scheme, _, rest = subject.url.partition("://")
        proxied = f"https://images-ext-1.discordapp.net/external/a-key-of-the-proxy/{scheme}/{quote(rest)}"
        return {
            "url": self._saves(proxied, subject.file),
            "canonicalUrl": subject.url,
            "width": subject.file.width,
            "height": subject.file.height,
        }

    def _sticker(self, subject: Sticker) -> Json:
        host = "media.discordapp.net" if subject.format == 4 else "cdn.discordapp.com"
        ending = {1: "png", 2: "png", 3: "json", 4: "gif"}[subject.format]
        address = f"https://{host}/stickers/{subject.id}.{ending}"
        return {
            "id": str(subject.id),
            "name": subject.name,
            "format": _STICKERS[subject.format],
            "sourceUrl": self._saves(address, subject.file),
        }
