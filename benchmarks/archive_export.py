"""Exports to measure with: a document of any size in the exporter's shape, and one with saved pictures."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from sandbox.export.json_writer import encoded

CHANNEL, GUILD = 381870553235193857, 81384788765712384
FIRST = 100_000_000_000_000_000
STEP = 4_194_304  # a millisecond
BLOCKS = 2_000  # messages that are made; longer documents repeat them with other ids
WORDS = [
    "so",
    "that's",
    "the",
    "picture",
    "from",
    "yesterday",
    "look",
    "at",
    "lol",
    "no",
    "way",
    "Größe",
    "日本語",
    '"quoted"',
    "https://example.com/a?b=c",
    "<:emoji:123456789012345678>",
    "ok",
    "I",
    "think",
    "we",
    "should",
    "go",
]
MARK = "@ID@"  # where a message's id goes


def write_text(path: Path, megabytes: int) -> int:
    """A document of text alone; returns how many messages it has."""
    random = Random(1)
    blocks = [f"    {encoded(_message(random), depth=2)}".encode() for _ in range(BLOCKS)]
    parts = [block.split(MARK.encode()) for block in blocks]
    count = written = 0
    with path.open("wb") as file:
        written += file.write(_head().encode())
        while written < megabytes * 1_000_000:
            number = str(FIRST + count * STEP).encode()
            written += file.write((b",\n" if count else b"\n") + number.join(parts[count % BLOCKS]))
            count += 1
        file.write(f'\n  ],\n  "messageCount": {count}\n}}'.encode())
    return count


def write_pictures(folder: Path, count: int) -> None:
    """An export of `count` messages with a saved picture of 256 × 192 pixels each."""
    media = folder / "photos.json_Files"
    media.mkdir(parents=True)
    random = Random(2)
    lines = []
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (12, 16, 3), dtype=np.uint8)
        held = io.BytesIO()
        Image.fromarray(noise).resize((256, 192), Image.Resampling.BICUBIC).save(held, "JPEG", quality=85)
        (media / f"{number}.jpg").write_bytes(held.getvalue())
        attachment = {"id": str(FIRST + number), "url": f"{media.name}/{number}.jpg", "fileName": f"{number}.jpg",
                      "fileSizeBytes": len(held.getvalue())}  # fmt: skip
        text = encoded(_message(random) | {"attachments": [attachment]}, depth=2)
        lines.append("    " + text.replace(MARK, str(FIRST + number * STEP)))
    end = f'\n  ],\n  "messageCount": {count}\n}}'
    (folder / "photos.json").write_text(f"{_head()}\n" + ",\n".join(lines) + end, "utf-8")


def _head() -> str:
    head = {
        "guild": {"id": str(GUILD), "name": "Benchmark", "iconUrl": ""},
        "channel": {"id": str(CHANNEL), "type": "GuildTextChat", "categoryId": None, "category": None, "name": "photos",
                    "topic": None},
        "dateRange": {"after": None, "before": None},
        "exportedAt": "2026-01-13T20:08:35.0423087+02:00",
    }  # fmt: skip
    return encoded(head).removesuffix("\n}") + ',\n  "messages": ['


def _message(random: Random) -> dict[str, Any]:
    person = random.randrange(200)
    return {
        "id": MARK, "type": "Default", "timestamp": "2021-07-19T13:34:18.479+02:00", "timestampEdited": None,
        "callEndedTimestamp": None, "isPinned": False,
        "content": " ".join(random.choice(WORDS) for _ in range(random.randrange(1, 25))),
        "author": {
            "id": str(200_000_000_000_000_000 + person), "name": f"person{person}", "discriminator": "0000",
            "nickname": f"Person {person}", "color": None, "isBot": False,
            "roles": [{"id": "1", "name": "Member", "color": None, "position": 1}],
            "avatarUrl": "https://cdn.discordapp.com/avatars/200000000000000000/0123456789abcdef.png?size=512",
        },
        "attachments": [], "components": [], "embeds": [], "stickers": [], "reactions": [], "mentions": [],
        "inlineEmojis": [],
    }  # fmt: skip
