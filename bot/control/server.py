"""The bot's side: answers commands of the same user for as long as the bot runs."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import secrets
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.control.handler import Handler
from bot.control.protocol import (
    ALIVE_S,
    ANSWER_BYTES,
    ASK_S,
    CONNECTIONS,
    DEADLINE_S,
    LINE_BYTES,
    VERSION,
    BadLine,
    port_path,
    proof,
    receive,
    send,
    socket_path,
)
from bot.texts.errors import english
from indexer.errors import AfterimageError

logger = logging.getLogger(__name__)

# Lines of progress that wait for a command that reads slowly; more are left out, the last word never is.
WAITING_LINES = 32

OTHER_VERSION = "The running bot is another version than this command: restart the bot, then give the command again."
OTHER_USER = "The bot runs as another user: give this command as that user."
TOO_MANY = f"The running bot works on {CONNECTIONS} commands already: wait for one of them."
NOT_KNOWN = "The running bot knows no such command: restart it with the version of this command."
ENDING = "The bot is stopping: give the command again when it has started, or while it does not run."
FAILED = "The bot failed at this command; its log says where."


@asynccontextmanager
async def open_control(
    data_dir: Path, handlers: Mapping[str, Handler], drain_s: float, *, attached_bytes: int = 0
) -> AsyncIterator[None]:
    """Answers commands until the block ends; then those at work may finish, for at most `drain_s` seconds.

    A command may attach at most `attached_bytes` to its request: its handler finds them under "attached".

    The caller holds the data folder's writer lock: a socket that lies there already is of a bot that was killed. Where
    neither a socket nor a loopback port can be had, the bot runs without, and the log says so.
    """
    async with asyncio.TaskGroup() as tasks:
        control = _Control(handlers, tasks, attached_bytes)
        server = await _listen(data_dir, control)
        try:
            yield
        finally:
            _clear(data_dir)
            if server is not None:
                await _stop_listening(server)
            await control.end(drain_s)


async def _listen(data_dir: Path, control: _Control) -> asyncio.Server | None:
    _clear(data_dir)
    path = socket_path(data_dir)
    if sys.platform != "win32" and path is not None:
        try:
            return await _listen_unix(path, control)
        except OSError as error:  # some network file systems and shared folders hold no sockets
            logger.info("%s cannot be had (%s): commands are answered on a loopback port", path, error)
            _clear(data_dir)
    try:
        return await _listen_loopback(port_path(data_dir), control)
    except OSError as error:
        logger.warning("commands cannot be answered (%s): stop the bot before you give one that writes", error)
        return None


async def _stop_listening(server: asyncio.Server) -> None:
    """Nobody connects any more. Whoever is being accepted right now is answered: asyncio's server would lose the
    connection, which stays open, where it is closed between the two steps that it takes for that.
    """
    if sys.platform != "win32":
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)  # the connection's transport is made
        await asyncio.sleep(0)  # `accept` is called
    server.close()


def _clear(data_dir: Path) -> None:
    """Takes away what says where commands are answered."""
    for path in (socket_path(data_dir), port_path(data_dir)):
        if path is not None:
            path.unlink(missing_ok=True)


if sys.platform != "win32":

    async def _listen_unix(path: Path, control: _Control) -> asyncio.Server:
        listening = _bound(path)
        try:
            return await asyncio.start_unix_server(control.accept, sock=listening, limit=LINE_BYTES)
        except BaseException:
            listening.close()
            raise

    def _bound(path: Path) -> socket.socket:
        """The socket at `path`, which only this user can reach. It does not listen yet: nobody has connected before."""
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            bound.bind(os.fspath(path))
            path.chmod(0o600)
        except BaseException:
            bound.close()
            raise
        return bound


async def _listen_loopback(path: Path, control: _Control) -> asyncio.Server:
    control.key = secrets.token_hex(32)
    server = await asyncio.start_server(control.accept, "127.0.0.1", 0, limit=LINE_BYTES)
    _write(path, {"port": server.sockets[0].getsockname()[1], "key": control.key})
    return server


def _write(path: Path, found: Mapping[str, Any]) -> None:
    """A new file that only this user can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(found, file)


def is_same_user(connection: Any) -> bool:
    """Whether the other end of a Unix socket is of this process's user; True where the system cannot tell."""
    same = True
    if sys.platform == "linux":
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        same = bool(user == os.geteuid())
    return same


