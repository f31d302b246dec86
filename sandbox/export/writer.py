"""Writes a guild as an export: a file for each channel or part of it, and a folder of saved media beside each file."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta, timezone, tzinfo
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sandbox.export.json_writer import encoded
from sandbox.export.shapes import MessageShapes, preamble
from sandbox.world import Channel, File, Guild, Message

_SIGNATURE: Final = ("ex", "is", "hm")
_NOT_IN_NAMES: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
LOCAL: Final = timezone(timedelta(hours=2))  # the exporter writes times in the time zone of its machine


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The exporter's own options: `media` saves files (--media), `partition` is messages per file (--partition; 0: all
    in one).

    `expired`: the links of files that are not saved have expired before the export is read. `separator` and `newline`
    are those of the exporting machine: a backslash and a carriage return on Windows.
    """

    media: bool = True
    partition: int = 0
    expired: bool = True
    separator: str = "/"
    newline: str = "\n"
    zone: tzinfo = LOCAL


@dataclass(slots=True)
class Written:
    """The result: the documents, and the numbers of messages and media files."""

    documents: list[Path] = field(default_factory=list)
    messages: int = 0
    files: int = 0


def write_guild(
    guild: Guild, folder: Path, options: ExportOptions = ExportOptions(), readable: Callable[[Channel], bool] = bool
) -> Written:
    """Writes every channel and thread with messages that is `readable`, below `folder` (created if it is missing)."""
    written = Written()
    folder.mkdir(parents=True, exist_ok=True)
    for channel in (*guild.channels.values(), *guild.threads.values()):
        if len(channel) and readable(channel):
            _write_channel(channel, folder, options, written)
    return written


def file_name(channel: Channel) -> str:
    """The exporter's default name: server, category, channel and its id."""
    category = f" - {channel.parent.name}" if channel.parent else ""
    return _NOT_IN_NAMES.sub("_", f"{channel.guild.name}{category} - {channel.name} [{channel.id}].json")


def saved_name(url: str) -> str:
    """The name of an address's saved file:
    its own name, shortened, with five letters of a hash of the unsigned address.
    """
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in _SIGNATURE])
    unsigned = urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")) + query
    stem, dot, suffix = name.rpartition(".")
    return f"{stem[:42]}-{hashlib.sha256(unsigned.encode()).hexdigest()[:5].upper()}{dot}{suffix}"


def _write_channel(channel: Channel, folder: Path, options: ExportOptions, written: Written) -> None:
    name = file_name(channel)
    media = folder / f"{name}_Files"

    def save(url: str, file: File) -> str:
        if not options.media:
            return url
        path = media / saved_name(url)
        if not path.exists():
            media.mkdir(exist_ok=True)
            path.write_bytes(file.data)
            written.files += 1
        return f"{media.name}{options.separator}{path.name}"

    now_s = channel.guild.world.clock.now_ms() // 1000
    runs_out = now_s - 3600 if options.expired else now_s + 86_400
    signature = f"ex={runs_out:x}&is={runs_out - 86_400:x}&hm={'0' * 64}"
    shapes = MessageShapes(save, options.zone, lambda url: f"{url}?{signature}")
    messages = sorted(channel.messages(), key=lambda message: message.id)
    size = options.partition or len(messages)
    for part, start in enumerate(range(0, len(messages), size), start=1):
        path = folder / (name if part == 1 else f"{name.removesuffix('.json')} [part {part}].json")
        chosen = messages[start : start + size]
        text = "".join(_document(channel, chosen, shapes, options))
        path.write_text(text, "utf-8", newline="")
        written.documents.append(path)
        written.messages += len(chosen)


def _document(
    channel: Channel, messages: list[Message], shapes: MessageShapes, options: ExportOptions
) -> Iterator[str]:
    newline = options.newline
    exported_ms = channel.guild.world.clock.now_ms()
    head = encoded(preamble(channel.guild, channel, exported_ms, options.zone), newline=newline)
    yield head.removesuffix(f"{newline}}}") + f',{newline}  "messages": ['
    for number, message in enumerate(messages):
        yield f"{',' if number else ''}{newline}    {encoded(shapes.message(message), depth=2, newline=newline)}"
    yield f'{newline}  ],{newline}  "messageCount": {len(messages)}{newline}}}'
