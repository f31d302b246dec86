"""Where each message of an export stands: 24 bytes a message, so that a page is read from anywhere in the file."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from indexer.archives import exporter_schema as schema
from indexer.archives.documents import UNREADABLE, Document, Found, Problems
from indexer.archives.expansion import Refused
from indexer.archives.exporter_message import Context, to_channel, to_message, unix_ms
from indexer.archives.message_stream import Damage, MessageStream, NotAnExport
from indexer.archives.rows import Rows, Spool
from indexer.archives.survey import Counts, Files, Survey
from indexer.records.ids import MADE_UP, ChannelId, GuildId
from indexer.records.messages import Channel, Guild
from indexer.sentence import Sentence

# Changes whenever the same export would be read in another way: then what was read before is read again.
FORMAT: Final = 2

DIRECT_MESSAGES: Final = "Direct messages"  # the name of guild 0, where the export gives none
_TOLD_EVERY: Final = 4096  # messages between two reports of how far it is


@dataclass(frozen=True, slots=True)
class Options:
    """What is taken of an export: `stickers` and `bots` as in CrawlSettings; `keep_all`: all messages, not those with
    pictures alone.

    Media files above `max_file_bytes` are not read. `spool_folder`: where the messages of compressed documents lie
    while the archive is open, in a file without a name that goes with the process.
    """

    keep_all: bool
    stickers: bool
    bots: bool
    max_file_bytes: int
    spool_folder: Path

    def version(self, found: Found) -> str:
        """What was read of the export under another version is read again."""
        return f"{FORMAT}.{self.keep_all:d}{self.stickers:d}{self.bots:d}.{found.version}"


Told = Callable[[int, int], None]  # bytes of documents looked at, bytes of all documents


@dataclass(slots=True)
class ExportIndex:
    """The result. `spool` holds the messages of compressed documents, None where there are none."""

    documents: Sequence[Document]
    rows: dict[ChannelId, Rows]
    survey: Survey
    problems: Problems
    written_ms: int
    spool: Spool | None


@dataclass(slots=True)
class _Columns:
    channel: Channel
    ids: array[int] = field(default_factory=lambda: array("q"))
    documents: array[int] = field(default_factory=lambda: array("i"))
    offsets: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("i"))

    def rows(self, order: npt.NDArray[np.int64]) -> Rows:
        """Of one message that several documents show, the newest document's is taken (`order` by document)."""
        ids = np.frombuffer(self.ids, np.int64)
        documents = np.frombuffer(self.documents, np.int32)
        offsets, lengths = np.frombuffer(self.offsets, np.int64), np.frombuffer(self.lengths, np.int32)
        if len(ids) > 1 and not bool(np.all(ids[1:] > ids[:-1])):
            by_id = np.lexsort((order[documents], ids))
            last = np.append(ids[by_id][1:] != ids[by_id][:-1], True)
            chosen = by_id[last]
            ids, documents, offsets, lengths = ids[chosen], documents[chosen], offsets[chosen], lengths[chosen]
        return Rows(self.channel, ids, documents, offsets, lengths)


