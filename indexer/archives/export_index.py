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

from indexer.archives import data_package
from indexer.archives import exporter_schema as schema
from indexer.archives.documents import UNREADABLE, Document, Found, Kind, Problems, unreadable
from indexer.archives.expansion import Refused
from indexer.archives.exporter_message import Context, to_channel, to_message, unix_ms
from indexer.archives.folders import Folder, Parts
from indexer.archives.message_stream import Damage, Element, MessageStream, NotAnExport
from indexer.archives.rows import Rows, Spool
from indexer.archives.survey import Counts, Files, Survey
from indexer.records.ids import MADE_UP, ChannelId, GuildId
from indexer.records.messages import Channel, Guild
from indexer.sentence import Sentence

# Changes whenever the same export would be read in another way: then what was read before is read again.
FORMAT: Final = 3

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

    def add(self, message_id: int, document: int, offset: int, length: int) -> None:
        self.ids.append(message_id)
        self.documents.append(document)
        self.offsets.append(offset)
        self.lengths.append(length)

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


@dataclass(slots=True)
class _Into:
    """Where the messages of one channel of a document go; `messages` counts them."""

    number: int
    document: Document
    columns: _Columns
    context: Context
    counts: Counts
    messages: int = 0
    spooled: bool = field(init=False)

    def __post_init__(self) -> None:
        self.spooled = self.document.spooled


