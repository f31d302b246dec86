"""The JSON that DiscordChatExporter writes, as far as it says something of pictures. Everything else is skipped.

Ids are strings there. Enumerations are names, or digits where the exporter did not know the value.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

T = TypeVar("T")
# A number that SQLite can store: 64 bits. The JSON of a stranger may have any.
Stored = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class ExportedGuild(msgspec.Struct):
    """The server. Id 0 stands for direct messages and group chats."""

    id: int
    name: str | None = None


class ExportedChannel(msgspec.Struct, rename="camel"):
    """The channel. For a thread `category_id` is the channel that it belongs to."""

    id: int
    type: str = ""
    category_id: Stored | None = None
    category: str | None = None
    name: str | None = None


class Header(msgspec.Struct, rename="camel"):
    """What stands before the messages."""

    guild: ExportedGuild
    channel: ExportedChannel
    exported_at: str | None = None


class Author(msgspec.Struct, rename="camel"):
    """Who wrote a message, under the name that the server showed."""

    id: Stored
    name: str | None = None
    nickname: str | None = None
    is_bot: bool = False


class Attachment(msgspec.Struct, rename="camel"):
    """An uploaded file. `url` is a path where the exporter has saved the file."""

    id: int
    url: str | None = None
    file_name: str | None = None
    file_size_bytes: Stored | None = None


class Image(msgspec.Struct, rename="camel"):
    """A picture of an embed. `url` is the media proxy's or a path, `canonical_url` the source (newer exports)."""

    url: str | None = None
    canonical_url: str | None = None
    width: Stored | None = None
    height: Stored | None = None


class Embed(msgspec.Struct, rename="camel"):
    """A link's preview, or what a bot has shown."""

    title: str | None = None
    description: str | None = None
    url: str | None = None
    thumbnail: Image | None = None
    image: Image | None = None
    images: list[Image] | None = None
    video: Image | None = None


class Sticker(msgspec.Struct, rename="camel"):
    """A sticker of a message."""

    id: int
    name: str | None = None
    format: str = ""
    source_url: str | None = None


class Reference(msgspec.Struct, rename="camel"):
    """The message that this one answers or forwards."""

    channel_id: Stored | None = None


class Forwarded(msgspec.Struct, rename="camel"):
    """What a forwarding message shows of the other one."""

    content: str | None = None
    attachments: list[Attachment] | None = None
    embeds: list[Embed] | None = None
    stickers: list[Sticker] | None = None


class ExportedMessage(msgspec.Struct, rename="camel"):
    """One message."""

    id: int
    author: Author
    type: str = ""
    timestamp: str | None = None
    timestamp_edited: str | None = None
    content: str | None = None
    attachments: list[Attachment] | None = None
    embeds: list[Embed] | None = None
    stickers: list[Sticker] | None = None
    reference: Reference | None = None
    forwarded_message: Forwarded | None = None

    @property
    def shows_media(self) -> bool:
        """Whether anything in it might be a picture."""
        return bool(self.attachments or self.embeds or self.stickers or self.forwarded_message)


class Trailer(msgspec.Struct, rename="camel"):
    """What stands behind the messages."""

    message_count: int | None = None


class NotReadable(Exception):
    """These bytes are not the JSON that was expected; the text says why."""


# strict=False: an id in quotes is a number.
_headers = msgspec.json.Decoder(Header, strict=False)
_messages = msgspec.json.Decoder(ExportedMessage, strict=False)
_trailers = msgspec.json.Decoder(Trailer, strict=False)


def header(data: bytes) -> Header:
    """Raises NotReadable."""
    return decoded(_headers, data)


def message(data: bytes) -> ExportedMessage:
    """Raises NotReadable."""
    return decoded(_messages, data)


def stated_count(tail: bytes) -> int | None:
    """How many messages the document says that it has; None where it does not say so. `tail` begins with a `]`."""
    try:
        return _trailers.decode(b'{"messages": [' + tail).message_count
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Raises NotReadable."""
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotReadable(str(error)) from error
