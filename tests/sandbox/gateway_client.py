"""A bare gateway client: what a library would not send, too."""

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from sandbox.gateway_codes import Intent
from sandbox.server import Sandbox
from tests.worlds.waiting import DEADLINE_S

ALL = Intent.GUILDS | Intent.GUILD_MESSAGES | Intent.MESSAGE_CONTENT


class Wire:
    """A WebSocket that speaks zlib-stream as discord.py does."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, compressed: bool) -> None:
        self.socket = socket
        self._inflate = zlib.decompressobj() if compressed else None
        self.sequence = 0

    async def send(self, op: int, data: Any = None) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def next(self) -> dict[str, Any]:
        message = await self.socket.receive(timeout=DEADLINE_S)
        if message.type is not (aiohttp.WSMsgType.BINARY if self._inflate else aiohttp.WSMsgType.TEXT):
            raise ConnectionError(self.socket.close_code)
        text = self._inflate.decompress(message.data).decode() if self._inflate else message.data
        found: dict[str, Any] = json.loads(text)
        self.sequence = found["s"] or self.sequence
        return found

    async def until(self, name: str) -> Any:
        while (found := await self.next())["t"] != name:
            pass
        return found["d"]

    async def closed(self) -> int | None:
        """The code the other side closed with."""
        while not self.socket.closed:
            await self.socket.receive(timeout=DEADLINE_S)
        return self.socket.close_code


@asynccontextmanager
async def wire(sandbox: Sandbox, *, compressed: bool = True) -> AsyncIterator[Wire]:
    query = "?v=10&encoding=json" + ("&compress=zlib-stream" if compressed else "")
    async with aiohttp.ClientSession() as session, session.ws_connect(sandbox.gateway.url + query) as socket:
        found = Wire(socket, compressed)
        hello = await found.next()
        assert (hello["op"], hello["d"]["heartbeat_interval"]) == (10, 41_250)
        yield found


def identify(sandbox: Sandbox, **extra: Any) -> dict[str, Any]:
    return {"token": sandbox.token, "intents": int(ALL), "properties": {}, **extra}