class _Builder:
    def __init__(self, found: Found, options: Options, told: Told | None) -> None:
        self.found = found
        self.options = options
        self.told = told
        self.survey = Survey()
        self.columns: dict[ChannelId, _Columns] = {}
        self.exported: list[int] = []  # of each document, Unix milliseconds
        self.spool: Spool | None = None
        self.names: tuple[tuple[Folder, Parts], dict[str, str | None]] | None = None
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
            if document.kind is Kind.TRACKER:
                self._read_tracker(number, document)
            elif document.kind is Kind.PACKAGE:
                self._read_package(number, document)
            else:
                with document.open() as file:
                    self._read_export(number, document, MessageStream(file))
        except (NotAnExport, schema.NotReadable) as error:
            if document.kind is Kind.PACKAGE:
                problems.add(label, None, Sentence("archive-no-package", {"error": str(error)}))
            elif document.beside_package:
                pass  # a data package tells more than messages
            elif isinstance(error, NotAnExport):
                problems.add(label, error.offset, Sentence("archive-no-export"))
            else:
                problems.add(label, 0, Sentence("archive-no-header", {"error": str(error)}))
        except Refused as error:
            problems.add(label, None, error.sentence)
        except UNREADABLE as error:
            problems.add(label, None, unreadable(error))

    def _read_export(self, number: int, document: Document, stream: MessageStream) -> None:
        head = schema.header(stream.header())
        guild = Guild(GuildId(head.guild.id), head.guild.name or DIRECT_MESSAGES)
        channel = to_channel(head.channel, guild.id)
        self.exported[number] = unix_ms(head.exported_at) or 0
        into = self._into(number, document, guild, channel)
        if into is None:
            return
        self.survey.documents += 1
        problems, label = self.found.problems, document.label
        problems_before = problems.count
        for element in stream:
            if isinstance(element, Damage):
                problems.add(label, element.offset, element.reason)
            elif not self._take(into, element):
                stream.refuse()
        stated = schema.stated_count(stream.tail)
        if stated is not None and stated > into.messages and problems.count == problems_before:
            problems.add(label, None, Sentence("archive-fewer", {"stated": stated, "found": into.messages}))

    def _read_package(self, number: int, document: Document) -> None:
        folder, parts = document.folders[0], document.parts
        if document.account is None:
            raise Refused(Sentence("archive-no-account"))
        user = data_package.user_of(_small(folder, document.account))
        told = data_package.channel_of(_small(folder, (*parts[:-1], data_package.CHANNEL_FILE)))
        channel = data_package.to_channel(told, self._names(folder, (*parts[:-2], data_package.INDEX_FILE)))
        guild = Guild(channel.guild_id, (told.guild.name if told.guild else None) or DIRECT_MESSAGES)
        self.exported[number] = document.changed_ms
        into = self._into(number, document, guild, channel)
        if into is None:
            return
        self.survey.documents += 1
        with document.open() as file:
            for element in data_package.messages_in(file, user, as_csv=parts[-1].lower().endswith(".csv")):
                if isinstance(element, Damage):
                    self.found.problems.add(document.label, element.offset, element.reason)
                else:
                    self._take(into, element)

    def _names(self, folder: Folder, index: Parts) -> dict[str, str | None]:
        """What a package's index.json says. It is kept: each of 10,000 channels would parse it again."""
        if self.names is None or self.names[0] != (folder, index):
            found = data_package.names_of(_small(folder, index)) if folder.has(index) else {}
            self.names = (folder, index), found
        return self.names[1]

    def _read_tracker(self, number: int, document: Document) -> None:
        self.exported[number] = document.changed_ms
        channels: dict[ChannelId, _Into | None] = {}
        for guild, channel in document.tracker.guilds_and_channels():
            named = Guild(guild.id, guild.name or DIRECT_MESSAGES)
            channels[channel.id] = self._into(number, document, named, channel)
        self.survey.documents += any(channels.values())
        unknown = 0
        for message in document.tracker.messages():
            into = channels.get(message.channel_id)
            if into is not None:
                self._take(into, Element(0, message.data))
            else:
                unknown += 1
        if unknown:
            self.found.problems.add(document.label, None, Sentence("archive-no-channel", {"count": unknown}))

    def _into(self, number: int, document: Document, guild: Guild, channel: Channel) -> _Into | None:
        """Where the messages of a channel go; None where they must go nowhere."""
        problems, label, survey = self.found.problems, document.label, self.survey
        if not (0 <= guild.id < MADE_UP and 0 < channel.id < MADE_UP):
            # Larger ids belong to collections: no archive of Discord's messages has one.
            problems.add(label, 0, Sentence("archive-bad-id", {"id": f"{guild.id}/{channel.id}"}))
            return None
        columns = self.columns.setdefault(channel.id, _Columns(channel))
        if columns.channel.guild_id != guild.id:
            problems.add(label, 0, Sentence("archive-two-servers", {"channel": channel.name}))
            return None
        survey.guilds.setdefault(guild.id, guild)
        survey.channels.setdefault(channel.id, channel)
        counts = survey.counts.setdefault(guild.id, Counts())
        files = Files(document.media, counts, lambda url, why: problems.add(f"{label}: {url}", None, why))
        context = Context(guild.id, channel.id, files, self.options.stickers, self.options.bots)
        return _Into(number, document, columns, context, counts)

    def _take(self, into: _Into, element: Element) -> bool:
        """Notes a message. False where it cannot be read, which is among the problems then."""
        problems = self.found.problems
        try:
            message = schema.message(element.data)
        except schema.NotReadable as error:
            problems.add(into.document.label, element.offset, Sentence("archive-bad-message", {"error": str(error)}))
            return False
        if not 0 < message.id < MADE_UP:
            problems.add(into.document.label, element.offset, Sentence("archive-bad-id", {"id": str(message.id)}))
            return True
        into.messages += 1
        into.counts.messages += 1
        # An edit may have taken a picture away.
        kept = self.options.keep_all or message.timestamp_edited is not None
        if message.shows_media:
            kept = bool(to_message(message, into.context).pictures) or kept
        if kept:
            offset = self._spooled(element.data) if into.spooled else element.offset
            into.columns.add(message.id, into.number, offset, len(element.data))
        if self.told is not None and into.messages % _TOLD_EVERY == 0:
            self.told(self.bytes_before + min(element.offset, into.document.byte_count), self.byte_count)
        return True

    def _spooled(self, data: bytes) -> int:
        if self.spool is None:
            self.spool = Spool(self.options.spool_folder)
        return self.spool.add(data)


def _small(folder: Folder, parts: Parts) -> bytes:
    """A small file as a whole. Raises NotReadable where it is none."""
    with folder.open(parts) as file:
        data = file.read(data_package.SMALL_BYTES + 1)
    if len(data) > data_package.SMALL_BYTES:
        raise schema.NotReadable(f"{parts[-1]} has more than {data_package.SMALL_BYTES:,} bytes")
    return data


def build(found: Found, options: Options, told: Told | None = None) -> ExportIndex:
    """Reads every document once. What cannot be read is among the problems; nothing else is raised.

    `told` hears how far it is. Blocks for as long as the disk takes: call it in a thread.
    """
    return _Builder(found, options, told).build()
