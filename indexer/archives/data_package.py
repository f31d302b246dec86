"""Discord's own data package: what somebody gets who asks Discord for their data. It has their own messages alone.

    account/user.json            {"id": "…", "username": "…", "global_name": "…"}
    messages/index.json          {"ID": "general in SERVER", "ID": "Direct Message with ada#0", "ID": null}
    messages/cID/channel.json    {"id": "…", "type": 0 or "GUILD_TEXT", "name": …, "guild": {"id": …, "name": …}}
    messages/cID/messages.json   [{"ID": 1, "Timestamp": "2023-05-05 12:12:12", "Contents": "…", "Attachments": "URL"}]
    messages/cID/messages.csv    ID,Timestamp,Contents,Attachments (packages from before 2024)

`name` and `guild` are missing for direct messages, and for channels of servers that the person has left: those count as
direct messages, under the name that `index.json` gives. The folders are named in the person's language, so a channel is
found by its two files. Attachments are links that Discord has signed for a short time, or not at all.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import Final

import msgspec

from indexer.archives import exporter_schema as schema
from indexer.archives.message_stream import MESSAGE_BYTES, ByteStream, Damage, Element, MessageStream
from indexer.picture_links import fetchable, file_name
from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import Channel, ChannelKind
from indexer.sentence import Sentence

CHANNEL_FILE: Final = "channel.json"
MESSAGE_FILES: Final = ("messages.json", "messages.csv")
ACCOUNT_FILE: Final = "user.json"
INDEX_FILE: Final = "index.json"
SMALL_BYTES: Final = 16 << 20  # of the files beside the messages; an index of 10,000 channels has one megabyte
_PREFIX: Final = b'{"messages":'  # so that a bare list is a document like the exporter's
_LINE_BYTES: Final = 1 << 20
_KINDS: Final = {
    "0": ChannelKind.TEXT,
    "GUILD_TEXT": ChannelKind.TEXT,
    "2": ChannelKind.VOICE,
    "GUILD_VOICE": ChannelKind.VOICE,
    "5": ChannelKind.ANNOUNCEMENT,
    "GUILD_ANNOUNCEMENT": ChannelKind.ANNOUNCEMENT,
    "10": ChannelKind.ANNOUNCEMENT_THREAD,
    "ANNOUNCEMENT_THREAD": ChannelKind.ANNOUNCEMENT_THREAD,
    "11": ChannelKind.PUBLIC_THREAD,
    "PUBLIC_THREAD": ChannelKind.PUBLIC_THREAD,
    "12": ChannelKind.PRIVATE_THREAD,
    "PRIVATE_THREAD": ChannelKind.PRIVATE_THREAD,
    "13": ChannelKind.STAGE,
    "GUILD_STAGE_VOICE": ChannelKind.STAGE,
}


class PackageGuild(msgspec.Struct):
    """The server of a channel."""

    id: schema.Stored
    name: str | None = None


class PackageChannel(msgspec.Struct):
    """channel.json."""

    id: schema.Stored
    type: int | str = 1
    name: str | None = None
    guild: PackageGuild | None = None


class PackageUser(msgspec.Struct):
    """account/user.json."""

    id: schema.Stored
    username: str
    global_name: str | None = None


class PackageMessage(msgspec.Struct, rename="pascal"):
    """One message. Its time is in its id."""

    id: schema.Stored = msgspec.field(name="ID")
    contents: str | None = None
    attachments: str | None = None


_channels = msgspec.json.Decoder(PackageChannel, strict=False)
_users = msgspec.json.Decoder(PackageUser, strict=False)
_messages = msgspec.json.Decoder(PackageMessage, strict=False)
_names = msgspec.json.Decoder(dict[str, str | None])


def channel_of(data: bytes) -> PackageChannel:
    """Raises NotReadable."""
    return schema.decoded(_channels, data)


def user_of(data: bytes) -> PackageUser:
    """Raises NotReadable."""
    return schema.decoded(_users, data)


def names_of(data: bytes) -> dict[str, str | None]:
    """Channels' names by their ids, as index.json has them; none where it is damaged."""
    try:
        return schema.decoded(_names, data)
    except schema.NotReadable:
        return {}


def to_channel(found: PackageChannel, names: dict[str, str | None]) -> Channel:
    name = found.name or names.get(str(found.id)) or str(found.id)
    kind = _KINDS.get(str(found.type), ChannelKind.TEXT)
    return Channel(ChannelId(found.id), GuildId(found.guild.id if found.guild else 0), kind, name)


def messages_in(stream: ByteStream, author: PackageUser, *, as_csv: bool) -> Iterator[Element | Damage]:
    """The messages of one file, as the exporter would have written them; `offset` is the byte, or of .csv the line.

    Raises what the stream raises.
    """
    return _in_csv(stream, author) if as_csv else _in_json(stream, author)


def _in_json(stream: ByteStream, author: PackageUser) -> Iterator[Element | Damage]:
    elements = MessageStream(_Prefixed(stream))
    elements.header()
    for element in elements:
        offset = max(element.offset - len(_PREFIX), 0)
        if isinstance(element, Damage):
            yield Damage(offset, element.reason)
            continue
        try:
            yield Element(offset, _exported(schema.decoded(_messages, element.data), author))
        except schema.NotReadable as error:
            yield Damage(offset, Sentence("archive-bad-message", {"error": str(error)}))


def _in_csv(stream: ByteStream, author: PackageUser) -> Iterator[Element | Damage]:
    rows = csv.reader(_lines(stream))
    columns = [name.strip().lower() for name in next(rows, [])]
    if columns[:1] != ["id"] or "contents" not in columns:
        raise schema.NotReadable("its first line does not name ID and Contents")
    while True:
        try:
            row = next(rows, None)
            if row is None:
                return
            said = dict(zip(columns, row, strict=False))
            message = PackageMessage(int(said["id"]), said.get("contents", ""), said.get("attachments", ""))
        except (ValueError, KeyError, csv.Error) as error:
            yield Damage(rows.line_num, Sentence("archive-bad-message", {"error": str(error)}))
            continue
        yield Element(rows.line_num, _exported(message, author))


def _exported(found: PackageMessage, author: PackageUser) -> bytes:
    links = [link for link in (found.attachments or "").split() if fetchable(link)]
    message = schema.ExportedMessage(
        id=found.id,
        author=schema.Author(author.id, author.global_name or author.username),
        content=found.contents,
        attachments=[schema.Attachment(0, link, file_name(link)) for link in links],
    )
    return msgspec.json.encode(message)


def _lines(stream: ByteStream) -> Iterator[str]:
    """Lines with their ends; bytes that are no UTF-8 become question marks. Raises NotReadable where a line is longer
    than a message may be.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest = ""
    while data := stream.read(_LINE_BYTES):
        *lines, rest = (rest + decoder.decode(data)).split("\n")
        yield from (f"{line}\n" for line in lines)
        if len(rest) > MESSAGE_BYTES:
            raise schema.NotReadable(f"a line of it has more than {MESSAGE_BYTES:,} characters")
    if rest:
        yield rest


class _Prefixed:
    """A stream with something before it."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._begun = False

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        if self._begun:
            return data
        self._begun = True
        return _PREFIX + data.removeprefix(codecs.BOM_UTF8)
