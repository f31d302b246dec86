"""A server's history that is computed, not stored, and its CDN: `python -m benchmarks.crawl_world PICTURES` serves it.

So the benchmark's own memory does not grow with the history, and the CDN's work is another process's.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from PIL import Image

from bot.history.message_parser import parse_message
from indexer.ports import PAGE
from indexer.records.ids import ChannelId, GuildId, MessageId, ms_snowflake
from indexer.records.messages import Channel, ChannelKind, Guild, Message

GUILD = GuildId(ms_snowflake(1_600_000_000_000))
PICTURES = 64  # drawings; every file has bytes of its own all the same
SIZE = (448, 336)  # what the media proxy hands out for a model of 256 pixels


@cache
def _drawing(number: int) -> bytes:
    """A JPEG of soft colour, edges and grain, about 30 KB like a media proxy's copy of a photo."""
    seeded = np.random.default_rng(number)
    soft = Image.fromarray(seeded.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(SIZE)
    grain = seeded.normal(0, 6, (SIZE[1], SIZE[0], 1))
    held = io.BytesIO()
    Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8)).save(held, "JPEG", quality=80)
    return held.getvalue()


def picture(number: int) -> bytes:
    """The file of that number: one of PICTURES drawings with a comment of its own, so no two are equal."""
    drawn = _drawing(number % PICTURES)
    comment = f"picture {number:08}".encode()
    return drawn[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + drawn[2:]


class ComputedHistory:
    """`channels` × `messages` messages; every `every`-th shows a picture on `host` (0: none does)."""

    def __init__(self, channels: int, messages: int, every: int, host: str = "127.0.0.1:1") -> None:
        self._channels = channels
        self._messages = messages
        self._every = every
        self._host = host
        self.pages = 0

    async def guild(self, guild_id: GuildId) -> Guild:
        return Guild(guild_id, "Bench")

    async def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        for number in range(1, self._channels + 1):
            yield Channel(ChannelId(number), GUILD, ChannelKind.TEXT, f"channel-{number}")

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        """A page, parsed from payloads as Discord sends them."""
        self.pages += 1
        top = self._messages if before is None else _number(before)
        return [self._message(channel_id, number) for number in range(top - 1, max(top - 1 - PAGE, -1), -1)]

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        return self._message(channel_id, _number(message_id))

    def _message(self, channel_id: int, number: int) -> Message:
        payload: dict[str, Any] = {
            "id": str(_id(channel_id, number)),
            "channel_id": str(channel_id),
            "type": 0,
            "author": {"id": str(1000 + number % 200), "username": f"member{number % 200}", "global_name": None},
            "content": f"message {number} says that the weather in channel {channel_id} is fine, as so often before",
            "edited_timestamp": None,
            "embeds": [],
            "attachments": [],
        }
        if self._every and number % self._every == 0:
            name = f"{channel_id * self._messages + number}.jpg"
            payload["attachments"] = [
                {
                    "id": "1",
                    "filename": name,
                    "size": 30_000,
                    "url": f"http://{self._host}/attachments/1/{name}?ex=1&is=1&hm=1",
                    "width": SIZE[0],
                    "height": SIZE[1],
                    "content_type": "image/jpeg",
                }
            ]
        return parse_message(payload, GUILD)


def _id(channel_id: int, number: int) -> MessageId:
    """One message a minute and channel."""
    return MessageId(GUILD + ((number * 60_000) << 22) + channel_id)


def _number(message_id: MessageId) -> int:
    return ((message_id - GUILD) >> 22) // 60_000


class FromMemory:
    """A Fetcher whose files are in memory already: what the network is measured against."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    async def fetch(
        self,
        url: str,
        *,
        proxy_url: str | None = None,
        width: int | None = None,
        height: int | None = None,
        max_bytes: int | None = None,
    ) -> bytes:
        return self._files[url.partition("?")[0].rsplit("/", 1)[-1]]


@asynccontextmanager
async def open_cdn() -> AsyncIterator[str]:
    """A CDN in a process of its own; gives its host:port."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.crawl_world", cwd=Path(__file__).parents[1], stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            port = (await child.stdout.readline()).decode().strip()
        yield f"127.0.0.1:{port}"
    finally:
        child.kill()
        await child.wait()


async def serve() -> None:
    """Serves the pictures until killed; prints its port."""
    for number in range(PICTURES):
        _drawing(number)

    async def answer(request: web.Request) -> web.Response:
        number = int(request.match_info["name"].partition(".")[0])
        return web.Response(body=picture(number), content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/attachments/1/{name}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
