"""Converts Discord's raw message payloads to `Message`. Pure: no network, no cache, no discord.py.

docs/what-is-indexed.md lists every place where a picture can be in a message. Each row there is one branch here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from indexer.picture_links import (
    PICTURE_SUFFIXES,
    SPOILER_PREFIX,
    STICKER_CDN,
    VIDEO_SUFFIXES,
    bare_link,
    fetchable,
    file_name,
    sticker_link,
)
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import NO_FLAGS, Message, PictureRef, PlaceFlag, Source

Payload = Mapping[str, Any]

ATTACHMENT_SPOILER = 1 << 3
ATTACHMENT_ANIMATED = 1 << 5

# Component types of the messages API.
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE = 9, 10, 11, 12, 13

# Sticker formats: 1 PNG, 2 APNG, 3 Lottie (vector animation as JSON: no picture), 4 GIF.
STICKER_LOTTIE, STICKER_GIF = 3, 4


@dataclass(frozen=True, slots=True)
class _Found:
    """A picture before it gets an ordinal and its inherited flags. `video`: where the video is whose still it is."""

    source: Source
    media: Payload
    flags: PlaceFlag = NO_FLAGS
    alt_text: str = ""
    file_name: str = ""
    video: str = ""


def parse_message(
    payload: Payload, guild_id: GuildId, *, stickers: bool = False, sticker_cdn: str = STICKER_CDN
) -> Message:
    """Converts a message payload of Discord's API v10 (REST or gateway) to a Message.

    `stickers` asks for sticker pictures too, found below `sticker_cdn`. A picture that one message shows twice is
    listed once. A message may show words outside its content: in a forward, in text displays, in an embed's title and
    description. If it has no content, these words take its place. Raises KeyError or ValueError where the payload is
    not a message.
    """
    found = list(_pictures(payload, stickers=stickers, sticker_cdn=sticker_cdn))
    pictures: list[PictureRef] = []
    seen: set[str] = set()
    for picture in found:
        ref = _reference(picture, len(pictures))
        if ref is not None and ref.link not in seen:
            seen.add(ref.link)
            pictures.append(ref)
    author: Payload = payload["author"]
    edited = payload.get("edited_timestamp")
    return Message(
        id=MessageId(int(payload["id"])),
        channel_id=ChannelId(int(payload["channel_id"])),
        guild_id=guild_id,
        author_id=UserId(int(author["id"])),
        author_name=str(author.get("global_name") or author.get("username") or ""),
        content=str(payload.get("content") or "") or _words(payload),
        edited_ms=round(datetime.fromisoformat(edited).timestamp() * 1000) if edited else None,
        pictures=tuple(pictures),
        by_bot=is_by_bot(payload),
    )


def is_by_bot(payload: Payload) -> bool:
    """Whether a bot or a webhook wrote the message. Discord marks the author of both as a bot."""
    return bool(payload["author"].get("bot")) or payload.get("webhook_id") is not None


def shows_nothing(payload: Payload) -> bool:
    """True for a message with no content of any kind. Discord does not let a person post such a message."""
    kept = ("content", "attachments", "embeds", "components", "sticker_items", "poll", "message_snapshots", "activity")
    return not any(payload.get(part) for part in kept)


def _pictures(payload: Payload, *, stickers: bool, sticker_cdn: str) -> Iterator[_Found]:
    for attachment in _list(payload, "attachments"):
        yield from _of_attachment(attachment)
    for embed in _list(payload, "embeds"):
        yield from _of_embed(embed)
    for component in _list(payload, "components"):
        yield from _of_component(component, NO_FLAGS)
    if stickers:
        for sticker in _list(payload, "sticker_items"):
            yield from _of_sticker(sticker, sticker_cdn)
    for snapshot in _list(payload, "message_snapshots"):
        for picture in _pictures(snapshot.get("message") or {}, stickers=stickers, sticker_cdn=sticker_cdn):
            yield replace(picture, flags=picture.flags | PlaceFlag.FORWARDED)


def _of_attachment(attachment: Payload) -> Iterator[_Found]:
    name = str(attachment.get("filename") or "")
    suffix = PurePosixPath(name.lower()).suffix
    bits = int(attachment.get("flags") or 0)
    flags = NO_FLAGS
    if bits & ATTACHMENT_SPOILER or name.startswith(SPOILER_PREFIX):  # since June 2026 Discord sends one or the other
        flags |= PlaceFlag.SPOILER
    if bits & ATTACHMENT_ANIMATED or suffix in (".gif", ".apng"):
        flags |= PlaceFlag.ANIMATED
    title = str(attachment.get("title") or "")
    # Discord reduces a file's name to ASCII and keeps the real one, without its extension, as the title.
    shown = f"{title.removesuffix(suffix)}{suffix}" if title else name
    alt = str(attachment.get("description") or "")
    if _is_video(attachment, suffix):
        if attachment.get("proxy_url") and attachment.get("width"):
            yield _Found(Source.VIDEO, attachment, flags | PlaceFlag.VIDEO, alt, shown)
    elif _is_picture(attachment, suffix):
        yield _Found(Source.ATTACHMENT, attachment, flags, alt, shown)


def _is_video(media: Payload, suffix: str) -> bool:
    kind = str(media.get("content_type") or "")
    return kind.startswith("video/") or (not kind and suffix in VIDEO_SUFFIXES)


def _is_picture(media: Payload, suffix: str) -> bool:
    """Whether it is a picture: by its type, by its name, or because Discord measured it.
    Its bytes give the final answer later.
    """
    kind = str(media.get("content_type") or "")
    return kind.startswith("image/") or suffix in PICTURE_SUFFIXES or bool(media.get("width") and media.get("height"))


def _of_embed(embed: Payload) -> Iterator[_Found]:
    alt = str(embed.get("title") or "")
    if embed.get("image"):
        yield _Found(Source.EMBED_IMAGE, embed["image"], PlaceFlag.EMBEDDED, alt)
    if embed.get("thumbnail"):
        if embed.get("video"):
            flags = PlaceFlag.EMBEDDED | PlaceFlag.VIDEO
            if embed.get("type") == "gifv":
                flags |= PlaceFlag.ANIMATED
            yield _Found(
                Source.EMBED_VIDEO, embed["thumbnail"], flags, alt, video=str(embed["video"].get("proxy_url") or "")
            )
        else:
            yield _Found(Source.EMBED_THUMBNAIL, embed["thumbnail"], PlaceFlag.EMBEDDED, alt)


def _of_component(component: Payload, inherited: PlaceFlag) -> Iterator[_Found]:
    kind = component.get("type")
    flags = inherited | (PlaceFlag.SPOILER if component.get("spoiler") else NO_FLAGS)
    if kind == THUMBNAIL and component.get("media"):
        yield from _of_media(component["media"], flags, str(component.get("description") or ""))
    elif kind == GALLERY:
        for item in _list(component, "items"):
            hidden = PlaceFlag.SPOILER if item.get("spoiler") else NO_FLAGS
            yield from _of_media(item.get("media") or {}, flags | hidden, str(item.get("description") or ""))
    elif kind == FILE and component.get("file"):
        yield from _of_media(component["file"], flags, "", str(component.get("name") or ""))
    else:
        for child in _list(component, "components"):
            yield from _of_component(child, flags)
        if kind == SECTION and component.get("accessory"):
            yield from _of_component(component["accessory"], flags)


def _of_media(media: Payload, flags: PlaceFlag, alt: str, name: str = "") -> Iterator[_Found]:
    """An unfurled media item. If Discord has not loaded it, it has no type and no size, so its name decides."""
    suffix = PurePosixPath(file_name(str(media.get("url") or "")).lower()).suffix
    bits = int(media.get("flags") or 0)
    if bits & ATTACHMENT_ANIMATED or suffix == ".gif":
        flags |= PlaceFlag.ANIMATED
    if _is_video(media, suffix):
        if media.get("proxy_url"):
            yield _Found(Source.COMPONENT, media, flags | PlaceFlag.VIDEO, alt, name)
    elif _is_picture(media, suffix):
        yield _Found(Source.COMPONENT, media, flags, alt, name)


def _of_sticker(sticker: Payload, cdn: str) -> Iterator[_Found]:
    form = int(sticker.get("format_type") or 0)
    if form in (0, STICKER_LOTTIE):
        return
    url = sticker_link(sticker["id"], gif=form == STICKER_GIF, cdn=cdn)
    flags = PlaceFlag.STICKER | (PlaceFlag.ANIMATED if form != 1 else NO_FLAGS)
    yield _Found(Source.STICKER, {"url": url}, flags, str(sticker.get("name") or ""))


def _reference(found: _Found, ordinal: int) -> PictureRef | None:
    media = found.media
    url = str(media.get("url") or "")
    proxy = str(media.get("proxy_url") or "") or None
    if not fetchable(url):
        return None
    link = bare_link(url)
    video = found.video
    if found.flags & PlaceFlag.VIDEO and found.source in (Source.VIDEO, Source.COMPONENT) and proxy is not None:
        video, url = url, _poster(proxy)
        proxy = url
    elif proxy is not None and found.source is not Source.ATTACHMENT and link == url:
        url = proxy  # the bot never contacts an unknown host; Discord's proxy has a copy of its own
    size, width, height = (_positive(media.get(key)) for key in ("size", "width", "height"))
    return PictureRef(
        ordinal=ordinal,
        source=found.source,
        link=link,
        url=url,
        proxy_url=proxy,
        file_name=found.file_name or ("" if found.source is Source.STICKER else file_name(link)),
        alt_text=found.alt_text,
        content_type=str(media["content_type"]) if media.get("content_type") else None,
        size=None if found.flags & PlaceFlag.VIDEO else size,
        video_url=video,
        video_size=size if video and found.source is not Source.EMBED_VIDEO else None,
        width=width,
        height=height,
        flags=found.flags,
    )


def _poster(proxy_url: str) -> str:
    """The still picture of a video, from the media proxy."""
    parts = urlsplit(proxy_url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "format"]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode([*query, ("format", "webp")]), ""))


def _words(payload: Payload) -> str:
    """The words that a message without content shows elsewhere: in forwards, text displays, embeds;
    one part on each line.
    """
    parts: list[str] = []
    for snapshot in _list(payload, "message_snapshots"):
        inner: Payload = snapshot.get("message") or {}
        parts.append(str(inner.get("content") or "") or _words(inner))
    for component in _list(payload, "components"):
        parts.extend(_text_displays(component))
    for embed in _list(payload, "embeds"):
        parts.extend(str(embed.get(key) or "") for key in ("title", "description"))
    return "\n".join(part for part in parts if part)


def _text_displays(component: Payload) -> Iterator[str]:
    if component.get("type") == TEXT_DISPLAY:
        yield str(component.get("content") or "")
    for child in _list(component, "components"):
        yield from _text_displays(child)


def _list(payload: Payload, key: str) -> Sequence[Payload]:
    return payload.get(key) or ()


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
