"""A command's side: hands its work to the bot that runs on the data folder, if one does."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.control.protocol import (
    ANSWER_BYTES,
    ASK_S,
    DEADLINE_S,
    SILENT_S,
    VERSION,
    BadLine,
    port_path,
    proof,
    receive,
    send,
    socket_path,
)
from indexer.errors import AfterimageError, RetryLater


class NoBot(Exception):
    """Nobody answers on this data folder: the command does its work itself."""


class Refused(AfterimageError):
    """The running bot did not do it; the message is its sentence."""


async def ask(
    data_dir: Path,
    name: str,
    values: Mapping[str, Any],
    tell: Callable[[str], None],
    *,
    attached: bytes | None = None,
    deadline_s: float = DEADLINE_S,
) -> dict[str, Any]:
    """Has the running bot carry out `name`; returns what came of it, and gives each line of progress to `tell`.

    Raises NoBot where none runs, Refused with the bot's own sentence, RetryLater where the bot is silent or ends.
    """
    reader, writer, key = await _connect(data_dir)
    try:
        request = {"version": VERSION, "do": name, "with": dict(values), "deadline_s": deadline_s}
        if attached is not None:
            request["attached"] = len(attached)
        if key is not None:
            request["proof"] = await _prove(reader, writer, key)
        try:
            await send(writer, request, attached or b"")
        except BadLine as error:  # before anything was sent: given again, it would be as long
            raise Refused(f"This is too much for one command: {error}. Ask for less at once.") from error
        while True:
            message = await receive(reader, SILENT_S)
            if message is None:
                raise RetryLater("The bot ended before the command was done: give it again.")
            if "error" in message:
                raise Refused(str(message["error"]))
            if "done" in message:
                return dict(message["done"])
            if message.get("progress"):
                tell(str(message["progress"]))
    except TimeoutError as error:
        raise RetryLater(
            f"The bot on {data_dir} has said nothing for {SILENT_S:.0f} s: look at its log, and restart it if it hangs."
        ) from error
    except (OSError, BadLine) as error:
        raise RetryLater(
            f"The connection to the bot on {data_dir} was lost ({error}): give the command again."
        ) from error
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(ASK_S):
                await writer.wait_closed()


async def answers(data_dir: Path) -> bool:
    """Whether a bot runs on this data folder and takes commands. Raises Refused in another user's folder."""
    try:
        _, writer, _ = await _connect(data_dir)
    except NoBot:
        return False
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ASK_S):
            await writer.wait_closed()
    return True


async def _connect(data_dir: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str | None]:
    """The connection, and the key where it is over loopback. Raises NoBot; Refused in another user's folder."""
    path = socket_path(data_dir)
    try:
        async with asyncio.timeout(ASK_S):
            if sys.platform != "win32" and path is not None and await asyncio.to_thread(path.exists):
                return *await asyncio.open_unix_connection(path, limit=ANSWER_BYTES), None
            found = json.loads(await asyncio.to_thread(port_path(data_dir).read_text, "utf-8"))
            return *await asyncio.open_connection("127.0.0.1", int(found["port"]), limit=ANSWER_BYTES), str(
                found["key"]
            )
    except PermissionError as error:
        raise Refused(
            f"{data_dir} belongs to another user: give this command as the user that the bot runs as."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:  # nothing there, or left by a bot that was killed
        raise NoBot from error


async def _prove(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> str:
    """Raises NoBot where whoever has the port now does not know the key: it is not the bot."""
    nonce = secrets.token_hex(16)
    await send(writer, {"nonce": nonce})
    answer = await receive(reader, ASK_S)
    if answer is None or not hmac.compare_digest(proof(key, "bot", nonce), str(answer.get("proof"))):
        raise NoBot
    return proof(key, "command", str(answer.get("nonce")))
