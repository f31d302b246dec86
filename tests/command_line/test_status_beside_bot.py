"""`afterimage status` beside a running bot: its faults, and how its model runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from indexer.encode.encoder import open_encoder
from indexer.errors import RetryLater
from indexer.platforms.processes import kill
from indexer.settings import ModelSettings
from sandbox.model import EXPORT
from tests.worlds.answering_bot import answering, ran
from tests.worlds.json_schemas import assert_schema
from tests.worlds.waiting import until


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
