"""A folder of pictures on this machine as a History: its folders are channels, its files are messages."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from indexer.archives.indexed_archive import PAGE_SIZE, IndexedArchive
from indexer.archives.picture_index import FileRecord, PictureIndex, Told, build
from indexer.archives.picture_walk import below, shown
from indexer.archives.rows import Rows
from indexer.errors import Reason, Rejected
from indexer.picture_links import largest_file
from indexer.records.collections import COLLECTION_KIND, Collection
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import NO_FLAGS, Channel, Message, PictureRef, PlaceFlag, Source

LINK: Final = "collection-file:"  # and the file's mark, 16 hexadecimal digits


class PictureFolder(IndexedArchive[PictureIndex]):
    """Reads names, Exif and files; never writes. Safe to use from many tasks.

    It lists only folders with files that are not stored: a file never changes (another size or time is another file),
    so the others have nothing to tell.
    """

    kind = COLLECTION_KIND
    media_folders: tuple[Path, ...] = ()

    def __init__(self, location: Path, index: PictureIndex, max_file_bytes: int) -> None:
        super().__init__(location, index)
        self.written_ms = time.time_ns() // 1_000_000
        self._root = os.fsencode(location)
        self._max_file_bytes = max_file_bytes
        self._reading = threading.Lock()  # one position in the spool

    @property
    def version(self) -> str:
        return self.index.version

    @property
    def vanished(self) -> Sequence[MessageId]:
        """The stored messages whose files are not there any more."""
        return [MessageId(message_id) for message_id in self.index.vanished.tolist()]

    @property
    def unreadable(self) -> Sequence[str]:
        """Folders that could not be looked into: what lies below them may still be there."""
        return self.index.unreadable

    def to_read(self, guild_id: GuildId) -> int:
        """How many messages a run reads."""
        return sum(len(self.index.rows[channel_id].ids) for channel_id, count in self.index.fresh.items() if count)

    def to_fetch(self, guild_id: GuildId) -> int:
        """How many pictures a run fetches."""
        return sum(self.index.fresh.values())

    async def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        for channel_id, rows in self.index.rows.items():
            if self.index.fresh[channel_id]:
                yield rows.channel

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        rows = self._rows(channel_id)
        return await asyncio.to_thread(self._messages, rows, *rows.page(before, after, PAGE_SIZE))

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        rows = self._rows(channel_id)
        row = rows.row_of(message_id)
        return None if row is None else (await asyncio.to_thread(self._messages, rows, row, row + 1))[0]

    async def picture(self, ref: PictureRef) -> bytes | None:
        """The file's bytes. Raises Rejected: it is gone, may not be read, or is too large."""
        return await asyncio.to_thread(self._bytes, ref)

    def _messages(self, rows: Rows, low: int, high: int) -> list[Message]:
        """Messages low…high-1, newest first."""
        messages = []
        for row in reversed(range(low, high)):
            with self._reading:
                record = self.index.record(int(rows.offsets[row]), int(rows.lengths[row]))
            messages.append(self._message(rows.channel, MessageId(int(rows.ids[row])), record))
        return messages

    def _message(self, channel: Channel, message_id: MessageId, record: FileRecord) -> Message:
        name = shown(record.name)
        link = f"{LINK}{record.mark:016x}"
        moves = name.lower().endswith((".gif", ".apng"))
        picture = PictureRef(
            ordinal=0,
            source=Source.ATTACHMENT,
            link=link,
            url=link,
            file_name=name,
            size=record.byte_count,
            flags=PlaceFlag.ANIMATED if moves else NO_FLAGS,
            path=shown(self._path(record)),
            exif=record.exif,
        )
        guild = self.survey.guilds[channel.guild_id]
        return Message(message_id, channel.id, guild.id, UserId(guild.id), author_name=guild.name, pictures=(picture,))

    def _path(self, record: FileRecord) -> bytes:
        return below(self._root, below(record.folder, record.name))

    def _bytes(self, ref: PictureRef) -> bytes:
        with self._reading:
            record = self.index.record_of(int(ref.link.removeprefix(LINK), 16))
        if record is None:
            raise Rejected(Reason.GONE, f"{ref.path} is not there any more")
        most = largest_file(shown(record.name), self._max_file_bytes)
        try:
            with Path(os.fsdecode(self._path(record))).open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError as error:
            raise Rejected(Reason.GONE, str(error)) from error
        except OSError as error:
            raise Rejected(Reason.FORBIDDEN, str(error)) from error
        if len(data) > most:
            raise Rejected(Reason.TOO_MANY_BYTES, f"over {most} bytes")
        return data


def open_folder(
    location: Path, collection: Collection, max_file_bytes: int, spool_folder: Path, told: Told | None = None
) -> PictureFolder:
    """Blocks while the folder is walked: call it in a thread. What cannot be read is among its problems."""
    return PictureFolder(location, build(location, collection, spool_folder, told), max_file_bytes)
