"""Readers of HTTP that cost little themselves: kept connections, a request's bytes written as they are.

The readers share two cores with the server that they measure. aiohttp's client takes as long for a request as its
server does; this one takes a tenth of that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np

_CONNECT_S: Final = 10.0
_ANSWER_S: Final = 120.0


class Refused(RuntimeError):
    """The server has no room for the request now (503)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, and its ETag as it came."""

    body: bytes
    tag: str


@dataclass(slots=True)
class Connection:
    """One kept connection. `get` raises RuntimeError for an answer that is not the wanted one, and Refused for 503."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str

    async def get(self, path: str, key: str = "", *, tag: str = "") -> Answer:
        """`tag`: of a copy that is kept; the answer must then be that it may still be shown."""
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"Authorization: Bearer {key}"] if key else []
        lines += [f"If-None-Match: {tag}"] if tag else []
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(_ANSWER_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            status, values = _parsed(head)
            body = await self.reader.readexactly(int(values.get("content-length", "0")))
        if status != (304 if tag else 200):
            raise (Refused if status == 503 else RuntimeError)(f"GET {path} → {status}: {body[:300]!r}")
        return Answer(body, values.get("etag", ""))


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    values = dict(line.split(": ", 1) for line in lines if line)
    return int(first.split(" ", 2)[1]), {name.lower(): value for name, value in values.items()}


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """That many connections to `url`, open until the block ends."""
    host = url.partition("://")[2]
    name, _, port = host.rpartition(":")
    opened: list[Connection] = []
    try:
        async with asyncio.timeout(_CONNECT_S):
            for _ in range(count):
                reader, writer = await asyncio.open_connection(name, int(port))
                opened.append(Connection(reader, writer, host))
        yield opened
    finally:
        for connection in opened:
            connection.writer.close()


@dataclass
class Timings:
    """How long answers took, in milliseconds, over how many seconds they came, and how many requests were refused."""

    took_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    refused: int = 0

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.took_ms, share))

    @property
    def per_s(self) -> float:
        return len(self.took_ms) / self.seconds


async def readers(opened: Sequence[Connection], asked: Sequence[tuple[str, str, str]], seconds: float) -> Timings:
    """Each connection asks for `asked` (path, key, tag of a kept copy) in turn, as fast as it is answered."""
    timings = Timings()
    began = time.perf_counter()
    end = began + seconds

    async def read(number: int, connection: Connection) -> None:
        at = number * 7
        while (start := time.perf_counter()) < end:
            path, key, tag = asked[at % len(asked)]
            await connection.get(path, key, tag=tag)
            timings.took_ms.append((time.perf_counter() - start) * 1e3)
            at += 1

    async with asyncio.TaskGroup() as tasks:
        for number, connection in enumerate(opened):
            tasks.create_task(read(number, connection))
    timings.seconds = time.perf_counter() - began
    return timings


async def at_rate(opened: Sequence[Connection], asked: Sequence[tuple[str, str]], per_s: float) -> Timings:
    """Asks for each of `asked` (path, key) at its moment, however long the ones before it take.

    An answer's time counts from that moment: one that waits for a free connection has waited.
    """
    timings = Timings()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in opened:
        free.put_nowait(connection)
    began = time.perf_counter()

    async def ask(path: str, key: str, due: float) -> None:
        connection = await free.get()
        try:
            await connection.get(path, key)
        except Refused:
            timings.refused += 1
        else:
            timings.took_ms.append((time.perf_counter() - due) * 1e3)
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as tasks:
        for number, (path, key) in enumerate(asked):
            due = began + number / per_s
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            tasks.create_task(ask(path, key, due))
    timings.seconds = time.perf_counter() - began
    return timings
