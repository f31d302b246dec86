"""An exported message → `Message`, with the same links that Discord's own payload of it would have. Pure.

Where the exporter has saved a file, it writes the path in the place of the address; the address is made again from the
ids, so that a message is the same one whether Discord or an export tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final, Protocol
from urllib.parse import quote

from indexer.archives.exporter_schema import Attachment, Embed, ExportedChannel, ExportedMessage, Image, Sticker
from indexer.picture_links import (
    PICTURE_SUFFIXES,
    SPOILER_PREFIX,
    bare_link,
    fetchable,
    file_name,
    proxied_source,
    sticker_link,
)
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId, snowflake_ms
from indexer.records.messages import NO_FLAGS, Channel, ChannelKind, Message, PictureRef, PlaceFlag, Source

# The names of Discord's channel types in exports; those that the exporter does not know are digits.
_KINDS: Final = {
    "GuildTextChat": ChannelKind.TEXT,
    "0": ChannelKind.TEXT,
    "DirectTextChat": ChannelKind.TEXT,
    "DirectGroupTextChat": ChannelKind.TEXT,
    "GuildVoiceChat": ChannelKind.VOICE,
    "2": ChannelKind.VOICE,
    "GuildNews": ChannelKind.ANNOUNCEMENT,
    "5": ChannelKind.ANNOUNCEMENT,
    "GuildNewsThread": ChannelKind.ANNOUNCEMENT_THREAD,
    "10": ChannelKind.ANNOUNCEMENT_THREAD,
    "GuildPublicThread": ChannelKind.PUBLIC_THREAD,
    "11": ChannelKind.PUBLIC_THREAD,
    "GuildPrivateThread": ChannelKind.PRIVATE_THREAD,
    "12": ChannelKind.PRIVATE_THREAD,
    "GuildStageVoice": ChannelKind.STAGE,
    "13": ChannelKind.STAGE,
}
# Messages whose words the exporter makes up ("Pinned a message."): nobody said them.
_NOTIFICATIONS: Final = frozenset(
    {"RecipientAdd", "RecipientRemove", "Call", "ChannelNameChange", "ChannelIconChange", "ChannelPinnedMessage",
     "GuildMemberJoin", "ThreadCreated", *(str(number) for number in range(1, 19))}
)  # fmt: skip
_LOTTIE: Final = frozenset({"Lottie", "3"})
_GIF: Final = frozenset({"Gif", "4"})
_PNG: Final = frozenset({"Png", "1"})
_ATTACHMENTS: Final = "https://cdn.discordapp.com/attachments"
_QUARTER_MS: Final = 15 * 60_000  # offsets of time zones are whole quarters of an hour
# The link of a picture of which the export holds a file, and no address.
_FILE_LINK: Final = "export-file:"


class FindsFiles(Protocol):
    """Where the saved files are."""

    def label(self, url: str) -> str | None:
        """Where a person finds the file of an exported address or path; None where there is only the address."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a message's own JSON does not say. `stickers`, `bots`: as in CrawlSettings."""

    guild_id: GuildId
    channel_id: ChannelId
    files: FindsFiles
    stickers: bool = False
    bots: bool = True


@dataclass(frozen=True, slots=True)
class _Found:
    """A picture before it has an ordinal. `shown` is the address or path of the export."""

    source: Source
    link: str
    shown: str
    flags: PlaceFlag
    file_name: str = ""
    alt_text: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None


def to_channel(found: ExportedChannel, guild_id: GuildId) -> Channel:
    """A channel of an unknown kind, and one of a kind that has no messages of its own, counts as a text channel."""
    kind = _KINDS.get(found.type, ChannelKind.TEXT)
    name = found.name or (found.category if found.category and not kind.is_thread else "") or str(found.id)
    parent = ChannelId(found.category_id) if kind.is_thread and found.category_id else None
    return Channel(ChannelId(found.id), guild_id, kind, name, parent)


def to_message(found: ExportedMessage, context: Context) -> Message:
    """A picture that one message shows twice is listed once."""
    ignored = found.author.is_bot and not context.bots
    refs: dict[str, PictureRef] = {}
    if not ignored:
        for picture in _pictures(found, context):
            if picture.link not in refs:
                refs[picture.link] = _reference(picture, len(refs), context)
    return Message(
        id=MessageId(found.id),
        channel_id=context.channel_id,
        guild_id=context.guild_id,
        author_id=UserId(found.author.id),
        author_name=found.author.nickname or found.author.name or "",
        content="" if ignored else _words(found),
        edited_ms=_edited_ms(found),
        pictures=tuple(refs.values()),
        ignored=ignored,
        by_bot=found.author.is_bot,
    )


def _pictures(found: ExportedMessage, context: Context) -> Iterator[_Found]:
    channel_id = int(context.channel_id)
    yield from _shown_by(found.attachments, found.embeds, found.stickers, channel_id, NO_FLAGS, context)
    forwarded = found.forwarded_message
    if forwarded is not None:
        where = (found.reference.channel_id if found.reference else None) or channel_id
        yield from _shown_by(
            forwarded.attachments, forwarded.embeds, forwarded.stickers, where, PlaceFlag.FORWARDED, context
        )


