"""A Ray of one machine, for `afterimage encoder`: one_node_worker.py starts it, and this is how that is started."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.encode.on_ray.environment import NO_FORK_HANDLERS, prepare
from indexer.encode.protocol import LENGTH, message
from indexer.errors import ModelUnavailable
from indexer.platforms.processes import command, environment_without_settings

PROGRAM = "indexer.encode.on_ray.one_node_worker"

_START_S = 120.0  # seconds that it may take to start; five on a slow core
_END_S = 20.0  # seconds that Ray's processes may take to end; then they are killed with this one's


@dataclass(frozen=True, slots=True)
class Node:
    """What it is started with. `host` is what it listens on; `port` is for bots of this machine and for further nodes,
    `client_port` for bots elsewhere. `store_bytes`: shared memory for pictures under way."""

    host: str
    port: int
    client_port: int
    cores: int
    gpus: int
    store_bytes: int = 200_000_000

    @property
    def address(self) -> str:
        """For a bot of this machine."""
        return f"{self.host}:{self.port}"

    @property
    def client_address(self) -> str:
        """For a bot of another machine."""
        return f"ray://{self.host}:{self.client_port}"


@asynccontextmanager
async def open_node(node: Node, token_file: Path | None) -> AsyncIterator[asyncio.Task[str]]:
    """The node until the block ends. Yields a task that ends when one of Ray's processes has ended: with which.

    Raises ModelUnavailable where it cannot be started.
    """
    environment = environment_without_settings() | NO_FORK_HANDLERS
    prepare(environment, node.address, token_file)
    arguments = json.dumps({"parent": os.getpid(), "node": asdict(node)})
    process = await asyncio.create_subprocess_exec(
        *command(arguments, PROGRAM),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, process_group=0,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    watching: asyncio.Task[str] | None = None
    try:
        try:
            async with asyncio.timeout(_START_S):
                said = await _said(process.stdout)
        except TimeoutError:
            said = {"text": f"it had not started after {_START_S:g} s"}
        if said.get("say") != "started":
            raise ModelUnavailable(f"Ray cannot be started on {node.host}: {said.get('text', 'its process ended')}")
        watching = asyncio.create_task(_ended(process.stdout), name="Ray's processes")
        yield watching
    finally:
        if watching is not None:
            watching.cancel()
        with suppress(OSError):
            process.stdin.write(message({"ask": "end"}))
            await process.stdin.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ended(answers: asyncio.StreamReader) -> str:
    return str((await _said(answers)).get("text", "its process has ended"))


async def _said(answers: asyncio.StreamReader) -> dict[str, Any]:
    try:
        (length,) = LENGTH.unpack(await answers.readexactly(LENGTH.size))
        said: dict[str, Any] = json.loads(await answers.readexactly(length))
    except asyncio.IncompleteReadError:
        return {}
    return said