class _Builder:
    def __init__(self, found: Found, options: Options, told: Told | None) -> None:
        self.found = found
        self.options = options
        self.told = told
        self.survey = Survey()
        self.columns: dict[ChannelId, _Columns] = {}
        self.exported: list[int] = []  # of each document, Unix milliseconds
        self.spool: Spool | None = None
        self.bytes_before = 0
        self.byte_count = sum(document.byte_count for document in found.documents)

    def build(self) -> ExportIndex:
        for number, document in enumerate(self.found.documents):
            self.exported.append(0)
            self._read(number, document)
            self.bytes_before += document.byte_count
        order = np.argsort(np.argsort(np.array(self.exported, np.int64), kind="stable")).astype(np.int64)
        rows = {}
        for channel_id in list(self.columns):
            rows[channel_id] = self.columns.pop(channel_id).rows(order)
        written_ms = min(max(self.exported, default=0), time.time_ns() // 1_000_000)
        problems = self.found.problems
        return ExportIndex(self.found.documents, rows, self.survey, problems, written_ms, self.spool)

    def _read(self, number: int, document: Document) -> None:
        problems, label = self.found.problems, document.label
        try:
            with document.open() as file:
                self._read_stream(number, document, MessageStream(file))
        except NotAnExport as error:
            problems.add(label, error.offset, Sentence("archive-no-export"))
        except schema.NotReadable as error:
            problems.add(label, 0, Sentence("archive-no-header", {"error": str(error)}))
        except Refused as error:
            problems.add(label, None, error.sentence)
        except UNREADABLE as error:
            problems.add(label, None, Sentence("archive-unreadable", {"error": str(error)}))

    def _read_stream(self, number: int, document: Document, stream: MessageStream) -> None:
        head = schema.header(stream.header())
        guild_id = GuildId(head.guild.id)
        channel = to_channel(head.channel, guild_id)
        problems, label, survey = self.found.problems, document.label, self.survey
        if not (0 <= guild_id < MADE_UP and 0 < channel.id < MADE_UP):
            # Larger ids belong to collections: an export that uses one is not the exporter's.
            problems.add(label, 0, Sentence("archive-bad-id", {"id": f"{guild_id}/{channel.id}"}))
            return
        columns = self.columns.setdefault(channel.id, _Columns(channel))
        if columns.channel.guild_id != guild_id:
            problems.add(label, 0, Sentence("archive-two-servers", {"channel": channel.name}))
            return
        self.exported[number] = unix_ms(head.exported_at) or 0
        survey.guilds.setdefault(guild_id, Guild(guild_id, head.guild.name or DIRECT_MESSAGES))
        survey.channels.setdefault(channel.id, channel)
        survey.documents += 1
        counts = survey.counts.setdefault(guild_id, Counts())
        files = Files(document.media, counts, lambda url, why: problems.add(f"{label}: {url}", None, why))
        context = Context(guild_id, channel.id, files, self.options.stickers, self.options.bots)
        problems_before, messages = problems.count, 0
        keep_all, compressed = self.options.keep_all, document.compressed
        for element in stream:
            if isinstance(element, Damage):
                problems.add(label, element.offset, element.reason)
                continue
            try:
                message = schema.message(element.data)
            except schema.NotReadable as error:
                stream.refuse()
                problems.add(label, element.offset, Sentence("archive-bad-message", {"error": str(error)}))
                continue
            if not 0 < message.id < MADE_UP:
                problems.add(label, element.offset, Sentence("archive-bad-id", {"id": str(message.id)}))
                continue
            messages += 1
            kept = keep_all or message.timestamp_edited is not None  # an edit may have taken a picture away
            if message.shows_media:
                kept = bool(to_message(message, context).pictures) or kept
            if kept:
                offset = self._spooled(element.data) if compressed else element.offset
                columns.ids.append(message.id)
                columns.documents.append(number)
                columns.offsets.append(offset)
                columns.lengths.append(len(element.data))
            if self.told is not None and messages % _TOLD_EVERY == 0:
                self.told(self.bytes_before + min(element.offset, document.byte_count), self.byte_count)
        counts.messages += messages
        stated = schema.stated_count(stream.tail)
        if stated is not None and stated > messages and problems.count == problems_before:
            problems.add(label, None, Sentence("archive-fewer", {"stated": stated, "found": messages}))

    def _spooled(self, data: bytes) -> int:
        if self.spool is None:
            self.spool = Spool(self.options.spool_folder)
        return self.spool.add(data)


def build(found: Found, options: Options, told: Told | None = None) -> ExportIndex:
    """Reads every document once. What cannot be read is among the problems; nothing else is raised.

    `told` hears how far it is. Blocks for as long as the disk takes: call it in a thread.
    """
    return _Builder(found, options, told).build()
