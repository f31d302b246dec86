"""Discord History Tracker's file: a SQLite database of schema 9, 10 or 11 (its `metadata` says which).

    servers(id, name, type: SERVER, GROUP or DM)    channels(id, server, name, …)    users(id, name, display_name)
    messages(message_id, sender_id, channel_id, text)     message_edit_timestamps(message_id, edit_timestamp: ms)
    attachments(attachment_id, name, normalized_url, download_url, size)
    message_attachments(message_id, attachment_id)        message_embeds(message_id, json: as Discord's client has it)
    download_blobs(normalized_url, blob: a saved file)

Direct messages and groups have servers of their own there; here they are server 0, as in all archives.

The file may be anybody's: it is opened read-only, without its own functions and triggers; a table that is a view or a
virtual one, or has a generated column, is refused, since it would run what its maker wrote; a query that makes no
progress is stopped; and so is one that finds more than the file can hold.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from indexer.archives import exporter_schema as schema
from indexer.archives.expansion import FREE_BYTES, Refused
from indexer.archives.folders import Parts, Unreadable
from indexer.picture_links import bare_link, fetchable
from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import Channel, ChannelKind, Guild
from indexer.sentence import Sentence

MAGIC: Final = b"SQLite format 3\0"
SCHEMAS: Final = ("9", "10", "11")
_TABLES: Final = (
    "metadata", "servers", "channels", "users", "messages", "message_edit_timestamps", "attachments",
    "message_attachments", "message_embeds", "download_blobs",
)  # fmt: skip
_MOST_VALUE_BYTES: Final = 256 << 20  # a blob or text that is longer is not read
_STEPS: Final = 100_000  # of SQLite's machine, between two looks at the clock
_SILENT_S: Final = 30.0  # without a row
# What a query may find, as a multiple of the file: a forged one shows the same page as thousands of others, or joins
# every message with every user. The largest honest rows are attachments: 40 bytes of ids stored, and two links found.
_MOST_TIMES: Final = 16
_ROW_BYTES: Final = 8  # that a row takes in the file at least

_MESSAGES: Final = (
    "SELECT m.message_id, m.channel_id, m.sender_id, coalesce(u.display_name, u.name), m.text, e.edit_timestamp"
    " FROM messages m LEFT JOIN users u ON u.id = m.sender_id"
    " LEFT JOIN message_edit_timestamps e ON e.message_id = m.message_id ORDER BY m.message_id"
)
_ATTACHMENTS: Final = (
    "SELECT l.message_id, a.attachment_id, a.name, coalesce(a.download_url, a.normalized_url), a.size"
    " FROM message_attachments l JOIN attachments a USING (attachment_id) ORDER BY l.message_id"
)
_EMBEDS: Final = "SELECT message_id, json FROM message_embeds ORDER BY message_id"


class TrackedImage(msgspec.Struct):
    """A picture of an embed. `url` is the source, `proxyURL` Discord's copy."""

    url: str | None = None
    width: schema.Stored | None = None
    height: schema.Stored | None = None


class TrackedEmbed(msgspec.Struct):
    """An embed as Discord's client has it: texts that were formatted stand as lists and are left out."""

    title: Any = None
    description: Any = None
    url: Any = None
    image: TrackedImage | None = None
    thumbnail: TrackedImage | None = None
    video: TrackedImage | None = None


_embeds = msgspec.json.Decoder(TrackedEmbed, strict=False)


@dataclass(frozen=True, slots=True)
class TrackedMessage:
    """A message, as the exporter would have written it, in the channel that it stands in."""

    channel_id: ChannelId
    data: bytes


