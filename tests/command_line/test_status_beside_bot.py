"""`afterimage status` beside a running bot: its faults, and how its model runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bot.config.tables import Config
from bot.observability.health import Beat
from bot.web.operator import Operator
from indexer.encode import cluster_encoder
from indexer.encode.cluster_encoder import open_cluster_encoder
from indexer.encode.encoder import open_encoder
from indexer.errors import RetryLater
from indexer.platforms.processes import kill
from indexer.settings import ModelSettings, RaySettings, Settings
from indexer.supervisor import Faults
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


async def test_a_cluster_that_is_away_is_told_and_the_bot_stays_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_encoder, "find_spec", lambda _: True)
    monkeypatch.setattr(cluster_encoder, "LOOK_S", 0.01)
    elsewhere = tmp_path / "weights" / "cluster"
    elsewhere.mkdir(parents=True)
    (tmp_path / "known").mkdir()
    model = ModelSettings(name="fake", pretrained=str(elsewhere.parent), runtime="ray")
    cluster = RaySettings(address="ray://gpu:10001", deadline_s=0.1)
    settings = Settings(data_dir=tmp_path / "known", model=model, ray=cluster)
    opening = open_cluster_encoder(
        settings, Faults(), driver="tests.worlds.cluster_child", worker="tests.worlds.model_child"
    )
    async with opening as encoder, answering(tmp_path, encoder) as (bot, _):
        operator = Operator(Config(), "1.2.3", lambda: Beat(serving=True))
        operator.service = bot.service
        await until(lambda: encoder.state.here)
        (elsewhere / "hold").touch()
        await encoder.encode_words(["too slow for this"])
        text = (await ran(tmp_path, "status")).stdout
        assert re.search(r"cluster ray://gpu:10001: away since 20\S+ \(it gave no answer .+\), so this machine's", text)
        (check,) = (check for check in operator.checks() if check.name == "cluster")
        assert check.ok
        assert "the cluster at ray://gpu:10001 is away (it gave no answer" in check.reason
        (elsewhere / "hold").unlink()
        monkeypatch.setattr(encoder, "_slow_until_s", 0.0)
        await until(lambda: encoder.state.here)
        status = json.loads((await ran(tmp_path, "status", "--json")).stdout)
        assert_schema("status", status)
        assert status["bot"]["model"]["cluster"]["here"] is True
        assert status["bot"]["model"]["cluster"]["answered_here"] >= 1
        assert "answers since 20" in (await ran(tmp_path, "status")).stdout
        assert all(check.reason == "" for check in operator.checks() if check.name == "cluster")
