"""Exports of DiscordChatExporter for tests: documents of a few messages, in the exporter's own shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from indexer.archives.export import ExportArchive, open_export
from indexer.archives.export_index import Options
from sandbox.export.json_writer import encoded

GUILD, CHANNEL = 81384788765712384, 381870553235193857
FIRST = 866666666666666666  # id of the first message


def message(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A message in the exporter's shape; `fields` replace its usual fields. Messages with higher numbers are newer."""
    return {
        "id": str(FIRST + number * 1000),
        "type": "Default",
        "timestamp": "2021-07-19T13:34:18.4790001+02:00",
        "timestampEdited": None,
        "callEndedTimestamp": None,
        "isPinned": False,
        "content": f"message {number}",
        "author": {
            "id": "128178626683338752",
            "name": "ada",
            "discriminator": "0000",
            "nickname": "Ada",
            "color": "#3498DB",
            "isBot": False,
            "roles": [{"id": "1", "name": "Staff", "color": None, "position": 3}],
            "avatarUrl": "https://cdn.discordapp.com/embed/avatars/0.png",
        },
        "attachments": [],
        "components": [],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [],
        "inlineEmojis": [],
    } | fields


def attachment(url: str, name: str = "cat.png", number: int = 7) -> dict[str, Any]:
    return {"id": str(900000000000000000 + number), "url": url, "fileName": name, "fileSizeBytes": 4_000}


def picture_message(number: int, url: str, **fields: Any) -> dict[str, Any]:
    return message(number, attachments=[attachment(url, number=number)], **fields)


def document(
    messages: Sequence[Mapping[str, Any]],
    *,
    guild: Mapping[str, Any] | None = None,
    channel: Mapping[str, Any] | None = None,
    exported: str = "2024-01-13T20:08:35.0423087+02:00",
    newline: str = "\n",
) -> bytes:
    """One file. `guild` and `channel` replace fields of the usual ones."""
    head = {
        "guild": {"id": str(GUILD), "name": "Lower Wickham", "iconUrl": "x"} | dict(guild or {}),
        "channel": {
            "id": str(CHANNEL),
            "type": "GuildTextChat",
            "categoryId": "5",
            "category": "Town",
            "name": "photos",
            "topic": None,
        }
        | dict(channel or {}),
        "dateRange": {"after": None, "before": None},
        "exportedAt": exported,
        "messages": list(messages),
        "messageCount": len(messages),
    }
    return encoded(head, newline=newline).encode()


def options(folder: Path, **changes: Any) -> Options:
    usual = Options(keep_all=True, stickers=True, bots=True, max_file_bytes=1 << 20, spool_folder=folder / "spool")
    return replace(usual, **changes)


def opened(location: Path, media: Sequence[Path] = (), **changes: Any) -> ExportArchive:
    return open_export(location, options(location.parent, **changes), media)


def reasons(archive: ExportArchive) -> list[str]:
    """The keys of the problems found in the document, in order."""
    return [problem.reason.key for problem in archive.index.problems.kept]
