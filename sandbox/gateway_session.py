"""A session of Discord's gateway, and the connection that serves it. A session outlives its connections."""

import asyncio
import json
import secrets
import zlib
from collections import deque
from typing import Any, Final

from aiohttp import web

from sandbox.gateway_codes import Intent, Op
from sandbox.wire import Json
from sandbox.world import Guild

_REPLAYED: Final = 20_000  # events that a session keeps for a resume; a bot that has missed more must identify again


def on_shard(guild: Guild, shard: tuple[int, int]) -> bool:
    """Whether the guild belongs to the shard (number, how many)."""
    number, count = shard
    return (guild.id >> 22) % count == number


class Session:
    """What Discord stores about an identified shard. Its events wait here until a connection sends them."""

    def __init__(self, intents: int, shard: tuple[int, int], large_threshold: int) -> None:
        self.id = secrets.token_hex(16)
        self.intents = Intent(intents)
        self.shard = shard
        self.large_threshold = large_threshold
        self.sequence = 0
        self.sent = 0
        self.events: deque[tuple[int, str]] = deque(maxlen=_REPLAYED)
        self.woken = asyncio.Event()
        self.connection: Connection | None = None
        self.viewable: dict[int, set[int]] = {}
        """The channels that the session was told of in full, by guild."""

    def serves(self, guild: Guild) -> bool:
        """Whether the guild belongs to this shard."""
        return on_shard(guild, self.shard)

    def push(self, name: str, data: Json) -> None:
        """Queue an event."""
        self.sequence += 1
        text = json.dumps({"op": Op.DISPATCH, "t": name, "s": self.sequence, "d": data}, separators=(",", ":"))
        self.events.append((self.sequence, text))
        self.woken.set()

    def payloads(self) -> list[Json]:
        """All events that are stored, sent or not, oldest first."""
        return [json.loads(text) for _, text in self.events]

    def waiting(self) -> list[str]:
        """The events that were not sent yet, in order. After this call they count as sent."""
        found = []
        for sequence, text in reversed(self.events):
            if sequence <= self.sent:
                break
            found.append(text)
        self.sent = self.sequence
        return found[::-1]


class Connection:
    """One WebSocket. Its frames are compressed as its address requested."""

    def __init__(self, socket: web.WebSocketResponse, compress: str) -> None:
        self.socket = socket
        self.session: Session | None = None
        # Only zlib-stream is supported. A client that asks for another compression gets plain text, which every client
        # accepts.
        self._deflate = zlib.compressobj() if compress == "zlib-stream" else None
        self._order = asyncio.Lock()

    async def send(self, text: str) -> None:
        """Send one message. Messages are never interleaved, because the compressed stream has one order."""
        async with self._order:
            if self._deflate is None:
                await self.socket.send_str(text)
            else:
                data = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                await self.socket.send_bytes(data)

    async def op(self, op: Op, data: Any = None) -> None:
        await self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))
