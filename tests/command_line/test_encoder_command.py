"""`afterimage encoder`: a Ray on loopback with a token and an encoder, for as long as the command runs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from stat import S_IMODE

import psutil
import pytest

from bot.cli import main
from bot.command_line.encoder import told, written_token
from indexer.encode.encoder import open_remote_encoder
from indexer.encode.on_ray.environment import NO_FORK_HANDLERS
from indexer.encode.on_ray.one_node import Node
from indexer.errors import ConfigError
from indexer.settings import ModelSettings, RaySettings
from indexer.supervisor import Faults
from sandbox.model import EXPORT
from tests.worlds.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets of Ray lie in it."""
    made = Path(tempfile.mkdtemp(prefix="enc"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'afterimage[fleet]'")
@pytest.mark.xdist_group("ray")
async def test_a_bot_uses_the_encoder_by_the_lines_that_were_printed_and_nobody_elsewhere_reaches_it(
    folder: Path,
) -> None:
    config = folder / "config.toml"
    config.write_text(
        f'data_dir = "data"\n[model]\nname = "exported"\nfolder = "{EXPORT}"\nprecision = "float32"\nstreams = 1\n'
        f'[ray]\ntoken_file = "{folder / "token"}"\n'
    )
    command = [sys.executable, "-m", "bot", "encoder", "--config", str(config), "--gpus", "0"]
    command += ["--port", str(free_port()), "--cluster-port", str(free_port())]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "RAY_TMPDIR": str(folder)}
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            said = (await process.stdout.readuntil(b"Ctrl-C ends it.")).decode()
        lines = re.search(r"\n\n((?:    .+\n)+)", said)
        assert lines is not None, said
        values = tomllib.loads(lines[1])
        assert values["model"].pop("runtime") == "ray"
        cluster = RaySettings(**values["ray"] | {"token_file": Path(values["ray"]["token_file"])})
        model = ModelSettings(**values["model"] | {"folder": Path(values["model"]["folder"])})
        async with asyncio.timeout(DEADLINE_S), open_remote_encoder(model, cluster, Faults()) as encoder:
            assert (await encoder.encode_words(["a red apple"])).shape == (1, encoder.spec.dimension)
            assert encoder.choice.streams == 2
        elsewhere = re.search(r'    address = "(ray://.+)"', said)
        assert elsewhere is not None, said
        proxied = replace(cluster, address=elsewhere[1])
        async with asyncio.timeout(DEADLINE_S), open_remote_encoder(model, proxied, Faults()) as encoder:
            assert (await encoder.encode_words(["a red apple"])).shape == (1, encoder.spec.dimension)
        ours = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        (raylet,) = (child for child in ours if child.name() == "raylet")
        assert raylet.environ().items() >= NO_FORK_HANDLERS.items()
        listening = {
            connection.laddr.ip.removeprefix("::ffff:")
            for child in ours
            for connection in child.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1", "::1"}
    finally:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(DEADLINE_S):
            await process.communicate()
    assert process.returncode == 0
    _, alive = await asyncio.to_thread(psutil.wait_procs, ours, DEADLINE_S)
    assert not alive


def test_the_token_is_made_once_for_its_user_alone(tmp_path: Path) -> None:
    path = written_token(tmp_path / "ray" / "token")
    token = path.read_text()
    assert len(token) == 64
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert written_token(path).read_text() == token
    path.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        written_token(path)


def test_what_an_open_port_means_is_said_where_one_is_opened(tmp_path: Path) -> None:
    cluster = RaySettings(token_file=tmp_path / "token", min_replicas=2, max_replicas=3, cores=4.0, gpus=1.0)
    node = Node("127.0.0.1", 6379, 10001, 4, 1)
    here = told(ModelSettings(name="quality"), cluster, node)
    assert 'name = "quality"' in here
    for line in ("min_replicas = 2", "max_replicas = 3", "cores = 4.0", "gpus = 1.0"):
        assert f"    {line}\n" in here
    assert "ssh -N -L 10001:127.0.0.1:10001" in here
    assert "WHOEVER" not in here
    elsewhere = told(ModelSettings(), cluster, replace(node, host="192.168.1.20"))
    assert 'address = "ray://192.168.1.20:10001"' in elsewhere
    assert "WHOEVER REACHES 192.168.1.20 AND HAS THE TOKEN CAN RUN PROGRAMS HERE" in elsewhere


@pytest.mark.parametrize("wrong", ["--host=0.0.0.0", "--host=here", "--port=0", "--port=70000", "--gpus=-1"])
def test_what_cannot_be_is_a_wrong_usage(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["encoder", wrong])
    assert left.value.code == 2
    assert wrong.split("=")[0] in capsys.readouterr().err


def test_without_the_extra_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.command_line.encoder.find_spec", lambda _: None)
    assert main(["encoder"]) == 1
    assert "pip install 'afterimage[fleet]'" in capsys.readouterr().err
