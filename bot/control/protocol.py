"""What goes over the control socket: JSON objects, one a line, each side with bounds.

    command → bot   {"version": 2, "do": "forget", "with": {"user": 5}, "deadline_s": 3600, "attached": 0}
                    and so many bytes as `attached` says: a picture to search for
    bot → command   {"progress": "…"}   any number of these; an empty one says that the bot is alive
    bot → command   {"done": {…}}  or  {"error": "one sentence"}   and the connection ends

On a Unix socket the kernel says who asks. On a loopback port both sides first prove that they know the key that lies in
the data folder; the key itself is never sent:

    command → bot   {"nonce": "…"}
    bot → command   {"nonce": "…", "proof": HMAC(key, "bot" + the command's nonce)}
    command → bot   {"version": 2, …, "proof": HMAC(key, "command" + the bot's nonce)}
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

# Another number whenever a request or an answer takes another shape: either side may be of an older day.
VERSION = 2

LINE_BYTES = 64 * 1024  # of one line
ANSWER_BYTES = 4 * 1024 * 1024  # of the last line of the bot: 50 hits with 4,000 characters each, all of them escaped
CONNECTIONS = 8  # at once; whoever has the data folder gives one command at a time
ASK_S = 10.0  # within which a command has said what it wants, and within which either side takes a line
ALIVE_S = 5.0  # the bot says something at least this often
SILENT_S = 60.0  # after which a command gives a silent bot up: its event loop hangs
DEADLINE_S = 6 * 3600.0  # the longest that one operation may take: rewriting 100 GB takes about 20 minutes

SOCKET = "control.sock"
PORT = "control.json"  # where the system has no Unix sockets, or the folder's path is too long for one
# The kernel keeps a socket's address in 108 bytes on Linux and in 104 on macOS, a closing zero among them.
SOCKET_PATH_BYTES = 103


class BadLine(ValueError):
    """The other side sent what is no message of this protocol."""


def socket_path(data_dir: Path) -> Path | None:
    """Where the Unix socket of this data folder lies; None where it cannot have one."""
    path = data_dir.resolve() / SOCKET
    return path if sys.platform != "win32" and len(os.fsencode(path)) <= SOCKET_PATH_BYTES else None


def port_path(data_dir: Path) -> Path:
    """Where the loopback port and its key stand, for a folder that cannot have a Unix socket."""
    return data_dir.resolve() / PORT


def proof(key: str, side: Literal["bot", "command"], nonce: str) -> str:
    """That `side` knows the key, for whoever chose the nonce."""
    return hmac.new(key.encode(), f"{side}{nonce}".encode(), hashlib.sha256).hexdigest()


async def send(
    writer: asyncio.StreamWriter, message: Mapping[str, Any], attached: bytes = b"", *, most: int = LINE_BYTES
) -> None:
    """Raises OSError or TimeoutError where the other side is gone or takes nothing, BadLine for too long a message."""
    line = json.dumps(message).encode() + b"\n"
    if len(line) > most:
        raise BadLine(f"a message of {len(line)} bytes is longer than {most}")
    writer.write(line + attached)
    async with asyncio.timeout(ASK_S):
        await writer.drain()


async def receive(reader: asyncio.StreamReader, within_s: float) -> dict[str, Any] | None:
    """The next message; None where the other side has ended. Raises BadLine, TimeoutError, OSError."""
    try:
        async with asyncio.timeout(within_s):
            line = await reader.readline()
    except ValueError as error:  # longer than the reader's limit
        raise BadLine(f"a line is longer than {LINE_BYTES} bytes") from error
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise BadLine("the last line has no end")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine("a line is not JSON") from error
    if not isinstance(message, dict):
        raise BadLine("a line is not a JSON object")
    return message
