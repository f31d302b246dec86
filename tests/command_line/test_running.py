"""Without a token: the sandbox as a child, the bot in it, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from bot.command_line import run
from bot.command_line.run import Address, in_sandbox, joining, open_sandbox_process
from bot.config.loader import load
from bot.config.models import demo
from bot.config.tables import Config
from indexer.errors import Stop
from indexer.settings import ModelSettings
from tests.worlds.waiting import DEADLINE_S

ADDRESS = Address("http://127.0.0.1:1/api/v10", "a-token", "127.0.0.1:1", "http://127.0.0.1:1/")


def test_the_configuration_to_join_has_a_folder_of_its_own_and_the_demo_model(tmp_path: Path) -> None:
    joined = joining(Config(), ADDRESS, demo(ModelSettings(), tmp_path))
    assert joined.discord.api_base == ADDRESS.api_base
    assert joined.discord.token is not None
    assert joined.discord.token.reveal() == "a-token"
    assert joined.settings.fetch.insecure_hosts == ("127.0.0.1:1",)
    assert joined.settings.data_dir == Path("data/sandbox")
    assert joined.settings.crawl.start == "auto"
    assert joined.settings.model.name == "afterimage-demo"
    assert joined.settings.model.config_file == tmp_path / "afterimage-demo.json"


def test_a_model_that_somebody_chose_stays() -> None:
    configured = Config().settings.model
    assert joining(Config(), ADDRESS, configured).settings.model == configured


async def test_the_sandbox_starts_as_a_child_and_ends_with_the_block() -> None:
    async with open_sandbox_process() as (address, process):
        assert address.api_base.startswith("http://127.0.0.1:")
        assert address.cdn_host in address.api_base
        assert process.returncode is None
    assert process.returncode == 0


async def test_a_sandbox_whose_starter_is_gone_ends_by_itself() -> None:
    async with open_sandbox_process() as (_, process):
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0


async def test_a_sandbox_that_cannot_start_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(Stop, match="sandbox did not start"):
        async with open_sandbox_process("--port", str(other.getsockname()[1])):
            pass


async def test_other_commands_can_look_into_the_sandboxs_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"")
    monkeypatch.setattr(run, "_demo_folder", lambda: tmp_path)
    config = load(None, {"AFTERIMAGE_DATA_DIR": str(tmp_path / "data")})
    async with in_sandbox(config) as joined:
        told = capsys.readouterr().out
        file = tmp_path / "data" / "sandbox" / "config.toml"
        assert f"afterimage search --config {file}" in told
        assert f"afterimage keys create me --scope admin --config {file}" in told
        assert joined.web.listen == "127.0.0.1:0"
        other = await asyncio.to_thread(load, file, {})
        assert other.settings.data_dir == joined.settings.data_dir
        assert other.settings.model == joined.settings.model
        assert other.discord.token is None
        assert joined.discord.token is not None
        assert joined.discord.token.reveal() not in await asyncio.to_thread(file.read_text)


async def test_how_the_model_runs_can_be_set_for_the_demo_model_too(tmp_path: Path) -> None:
    configured = load(None, {"AFTERIMAGE_DATA_DIR": str(tmp_path), "AFTERIMAGE_MODEL_IDLE_S": "30"})
    async with in_sandbox(configured) as joined:
        assert joined.settings.model.name == "afterimage-demo"
        assert joined.settings.model.idle_s == 30


async def test_without_the_demo_model_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_demo_folder", lambda: tmp_path)
    with pytest.raises(Stop, match="demo model is missing"):
        async with in_sandbox(load(None, {})):
            pass


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AFTERIMAGE_")]:
        monkeypatch.delenv(name)
