"""An export of DiscordChatExporter as a History. Opening it reads all of it once; then any page is at hand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from indexer.archives import exporter_schema as schema
from indexer.archives.documents import UNREADABLE, Document, find
from indexer.archives.expansion import Refused
from indexer.archives.export_index import ExportIndex, Options, Told, build
from indexer.archives.exporter_message import Context, to_message
from indexer.archives.folders import DiskFolder
from indexer.archives.indexed_archive import PAGE_SIZE, IndexedArchive
from indexer.archives.read_ahead import Key, ReadAhead
from indexer.archives.rows import Rows
from indexer.archives.survey import Files, is_dead
from indexer.errors import ArchiveClosed, LinkExpired, Reason, Rejected
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import Channel, Message, PictureRef

KIND: Final = "discord-chat-exporter"  # of its origin

# Stretches that lie this near to each other are read in one go: a read costs more than the bytes between them.
_GAP_BYTES: Final = 64 << 10
_READ_BYTES: Final = 8 << 20
# An error page that was saved as a picture is text; no format of pictures that is read begins like this.
_TEXT_BEGINS: Final = (b"<", b"{", b"This content", b"Not Found", b"404")


class ExportArchive(IndexedArchive[ExportIndex]):
    """Reads messages and files; never writes. Safe to use from many tasks.

    `version` changes with the documents and with what is taken of them.
    """

    kind = KIND

    def __init__(
        self, location: Path, media_folders: Sequence[Path], index: ExportIndex, options: Options, version: str
    ) -> None:
        super().__init__(location, index)
        self.media_folders = tuple(media_folders)
        self.version = version
        self._options = options
        self._folders = tuple(dict.fromkeys(folder for found in index.documents for folder in found.folders))
        self._reading = threading.Lock()  # one position in each open file
        self._pages: ReadAhead[list[Message]] = ReadAhead()

    @property
    def written_ms(self) -> int:
        return self.index.written_ms

    def to_read(self, guild_id: GuildId) -> int:
        """How many messages a run reads."""
        return sum(len(rows.ids) for rows in self.index.rows.values() if rows.channel.guild_id == guild_id)

    def to_fetch(self, guild_id: GuildId) -> int:
        """How many pictures they show."""
        return self.index.survey.counts[guild_id].pictures

    async def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        found = [rows.channel for rows in self.index.rows.values() if rows.channel.guild_id == guild_id]
        for channel in sorted(found, key=lambda channel: (channel.kind.is_thread, channel.id)):
            yield channel

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        low, high = self._rows(channel_id).page(before, after, PAGE_SIZE)
        older = (channel_id, max(low - PAGE_SIZE, 0), low) if low and after is None else None
        return await self._pages.get(self._page, (channel_id, low, high), older)

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        rows = self._rows(channel_id)
        row = rows.row_of(message_id)
        return None if row is None else (await asyncio.to_thread(self._page, (channel_id, row, row + 1)))[0]

    async def picture(self, ref: PictureRef) -> bytes | None:
        """Raises LinkExpired where there is no file and the link is known to be dead: nobody is asked in vain."""
        if ref.path:
            data = await asyncio.to_thread(self.file_bytes, ref.path)
            if data is not None:
                return data
        if not ref.url.startswith("http"):
            raise Rejected(Reason.GONE, "its file is missing, and the export has no address of it")
        if is_dead(ref.url, time.time()):
            raise LinkExpired(f"the export's link of {ref.link} has expired")
        return None

    def _page(self, key: Key) -> list[Message]:
        """The messages of these rows of a channel, newest first."""
        channel_id, low, high = key
        rows = self.index.rows[ChannelId(channel_id)]
        contexts: dict[int, Context] = {}
        found: list[Message] = []
        try:
            for number, data in self._read(rows, low, high):
                if number not in contexts:
                    contexts[number] = self._context(rows.channel, number)
                found.append(to_message(schema.message(data), contexts[number]))
        except (*UNREADABLE, schema.NotReadable, Refused) as error:
            raise ArchiveClosed(self.location) from error
        found.sort(key=lambda message: -message.id)
        return found

    def _context(self, channel: Channel, number: int) -> Context:
        files = Files(self.index.documents[number].media)
        return Context(channel.guild_id, channel.id, files, self._options.stickers, self._options.bots)

    def _read(self, rows: Rows, low: int, high: int) -> Iterator[tuple[int, bytes]]:
        """The document's number and the bytes of each message, by where they stand."""
        documents = rows.documents[low:high]
        for number in sorted(set(documents.tolist())):
            mine = np.flatnonzero(documents == number) + low
            mine = mine[np.argsort(rows.offsets[mine])]
            offsets, lengths = rows.offsets[mine].tolist(), rows.lengths[mine].tolist()
            document = self.index.documents[number]
            for first, last in _stretches(offsets, lengths):
                begin = offsets[first]
                data = self._bytes(document, begin, offsets[last - 1] + lengths[last - 1] - begin)
                for offset, length in zip(offsets[first:last], lengths[first:last], strict=True):
                    yield number, data[offset - begin : offset - begin + length]

    def _bytes(self, document: Document, offset: int, length: int) -> bytes:
        folder = document.folders[0]
        if document.spooled:
            assert self.index.spool is not None, "it was made with the index"
            with self._reading:
                return self.index.spool.read(offset, length)
        assert isinstance(folder, DiskFolder), "what lies elsewhere is spooled"
        with folder.open(document.parts) as file:
            file.seek(offset)
            return file.read(length)

    def file_bytes(self, label: str) -> bytes | None:
        """The bytes of a saved file; None where it is gone or an error page. Raises Rejected where it is too large."""
        most = self._options.max_file_bytes
        for folder in self._folders:
            parts = folder.parts_of(label)
            if parts is None:
                continue
            try:
                with folder.open(parts) as file:
                    data = file.read(most + 1)
            except (*UNREADABLE, Refused, KeyError):
                return None
            if len(data) > most:
                raise Rejected(Reason.TOO_MANY_BYTES, f"over {most} bytes")
            return None if not data or data[:64].lstrip().startswith(_TEXT_BEGINS) else data
        return None


def _stretches(offsets: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs first…last-1 of messages that are read together; `offsets` ascend."""
    first = 0
    for at in range(1, len(offsets) + 1):
        apart = at == len(offsets) or offsets[at] - (offsets[at - 1] + lengths[at - 1]) > _GAP_BYTES
        if apart or offsets[at] + lengths[at] - offsets[first] > _READ_BYTES:
            yield first, at
            first = at


def open_export(
    location: Path, options: Options, media_folders: Sequence[Path] = (), told: Told | None = None
) -> ExportArchive:
    """Blocks while the export is read: call it in a thread. Never raises for what is wrong in it: see its problems."""
    found = find(location, media_folders)
    return ExportArchive(location, media_folders, build(found, options, told), options, options.version(found))
