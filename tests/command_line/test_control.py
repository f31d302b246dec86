"""Commands beside a running bot: done by it, for its own user alone, and within bounds."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.control import client, protocol, server
from bot.control.client import NoBot, Refused, ask
from bot.control.handler import Handler, Tell, Values
from bot.control.protocol import CONNECTIONS, LINE_BYTES, SOCKET_PATH_BYTES, VERSION, port_path, proof, socket_path
from bot.control.server import open_control
from indexer.database.database import to_the_end
from indexer.errors import RetryLater, TellPerson
from tests.worlds.waiting import DEADLINE_S

PICTURE = bytes(4 * 1024 * 1024)  # more than fits into a connection that nobody reads


def nothing(text: str) -> None:
    """Progress that nobody reads."""


async def echo(values: Values, tell: Tell) -> Values:
    tell("half done")
    return {"heard": dict(values)}


@pytest.fixture(params=["socket", "loopback"])
def data_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder, and one whose path is too long for a Unix socket."""
    folder = tmp_path / "data"
    if request.param == "loopback":
        folder = tmp_path / ("a-long-name-" * 8) / ("and-another-" * 8)
    folder.mkdir(parents=True)
    assert (socket_path(folder) is None) == (request.param == "loopback")
    return folder


@asynccontextmanager
async def answering(data_dir: Path, drain_s: float = 5.0, **handlers: Handler) -> AsyncIterator[None]:
    async with open_control(data_dir, {"echo": echo, **handlers}, drain_s, attached_bytes=len(PICTURE)):
        yield


