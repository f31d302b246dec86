"""`afterimage search` and `status` beside a running bot: it answers over its socket, and nothing heavy is loaded."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.app import operations
from bot.control.client import Refused, ask
from bot.control.protocol import VERSION
from bot.control.search import WAKING
from bot.control.server import open_control
from indexer import ports
from indexer.encode.encoder import open_encoder
from indexer.errors import RetryLater
from indexer.platforms.processes import kill
from indexer.settings import ModelSettings
from sandbox.model import EXPORT
from sandbox.world import File
from tests.worlds.encoder import Encoder
from tests.worlds.json_schemas import assert_schema
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.running_bot import Running, Town, indexed, noise, town
from tests.worlds.waiting import until

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "open_clip", "discord", "faiss", "numpy", "aiohttp", "PIL", "fluent", "sqlite3"}
MOST_BYTES = 100_000


@asynccontextmanager
async def answering(tmp_path: Path, encoder: ports.Encoder | None = None) -> AsyncIterator[tuple[Running, Town]]:
    """A bot with its socket. Its data folder is named `data`, and its model is none that a command could open."""
    place = town()
    async with indexed(place, tmp_path / "data", encoder=encoder) as bot:
        handlers = operations(bot.client._config, bot.service)
        async with open_control(tmp_path / "data", handlers, 5.0, attached_bytes=MOST_BYTES):
            yield bot, place


async def ran(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_the_running_bot_answers_and_the_command_opens_no_model(tmp_path: Path) -> None:
    async with answering(tmp_path) as (_, place):
        done = await ran(tmp_path, "search", "--json", "--count", "4", '"number 3"')
        assert done.stderr == ""
        found = json.loads(done.stdout)
        wanted = next(message for message in place.pictures.messages() if message.content == "picture number 3")
        assert [hit["message_id"] for hit in found["hits"]] == [str(wanted.id)]
        assert found["hits"][0]["channel"] == "pictures"
        assert found["hits"][0]["link"] is None  # the sandbox's
        text = await ran(tmp_path, "search", '"number 3"')
        assert f"message {wanted.id}" in text.stdout
        assert "#pictures  Bo, " in text.stdout


async def test_it_sees_every_channel_as_the_command_always_did(tmp_path: Path) -> None:
    async with answering(tmp_path):
        found = json.loads((await ran(tmp_path, "search", "--json", "in:#secret")).stdout)
        assert len(found["hits"]) == 2


async def test_a_picture_goes_along_with_the_question(tmp_path: Path) -> None:
    async with answering(tmp_path) as (_, place):
        (tmp_path / "looking for.png").write_bytes(noise(4).data)
        done = await ran(tmp_path, "search", "--json", "--image", "looking for.png")
        first = json.loads(done.stdout)["hits"][0]
        wanted = next(message for message in place.pictures.messages() if message.content == "picture number 4")
        assert (first["message_id"], first["named"]) == (str(wanted.id), "Same picture (1.00)")


async def test_small_copies_come_from_what_the_messages_show_now_and_spoilers_have_none(tmp_path: Path) -> None:
    async with answering(tmp_path) as (bot, place):
        place.pictures.post(place.member.user, "hidden", files=[File.of("SPOILER_a.png", noise(77).data)])
        await bot.embedded(9)
        asked = {"words": "in:#pictures", "pictures": True, "count": 20}
        hits = (await ask(tmp_path / "data", "search", asked, print))["hits"]
        assert [bool(hit["picture"]) for hit in hits] == ["spoiler" not in hit["kinds"] for hit in hits]
        assert sum("spoiler" in hit["kinds"] for hit in hits) == 1
        assert base64.b64decode(hits[-1]["picture"])[8:12] == b"WEBP"


async def test_a_link_is_downloaded_by_the_rules_of_every_download(tmp_path: Path) -> None:
    async with answering(tmp_path) as (bot, place):
        wanted = next(message for message in place.pictures.messages() if message.content == "picture number 4")
        link = bot.sandbox.links.signed(wanted.attachments[0])  # the sandbox's host is allowed here
        found = await ask(tmp_path / "data", "search", {"links": [link]}, print)
        assert [hit["message_id"] for hit in found["hits"][:1]] == [str(wanted.id)]
        for bad in (
            link.replace("127.0.0.1", "localhost"),
            "https://127.0.0.1/a.png",
            "file:///etc/passwd",
            "ftp://a/b",
        ):
            with pytest.raises(Refused, match=r"fetch\.extra_hosts"):
                await ask(tmp_path / "data", "search", {"links": [bad]}, print)


async def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    async with answering(tmp_path):
        for name, data in {"half.png": noise(4).data[:60], "none.png": b"", "notes.txt": b"only words"}.items():
            (tmp_path / name).write_bytes(data)
            done = await ran(tmp_path, "search", "--image", name)
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
            assert name in done.stderr
        for arguments in (["in:#nowhere"], ["from:@nobody cat"], ["cat", "--guild", "5"], [""], ["--", "-cat"]):
            done = await ran(tmp_path, "search", *arguments)
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)


async def test_next_to_nothing_is_imported(tmp_path: Path) -> None:
    async with answering(tmp_path):
        code = (
            "import sys, runpy; sys.argv[:] = ['afterimage', 'search', 'number']\n"
            "try: runpy.run_module('bot', run_name='__main__')\n"
            "except SystemExit: pass\n"
            f"print('loaded:', sorted({HEAVY!r} & set(sys.modules)))"
        )
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "searched 8 pictures" in done.stdout
        assert done.stdout.splitlines()[-1] == "loaded: []"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets for asyncio")
@pytest.mark.parametrize("size", [MOST_BYTES + 1, 2**40])
async def test_more_than_may_be_attached_is_not_read(tmp_path: Path, size: int) -> None:
    async with answering(tmp_path):
        if sys.platform != "win32":
            reader, writer = await asyncio.open_unix_connection(tmp_path / "data" / "control.sock")
            request = {"version": VERSION, "do": "search", "with": {}, "attached": size}
            writer.write(json.dumps(request).encode() + b"\n")
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert await ask(tmp_path / "data", "search", {"words": "number"}, print)  # the next one is answered


@pytest.mark.parametrize(
    "values",
    [{"guild": "5"}, {"guild": True}, {"words": {"a": 1}, "guild": -1}]
    + [{"count": count} for count in (-5, 0, True, 2.5, "many")],
)
async def test_values_that_make_no_sense_are_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    async with answering(tmp_path):
        with pytest.raises(Refused):
            await ask(tmp_path / "data", "search", {"words": "number", **values}, print)


async def test_where_the_model_is_not_loaded_the_command_hears_it(tmp_path: Path) -> None:
    encoder, told = Encoder(), list[str]()
    async with answering(tmp_path, encoder):
        encoder.awake = False
        await ask(tmp_path / "data", "search", {"words": "number"}, told.append)
        assert told == [WAKING]
        await ask(tmp_path / "data", "search", {"words": "in:#pictures"}, told.append)  # needs no model
        assert told == [WAKING]


async def test_a_long_answer_passes_whole(tmp_path: Path) -> None:
    place = town(pictures=0)
    for number in range(50):
        file = File.of("picture.png", noise(number).data, description="\N{SNOWMAN}" * 1000)
        place.pictures.post(place.member.user, "\N{SNOWMAN}" * 2000, files=[file])
    async with (
        indexed(place, tmp_path / "data") as bot,
        open_control(tmp_path / "data", operations(bot.client._config, bot.service), 5.0),
    ):
        found = await ask(tmp_path / "data", "search", {"words": "in:#pictures", "count": 50}, print)
        assert len(found["hits"]) == 50


async def test_status_tells_the_faults_of_the_running_bot(tmp_path: Path) -> None:
    async with answering(tmp_path) as (bot, _):
        quiet = await ran(tmp_path, "status")
        assert "running bot: model in-test (none), loaded" in quiet.stdout
        assert "no faults since it started" in quiet.stdout
        for _ in range(3):
            bot.service.faults.add("upkeep", RetryLater("the disk said no\nand\x1b[31m no"))
        bot.service.faults.add("events", RetryLater("busy"))
        bot.service.faults.healthy("events")
        told = (await ran(tmp_path, "status")).stdout
        assert "fault: upkeep failed 3 times, last 20" in told
        assert "3 in a row up to now" in told
        assert "the disk said no\\nand\\x1b[31m no" in told
        assert "fault: events failed 1 times" in told
        status = json.loads((await ran(tmp_path, "status", "--json")).stdout)
        assert_schema("status", status)
        found = status["bot"]
        assert [(fault["name"], fault["count"]) for fault in found["faults"]] == [("events", 1), ("upkeep", 3)]
        assert found["model"]["awake"] is True
    assert "no bot runs here now" in (await ran(tmp_path, "status")).stdout


async def test_status_tells_how_the_model_runs_and_how_it_ran_when_it_has_gone(tmp_path: Path) -> None:
    settings = ModelSettings(name="demo", folder=EXPORT, streams=1, precision="float32", idle_s=0)
    how = r"openvino on cpu, float32, 1 stream, (\d+) threads?, ([\d.]+) pictures/s"
    async with open_encoder(settings) as encoder, answering(tmp_path, encoder):
        text = (await ran(tmp_path, "status")).stdout
        assert re.search(rf"model afterimage-demo \(.+\), loaded\n +runs by {how}\n", text), text
        model = json.loads((await ran(tmp_path, "status", "--json")).stdout)["bot"]["model"]
        told = re.fullmatch(how, model["runs"])
        assert told is not None
        assert model["choice"] == {
            "runtime": "openvino", "device": "cpu", "precision": "float32", "streams": 1,
            "threads": int(told[1]), "pictures_per_s": float(told[2]),
        }  # fmt: skip
        assert min(model["choice"]["threads"], model["choice"]["pictures_per_s"]) > 0
        assert encoder.pid is not None
        kill(encoder.pid)
        await until(lambda: encoder.pid is None)
        text = (await ran(tmp_path, "status")).stdout
        assert re.search(rf"not loaded: the next question or picture loads it\n +ran by {how}\n", text), text


async def test_a_terminal_shows_at_once_what_is_waited_for_and_a_pipe_does_not(tmp_path: Path) -> None:
    async with answering(tmp_path):
        ours, theirs = pseudo_terminal()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "search", "number"),
                cwd=tmp_path,
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