@dataclass(slots=True)
class _Control:
    """The connections and the operations at work. `key`: what a command must know; None on a Unix socket."""

    handlers: Mapping[str, Handler]
    tasks: asyncio.TaskGroup
    attached_bytes: int
    key: str | None = None
    connections: set[asyncio.Task[None]] = field(default_factory=set)
    at_work: set[asyncio.Task[dict[str, Any]]] = field(default_factory=set)
    ending: bool = False

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self.tasks.create_task(self._converse(reader, writer), name="control connection")
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def end(self, drain_s: float) -> None:
        self.ending = True
        if self.at_work:
            await asyncio.wait(self.at_work, timeout=drain_s)
        for operation in self.at_work:
            operation.cancel()
        if self.connections:
            await asyncio.wait(self.connections, timeout=ASK_S)
        for connection in self.connections:
            connection.cancel()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One command from its request to its answer. Whatever goes wrong stays in here."""
        try:
            answer = await self._answer(reader, writer)
            if answer is not None:
                await send(writer, answer, most=ANSWER_BYTES)
        except (OSError, TimeoutError, BadLine) as error:
            logger.info("a command's connection ended: %s", str(error) or type(error).__name__)
        except Exception:
            logger.exception("a command's connection failed")
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(ASK_S):
                    await writer.wait_closed()

    def _refusal(self, writer: asyncio.StreamWriter) -> str | None:
        if self.key is None and not is_same_user(writer.get_extra_info("socket")):
            return OTHER_USER
        if len(self.connections) > CONNECTIONS:
            return TOO_MANY
        return ENDING if self.ending else None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any] | None:
        """What the command is told in the end; None for a stranger, who is told nothing."""
        refusal = self._refusal(writer)
        request = await self._request(reader, writer)
        if request is None:
            return None
        if refusal is None and request.get("version") != VERSION:
            refusal = OTHER_VERSION
        handler = self.handlers.get(str(request.get("do")))
        values = request.get("with", {})
        if refusal is not None or handler is None or not isinstance(values, dict):
            await self._pass_over(reader, request.get("attached", 0))
            return {"error": refusal or NOT_KNOWN}
        if "attached" in request:
            values = {**values, "attached": await self._attached(reader, request["attached"])}
        deadline_s = request.get("deadline_s")
        if not isinstance(deadline_s, int | float) or not 0 < deadline_s <= DEADLINE_S:
            deadline_s = DEADLINE_S
        return await self._carry_out(str(request["do"]), handler, values, float(deadline_s), writer)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, Any] | None:
        first = await receive(reader, ASK_S)
        if self.key is None or first is None:
            return first
        nonce = secrets.token_hex(16)
        await send(writer, {"nonce": nonce, "proof": proof(self.key, "bot", str(first.get("nonce")))})
        request = await receive(reader, ASK_S)
        wanted = proof(self.key, "command", nonce)
        if request is None or not hmac.compare_digest(wanted, str(request.get("proof"))):
            logger.warning("somebody who does not know the data folder's key tried to give a command")
            return None
        return request

    async def _attached(self, reader: asyncio.StreamReader, count: object) -> bytes:
        """Raises BadLine for more than may be attached, or where fewer bytes come."""
        size = self._size_of(count)
        try:
            async with asyncio.timeout(ASK_S):
                return await reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise BadLine(f"{len(error.partial)} of {size} bytes came") from error

    async def _pass_over(self, reader: asyncio.StreamReader, count: object) -> None:
        """Reads what is attached and keeps nothing of it: what is closed with something unread takes the answer along.

        Raises BadLine for more than may be attached.
        """
        left = self._size_of(count)
        async with asyncio.timeout(ASK_S):
            while left and (data := await reader.read(min(left, LINE_BYTES))):
                left -= len(data)

    def _size_of(self, count: object) -> int:
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= self.attached_bytes:
            raise BadLine(f"{count} bytes are attached, and at most {self.attached_bytes} may be")
        return count

    async def _carry_out(
        self, name: str, handler: Handler, values: Mapping[str, Any], deadline_s: float, writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        """Runs the operation, telling how far it is. It goes on where the command's connection is lost."""
        lines: asyncio.Queue[str] = asyncio.Queue(WAITING_LINES)

        def tell(text: str) -> None:
            with suppress(asyncio.QueueFull):
                lines.put_nowait(text)

        async def work() -> dict[str, Any]:
            try:
                async with asyncio.timeout(deadline_s):
                    return {"done": dict(await handler(values, tell))}
            except asyncio.CancelledError:
                return {"error": ENDING}
            except TimeoutError:
                return {"error": f"This took longer than {deadline_s:g} s and was stopped; what was done stays done."}
            except AfterimageError as error:  # a Stop too: whoever gave the command is told, and the loops end the bot
                return {"error": english(error)}
            except Exception:
                logger.exception("the command %s failed", name)
                return {"error": FAILED}

        logger.info("the command %s, given from outside", name)
        operation = self.tasks.create_task(work(), name=f"command {name}")
        self.at_work.add(operation)
        operation.add_done_callback(self.at_work.discard)
        while not operation.done():
            told = asyncio.ensure_future(lines.get())
            try:
                await asyncio.wait({operation, told}, timeout=ALIVE_S, return_when=asyncio.FIRST_COMPLETED)
                text = told.result() if told.done() else ""
            finally:
                told.cancel()
            if not operation.done() or text:
                await send(writer, {"progress": text})
        return {"error": ENDING} if operation.cancelled() else operation.result()  # cancelled before it began