class TrackerFile:
    """An open file. It is also the folder of the files that are saved in it: `parts` is the link of one of them."""

    def __init__(self, path: Path) -> None:
        """Raises Refused where it is no such file, or one that must not be read; sqlite3.Error where it is damaged."""
        self.path = path
        self._most = max(FREE_BYTES, _MOST_TIMES * path.stat().st_size)
        self._turn = threading.Lock()
        self._db = _opened(path)
        weakref.finalize(self, self._db.close)
        self._row_s = time.monotonic()
        self._db.set_progress_handler(self._is_stuck, _STEPS)
        kinds = dict(self._rows("SELECT name, type || ' ' || upper(substr(sql, 1, 14)) FROM sqlite_schema"))
        if "metadata" not in kinds or "messages" not in kinds:
            raise Refused(Sentence("archive-no-tracker"))
        if any(not kinds.get(table, "table CREATE TABLE").startswith("table CREATE TABLE") for table in _TABLES):
            raise Refused(Sentence("archive-tracker-forged"))
        generated = "SELECT 1 FROM pragma_table_xinfo(?) WHERE hidden"
        if any(list(self._rows(generated, (table,))) for table in _TABLES):
            raise Refused(Sentence("archive-tracker-forged"))
        version = next(iter(self._rows("SELECT value FROM metadata WHERE key = 'version'")), ("?",))[0]
        if version not in SCHEMAS or any(table not in kinds for table in _TABLES):
            raise Refused(Sentence("archive-tracker-version", {"version": str(version), "known": ", ".join(SCHEMAS)}))

    def guilds_and_channels(self) -> Iterator[tuple[Guild, Channel]]:
        """Each channel with its server. Raises Refused, sqlite3.Error."""
        sql = "SELECT c.id, c.name, s.id, s.name, s.type FROM channels c JOIN servers s ON s.id = c.server"
        for channel_id, name, server_id, server, kind in self._rows(sql):
            own = str(kind).upper() == "SERVER"
            guild = Guild(GuildId(_number(server_id) if own else 0), str(server) if own else "")
            yield guild, Channel(ChannelId(_number(channel_id)), guild.id, ChannelKind.TEXT, str(name or server))

    def messages(self) -> Iterator[TrackedMessage]:
        """By id, with what belongs to them. Raises Refused, sqlite3.Error."""
        attachments, embeds = _Beside(self._rows(_ATTACHMENTS)), _Beside(self._rows(_EMBEDS))
        for found_id, channel_id, sender_id, name, text, edited_ms in self._rows(_MESSAGES):
            message_id = _number(found_id)
            files = [
                schema.Attachment(_number(number), str(url), str(file), _number(size or 0))
                for number, file, url, size in attachments.of(message_id)
            ]
            shown = [embed for (data,) in embeds.of(message_id) if (embed := _embed(data)) is not None]
            message = schema.ExportedMessage(
                id=message_id,
                author=schema.Author(_number(sender_id), None if name is None else str(name)),
                content=str(text),
                timestamp_edited=None if edited_ms is None else _iso(_number(edited_ms)),
                attachments=files,
                embeds=shown,
            )
            yield TrackedMessage(ChannelId(_number(channel_id)), msgspec.json.encode(message))

    def label(self, parts: Parts) -> str:
        return f"{self.path}#{parts[0]}" if parts[0] else str(self.path)

    def parts_of(self, label: str) -> Parts | None:
        inside = label.removeprefix(f"{self.path}#")
        return None if inside == label else (inside,)

    def has(self, parts: Parts) -> bool:
        with suppress(sqlite3.Error):
            return bool(list(self._rows("SELECT 1 FROM download_blobs WHERE normalized_url = ? LIMIT 1", (parts[0],))))
        return False

    def open(self, parts: Parts) -> BinaryIO:
        """Raises OSError."""
        try:
            rows = list(self._rows("SELECT blob FROM download_blobs WHERE normalized_url = ? LIMIT 1", (parts[0],)))
        except sqlite3.Error as error:
            raise OSError(str(error)) from error
        if not rows or not isinstance(rows[0][0], bytes):
            raise FileNotFoundError(parts[0])
        return BytesIO(rows[0][0])

    def size(self, parts: Parts) -> int:
        with self.open(parts) as file:
            return len(file.read())

    def files(self, unreadable: Unreadable) -> Iterator[Parts]:
        return iter(())

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Row after row, since one may have _MOST_VALUE_BYTES. Raises Refused where there are more than can be."""
        left = self._most
        with self._turn:
            self._row_s = time.monotonic()
            cursor = self._db.execute(sql, values)
        while True:
            with self._turn:
                self._row_s = time.monotonic()
                row = cursor.fetchone()
            if row is None:
                return
            left -= _ROW_BYTES + sum(len(value) for value in row if isinstance(value, (str, bytes)))
            if left < 0:
                raise Refused(Sentence("archive-tracker-forged"))
            yield row

    def _is_stuck(self) -> bool:
        return time.monotonic() - self._row_s > _SILENT_S


class TrackerMedia:
    """Finds the files that are saved in the database itself."""

    def __init__(self, file: TrackerFile) -> None:
        self._file = file

    def named(self, path: str) -> SavedInTracker | None:
        return self.saved(path)

    def saved(self, url: str) -> SavedInTracker | None:
        for link in dict.fromkeys((bare_link(url) if fetchable(url) else url, url)):
            if self._file.has((link,)):
                return SavedInTracker(self._file.label((link,)))
        return None


@dataclass(frozen=True, slots=True)
class SavedInTracker:
    """A saved file; `label` finds it again."""

    label: str


class _Beside:
    """Rows beside messages: both ascend by the message's id, which is the first column."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, message_id: int) -> Iterator[tuple[Any, ...]]:
        while self._next is not None and _number(self._next[0]) <= message_id:
            row, self._next = self._next, next(self._rows, None)
            if row[0] == message_id:
                yield row[1:]


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE_BYTES)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA mmap_size = 0")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _number(value: Any) -> int:
    """Raises Refused: columns of numbers hold nothing else, unless somebody has put it there."""
    if isinstance(value, int):
        return value
    raise Refused(Sentence("archive-tracker-forged"))


def _embed(data: Any) -> schema.Embed | None:
    try:
        found = schema.decoded(_embeds, str(data).encode())
    except (schema.NotReadable, UnicodeEncodeError):
        return None

    def image(shown: TrackedImage | None) -> schema.Image | None:
        return None if shown is None or not shown.url else schema.Image(shown.url, None, shown.width, shown.height)

    def words(text: Any) -> str | None:
        return text if isinstance(text, str) else None

    return schema.Embed(
        title=words(found.title),
        description=words(found.description),
        url=words(found.url),
        image=image(found.image),
        thumbnail=image(found.thumbnail),
        video=image(found.video),
    )


def _iso(unix_ms: int) -> str | None:
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
