"""`afterimage search` beside a running bot: it answers over its socket, and nothing heavy is loaded.

These tests ask, and share one bot.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.control.client import Refused, ask
from bot.control.protocol import VERSION
from tests.worlds.answering_bot import MOST_BYTES, ROOT, answering, ran
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.running_bot import Running, Town, noise
from tests.worlds.waiting import DEADLINE_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("beside a bot")]

HEAVY = {"torch", "open_clip", "discord", "faiss", "numpy", "aiohttp", "PIL", "fluent", "sqlite3"}


Beside = tuple[Path, Running, Town]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Beside]:
    """The folder in which commands are given, and the bot that answers there."""
    folder = tmp_path_factory.mktemp("beside")
    async with answering(folder) as (bot, place):
        yield folder, bot, place


async def test_the_running_bot_answers_and_the_command_opens_no_model(beside: Beside) -> None:
    folder, _, place = beside
    done = await ran(folder, "search", "--json", "--count", "4", '"number 3"')
    assert done.stderr == ""
    found = json.loads(done.stdout)
    wanted = next(message for message in place.pictures.messages() if message.content == "picture number 3")
    assert [hit["message_id"] for hit in found["hits"]] == [str(wanted.id)]
    assert found["hits"][0]["channel"] == "pictures"
    assert found["hits"][0]["link"] is None  # the sandbox's
    text = await ran(folder, "search", '"number 3"')
    assert f"message {wanted.id}" in text.stdout
    assert "#pictures  Bo, " in text.stdout


async def test_it_sees_every_channel_as_the_command_always_did(beside: Beside) -> None:
    folder, _, _ = beside
    found = json.loads((await ran(folder, "search", "--json", "in:#secret")).stdout)
    assert len(found["hits"]) == 2


async def test_a_picture_goes_along_with_the_question(beside: Beside) -> None:
    folder, _, place = beside
    (folder / "looking for.png").write_bytes(noise(4).data)
    done = await ran(folder, "search", "--json", "--image", "looking for.png")
    first = json.loads(done.stdout)["hits"][0]
    wanted = next(message for message in place.pictures.messages() if message.content == "picture number 4")
    assert (first["message_id"], first["named"]) == (str(wanted.id), "Same picture (1.00)")


async def test_a_link_is_downloaded_by_the_rules_of_every_download(beside: Beside) -> None:
    folder, bot, place = beside
    wanted = next(message for message in place.pictures.messages() if message.content == "picture number 4")
    link = bot.sandbox.links.signed(wanted.attachments[0])  # the sandbox's host is allowed here
    found = await ask(folder / "data", "search", {"links": [link]}, print)
    assert [hit["message_id"] for hit in found["hits"][:1]] == [str(wanted.id)]
    for bad in (
        link.replace("127.0.0.1", "localhost"),
        "https://127.0.0.1/a.png",
        "file:///etc/passwd",
        "ftp://a/b",
    ):
        with pytest.raises(Refused, match=r"fetch\.extra_hosts"):
            await ask(folder / "data", "search", {"links": [bad]}, print)


async def test_what_is_wrong_is_one_line(beside: Beside) -> None:
    folder, _, _ = beside
    for name, data in {"half.png": noise(4).data[:60], "none.png": b"", "notes.txt": b"only words"}.items():
        (folder / name).write_bytes(data)
        done = await ran(folder, "search", "--image", name)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
        assert name in done.stderr
    for arguments in (["in:#nowhere"], ["from:@nobody cat"], ["cat", "--guild", "5"], [""], ["--", "-cat"]):
        done = await ran(folder, "search", *arguments)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


async def test_next_to_nothing_is_imported(beside: Beside) -> None:
    folder, _, _ = beside
    code = (
        "import sys, runpy; sys.argv[:] = ['afterimage', 'search', 'number']\n"
        "try: runpy.run_module('bot', run_name='__main__')\n"
        "except SystemExit: pass\n"
        f"print('loaded:', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert "searched 8 pictures" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets for asyncio")
@pytest.mark.parametrize("size", [MOST_BYTES + 1, 2**40])
async def test_more_than_may_be_attached_is_not_read(beside: Beside, size: int) -> None:
    folder, _, _ = beside
    if sys.platform != "win32":
        reader, writer = await asyncio.open_unix_connection(folder / "data" / "control.sock")
        request = {"version": VERSION, "do": "search", "with": {}, "attached": size}
        writer.write(json.dumps(request).encode() + b"\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert await ask(folder / "data", "search", {"words": "number"}, print)  # the next one is answered


@pytest.mark.parametrize(
    "values",
    [{"guild": "5"}, {"guild": True}, {"words": {"a": 1}, "guild": -1}]
    + [{"count": count} for count in (-5, 0, True, 2.5, "many")],
)
async def test_values_that_make_no_sense_are_refused(beside: Beside, values: dict[str, Any]) -> None:
    folder, _, _ = beside
    with pytest.raises(Refused):
        await ask(folder / "data", "search", {"words": "number", **values}, print)


async def test_a_terminal_shows_at_once_what_is_waited_for_and_a_pipe_does_not(beside: Beside) -> None:
    folder, _, _ = beside
    ours, theirs = pseudo_terminal()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "search", "number"),
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            stdout=asyncio.subprocess.PIPE,
            stderr=theirs,
        )
        out, _ = await process.communicate()
        seen = await asyncio.to_thread(os.read, ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"asking the running bot" in seen
    assert seen.endswith(b"\r\x1b[K")  # the line is empty again when the answer stands there
    assert b"searched 8 pictures" in out
    assert b"asking" not in out