async def connected(data_dir: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection as any program can open it, before a word was said."""
    path = socket_path(data_dir)
    if sys.platform != "win32" and path is not None:
        return await asyncio.open_unix_connection(path)
    found = json.loads(port_path(data_dir).read_text())
    return await asyncio.open_connection("127.0.0.1", found["port"])


async def hung_up(reader: asyncio.StreamReader) -> list[dict[str, Any]]:
    """Everything the bot still says until it ends the connection."""
    said = []
    async with asyncio.timeout(DEADLINE_S):
        while line := await reader.readline():
            said.append(json.loads(line))
    return said


async def test_a_command_is_answered_and_hears_how_far_it_is(data_dir: Path) -> None:
    told: list[str] = []
    async with answering(data_dir):
        assert await ask(data_dir, "echo", {"user": 5}, told.append) == {"heard": {"user": 5}}
    assert told == ["half done"]


async def test_what_a_killed_bot_left_behind_is_no_bot_and_makes_room_for_the_next(data_dir: Path) -> None:
    with pytest.raises(NoBot):
        await ask(data_dir, "echo", {}, nothing)
    code = (
        "import asyncio, sys, os\nfrom pathlib import Path\nfrom bot.control.server import open_control\n"
        "async def main():\n"
        "    async with open_control(Path(sys.argv[1]), {}, 0): os._exit(9)\n"
        "asyncio.run(main())"
    )
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, str(data_dir)], timeout=DEADLINE_S)
    assert killed.returncode == 9
    assert [path.name for path in data_dir.iterdir()] in ([protocol.SOCKET], [protocol.PORT])
    with pytest.raises(NoBot):
        await ask(data_dir, "echo", {}, nothing)
    async with answering(data_dir):
        assert await ask(data_dir, "echo", {}, nothing) == {"heard": {}}
    assert list(data_dir.iterdir()) == []


async def test_where_the_file_system_holds_no_sockets_commands_go_over_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> socket.socket:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(server, "_bound", refuse)  # no such file system can be mounted by a test
    async with answering(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [protocol.PORT]
        assert await ask(tmp_path, "echo", {}, nothing) == {"heard": {}}


async def test_only_the_bots_own_user_can_reach_it(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    async with answering(data_dir):
        (made,) = data_dir.iterdir()
        assert stat.S_IMODE(made.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
async def test_another_user_who_reaches_the_socket_is_refused() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # where another user may look
        folder = Path(name)
        folder.chmod(0o755)
        async with answering(folder):
            (folder / protocol.SOCKET).chmod(0o666)
            code = (
                "import socket, sys\nsocket_ = socket.socket(socket.AF_UNIX)\nsocket_.connect(sys.argv[1])\n"
                'socket_.sendall(b\'{"do": "echo"}\\n\')\nprint(socket_.makefile().read())'
            )
            other = await asyncio.create_subprocess_exec(
                *("/usr/bin/python3", "-I", "-c", code, str(folder / protocol.SOCKET)),
                stdout=asyncio.subprocess.PIPE,
                user=65534,
            )
            said, _ = await other.communicate()
    assert json.loads(said) == {"error": server.OTHER_USER}


async def test_whoever_does_not_know_the_key_is_told_nothing(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * SOCKET_PATH_BYTES)
    folder.mkdir()
    async with answering(folder):
        for last in ({"version": VERSION, "do": "echo", "proof": proof("guessed", "command", "00")}, {"do": "echo"}):
            reader, writer = await connected(folder)
            writer.write(json.dumps({"nonce": "00"}).encode() + b"\n" + json.dumps(last).encode() + b"\n")
            (challenge,) = await hung_up(reader)
            assert challenge.keys() == {"nonce", "proof"}
            writer.close()


async def test_a_program_that_has_the_port_of_a_bot_that_is_gone_is_not_the_bot(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * SOCKET_PATH_BYTES)
    folder.mkdir()

    heard = asyncio.Queue[bytes]()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"nonce": "00", "proof": "00"}\n')
        heard.put_nowait(await reader.read())
        writer.close()

    async with await asyncio.start_server(pretend, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        port_path(folder).write_text(json.dumps({"port": port, "key": "k" * 64}))
        with pytest.raises(NoBot):
            await ask(folder, "echo", {}, nothing)
        assert await heard.get() == b"", "a command said what it wants to a stranger"


@pytest.mark.parametrize(
    "said",
    [
        b"not json\n",
        b"[1, 2]\n",
        b'{"version": 1',
        b"[" * 30_000 + b"\n",
        b"x" * (LINE_BYTES + 10) + b"\n",
        b"",
    ],
    ids=["words", "list", "half", "deep", "long", "nothing"],
)
async def test_what_is_no_request_ends_the_connection_and_nothing_else(data_dir: Path, said: bytes) -> None:
    async with answering(data_dir):
        reader, writer = await connected(data_dir)
        writer.write(said)
        writer.write_eof()
        assert await hung_up(reader) == []
        writer.close()
        assert await ask(data_dir, "echo", {}, nothing) == {"heard": {}}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"version": VERSION + 1, "do": "echo"}, server.OTHER_VERSION),
        ({"version": VERSION, "do": "nonsense"}, server.NOT_KNOWN),
        ({"version": VERSION, "do": "echo", "with": [1]}, server.NOT_KNOWN),
        ({"version": VERSION, "do": ["echo"]}, server.NOT_KNOWN),
    ],
)
async def test_what_cannot_be_asked_is_refused_in_a_sentence(
    tmp_path: Path, request_: dict[str, Any], sentence: str
) -> None:
    async with answering(tmp_path):
        reader, writer = await connected(tmp_path)
        writer.write(json.dumps(request_).encode() + b"\n")
        assert await hung_up(reader) == [{"error": sentence}]
        writer.close()


async def test_a_caller_that_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ASK_S", 0.05)
    async with answering(tmp_path):
        reader, writer = await connected(tmp_path)
        assert await hung_up(reader) == []
        writer.close()


@pytest.mark.parametrize("attached", [None, PICTURE], ids=["alone", "picture"])
async def test_more_callers_than_there_is_room_for_are_told_so(data_dir: Path, attached: bytes | None) -> None:
    gate = asyncio.Event()

    async def wait(values: Values, tell: Tell) -> Values:
        tell("waiting")
        await gate.wait()
        return {}

    async with answering(data_dir, wait=wait):
        waiting = [asyncio.Event() for _ in range(CONNECTIONS)]

        def told(number: int) -> Callable[[str], None]:
            return lambda _: waiting[number].set()

        asking = [asyncio.create_task(ask(data_dir, "wait", {}, told(number))) for number in range(CONNECTIONS)]
        async with asyncio.timeout(DEADLINE_S):
            for event in waiting:
                await event.wait()
        with pytest.raises(Refused, match="already"):
            await ask(data_dir, "echo", {}, nothing, attached=attached)
        gate.set()
        await asyncio.gather(*asking)


async def test_a_bot_of_another_version_says_so_of_a_command_with_a_picture_too(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering(data_dir):
        with monkeypatch.context() as patched, pytest.raises(Refused, match="another version"):
            patched.setattr(client, "VERSION", VERSION + 1)
            await ask(data_dir, "echo", {}, nothing, attached=PICTURE)
        with pytest.raises(Refused, match="no such command"):
            await ask(data_dir, "nonsense", {}, nothing, attached=PICTURE)


async def test_what_is_too_long_for_one_request_is_not_given_again_and_again(data_dir: Path) -> None:
    async with answering(data_dir):
        with pytest.raises(Refused, match="too much for one command"):
            await ask(data_dir, "echo", {"words": "x" * LINE_BYTES}, nothing)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(TellPerson("cli-needs", name="user"), "This command needs user."), (ValueError("secret detail"), server.FAILED)],
)
async def test_an_operation_that_fails_is_told_in_one_sentence(tmp_path: Path, error: Exception, sentence: str) -> None:
    async def fail(values: Values, tell: Tell) -> Values:
        raise error

    async with answering(tmp_path, fail=fail):
        with pytest.raises(Refused) as refused:
            await ask(tmp_path, "fail", {}, nothing)
        assert str(refused.value) == sentence
        assert await ask(tmp_path, "echo", {}, nothing) == {"heard": {}}


async def test_an_operation_stops_at_the_commands_deadline(tmp_path: Path) -> None:
    async def wait(values: Values, tell: Tell) -> Values:
        await asyncio.Event().wait()
        return {}

    async with answering(tmp_path, wait=wait):
        with pytest.raises(Refused, match="longer than"):
            await ask(tmp_path, "wait", {}, nothing, deadline_s=0.05)


async def test_work_goes_on_when_the_command_is_interrupted(tmp_path: Path) -> None:
    begun, gate, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(values: Values, tell: Tell) -> Values:
        begun.set()
        await gate.wait()
        finished.set()
        return {}

    async with answering(tmp_path, work=work):
        asking = asyncio.create_task(ask(tmp_path, "work", {}, nothing))
        await begun.wait()
        asking.cancel()
        await asyncio.wait({asking})
        gate.set()
        async with asyncio.timeout(DEADLINE_S):
            await finished.wait()


async def test_a_bot_that_stops_lets_the_work_in_hand_finish(tmp_path: Path) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work(values: Values, tell: Tell) -> Values:
        begun.set()
        await gate.wait()
        return {"finished": True}

    async with answering(tmp_path, drain_s=30.0, work=work):
        asking = asyncio.create_task(ask(tmp_path, "work", {}, nothing))
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await asking == {"finished": True}


async def test_work_that_does_not_end_in_time_is_told_that_the_bot_stops(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def work(values: Values, tell: Tell) -> Values:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async with answering(tmp_path, drain_s=0.05, work=work):
        asking = asyncio.create_task(ask(tmp_path, "work", {}, nothing))
        await begun.wait()
    with pytest.raises(Refused, match="stopping"):
        await asking


async def test_a_command_that_does_not_end_with_the_bot_leaves_no_task_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ASK_S", 0.05)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def stubborn(values: Values, tell: Tell) -> Values:
        begun.set()
        await to_the_end(may_end.wait())
        return {}

    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as tasks, answering(tmp_path, drain_s=0.0, stubborn=stubborn):
        asking = tasks.create_task(_refused(tmp_path, "stubborn"))
        await begun.wait()
        ending = tasks.create_task(asyncio.sleep(0.5))
        ending.add_done_callback(lambda _: may_end.set())
    await asking
    assert [task for task in asyncio.all_tasks() - before if not task.done()] == []


async def _refused(data_dir: Path, name: str) -> None:
    with pytest.raises((Refused, RetryLater)):
        await ask(data_dir, name, {}, nothing)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets for asyncio")
async def test_a_bot_that_dies_under_a_command_is_told_as_such(tmp_path: Path) -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    if sys.platform != "win32":
        async with await asyncio.start_unix_server(die, socket_path(tmp_path)):
            with pytest.raises(RetryLater, match="ended before"):
                await ask(tmp_path, "echo", {}, nothing)


async def test_a_command_that_reads_nothing_blocks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "ASK_S", 0.2)
    finished = asyncio.Event()

    async def chatter(values: Values, tell: Tell) -> Values:
        for number in range(20_000):
            tell(f"{number} " + "x" * 1000)
            if number % 10 == 0:
                await asyncio.sleep(0)
        finished.set()
        return {}

    async with answering(tmp_path, chatter=chatter):
        _, writer = await connected(tmp_path)
        writer.write(json.dumps({"version": VERSION, "do": "chatter"}).encode() + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            await finished.wait()
        assert await ask(tmp_path, "echo", {}, nothing) == {"heard": {}}
        writer.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets for asyncio")
@pytest.mark.parametrize("steps", range(6))
async def test_who_connects_while_the_bot_ends_loses_nothing(
    tmp_path: Path, steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    """`steps` of the event loop before the end. What is left open is a warning, and a warning an error."""
    async with answering(tmp_path):
        connect_and_leave(tmp_path)
        for _ in range(steps):
            await asyncio.sleep(0)
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def connect_and_leave(data_dir: Path) -> None:
    """Asks whether a bot runs, without letting the event loop go on."""
    if sys.platform != "win32":
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(os.fspath(socket_path(data_dir) or ""))