def _shown_by(
    attachments: Sequence[Attachment] | None,
    embeds: Sequence[Embed] | None,
    stickers: Sequence[Sticker] | None,
    channel_id: int,
    flags: PlaceFlag,
    context: Context,
) -> Iterator[_Found]:
    for attachment in attachments or ():
        yield from _of_attachment(attachment, channel_id, flags)
    for embed in embeds or ():
        yield from _of_embed(embed, flags | PlaceFlag.EMBEDDED)
    if context.stickers:
        for sticker in stickers or ():
            yield from _of_sticker(sticker, flags | PlaceFlag.STICKER)


def _of_attachment(attachment: Attachment, channel_id: int, flags: PlaceFlag) -> Iterator[_Found]:
    shown = attachment.url or ""
    name = attachment.file_name or file_name(shown) or _last_part(shown)
    suffix = PurePosixPath(name.lower()).suffix
    if suffix not in PICTURE_SUFFIXES:
        return
    if name.startswith(SPOILER_PREFIX):
        flags |= PlaceFlag.SPOILER
    if suffix in (".gif", ".apng"):
        flags |= PlaceFlag.ANIMATED
    link = bare_link(shown) if fetchable(shown) else f"{_ATTACHMENTS}/{channel_id}/{attachment.id}/{quote(name)}"
    yield _Found(Source.ATTACHMENT, link, shown, flags, name, size=attachment.file_size_bytes)


def _of_embed(embed: Embed, flags: PlaceFlag) -> Iterator[_Found]:
    alt = embed.title or ""
    for image in (embed.image, *(embed.images or ())):
        if image is not None:
            yield from _of_image(image, Source.EMBED_IMAGE, flags, alt)
    if embed.thumbnail is not None:
        moving = embed.video is not None
        source = Source.EMBED_VIDEO if moving else Source.EMBED_THUMBNAIL
        yield from _of_image(embed.thumbnail, source, flags | (PlaceFlag.VIDEO if moving else NO_FLAGS), alt)


def _of_image(image: Image, source: Source, flags: PlaceFlag, alt: str) -> Iterator[_Found]:
    shown = image.url or image.canonical_url or ""
    if not shown:
        return
    if image.canonical_url and fetchable(image.canonical_url):
        link = bare_link(image.canonical_url)
    elif fetchable(shown):
        link = bare_link(proxied_source(shown))
    else:
        link = f"{_FILE_LINK}{quote(_last_part(shown))}"
    name = file_name(link)
    yield _Found(source, link, shown, flags, name, alt, width=_positive(image.width), height=_positive(image.height))


def _of_sticker(sticker: Sticker, flags: PlaceFlag) -> Iterator[_Found]:
    if sticker.format in _LOTTIE:
        return
    moves = sticker.format not in _PNG
    link = sticker_link(sticker.id, gif=sticker.format in _GIF)
    yield _Found(
        Source.STICKER,
        link,
        sticker.source_url or link,
        flags | (PlaceFlag.ANIMATED if moves else NO_FLAGS),
        alt_text=sticker.name or "",
    )


def _reference(found: _Found, ordinal: int, context: Context) -> PictureRef:
    url = found.shown if fetchable(found.shown) else found.link
    proxied = fetchable(url) and found.flags & PlaceFlag.EMBEDDED and found.link not in (url, bare_link(url))
    return PictureRef(
        ordinal=ordinal,
        source=found.source,
        link=found.link,
        url=url,
        proxy_url=url if proxied else None,
        file_name=found.file_name,
        alt_text=found.alt_text,
        size=found.size,
        width=found.width,
        height=found.height,
        flags=found.flags,
        path=context.files.label(found.shown) or "",
    )


def _words(found: ExportedMessage) -> str:
    """What was said; where nothing was, what a forward or the embeds say, one part a line."""
    if found.type in _NOTIFICATIONS:
        return ""
    if found.content:
        return found.content
    parts: list[str | None] = []
    forwarded = found.forwarded_message
    if forwarded is not None:
        parts += [forwarded.content] if forwarded.content else _embed_words(forwarded.embeds)
    parts += _embed_words(found.embeds)
    return "\n".join(part for part in parts if part)


def _embed_words(embeds: Sequence[Embed] | None) -> list[str | None]:
    return [text for embed in embeds or () for text in (embed.title, embed.description)]


def _edited_ms(found: ExportedMessage) -> int | None:
    """When the message was edited. Where the export says local times without their offset, the message itself tells
    the offset: its id says when it was sent, too.
    """
    edited = _moment(found.timestamp_edited)
    if edited is None or edited.tzinfo is not None:
        return _ms(edited)
    sent = _moment(found.timestamp)
    if sent is None or sent.tzinfo is not None:
        return _ms(edited)
    east_ms = ((_ms(sent) or 0) - snowflake_ms(found.id)) / _QUARTER_MS
    return (_ms(edited) or 0) - round(east_ms) * _QUARTER_MS


def unix_ms(timestamp: str | None) -> int | None:
    """Unix milliseconds of a date, in UTC where it says no offset; None for one that is none."""
    return _ms(_moment(timestamp))


def _moment(timestamp: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(timestamp) if timestamp else None
    except ValueError:
        return None


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    try:
        return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _last_part(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _positive(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None
