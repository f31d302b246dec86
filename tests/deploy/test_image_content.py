"""The Dockerfile's own steps in a clean folder: what they make is small, has no torch, runs, and ends in time.

What needs root or an engine is left out: the user, the volume, the read-only file system.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from indexer.platforms.told_to_end import ended
from tests.deploy.dockerfile import ROOT, final_environment, stages, variables
from tests.soak import SOAK
from tests.worlds.waiting import DEADLINE_S, until

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not SOAK, reason="downloads half a gigabyte: AFTERIMAGE_SOAK=1 runs it"),
    pytest.mark.timeout(900),
]

PLACES = ("/opt/afterimage", "/src", "/data")
MOST_BYTES = 750_000_000  # beside python:slim, which takes 130 MB: 900 MB together


def built(folder: Path, **arguments: str) -> None:
    """Carries out the first stage below `folder`."""
    stage = stages()[0]
    defaults = dict(rest.split("=", 1) for name, rest in stage if name == "ARG")
    given = {name: value.strip('"') for name, value in defaults.items()} | arguments
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), **variables(stage), **given}
    for variable in ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "HTTPS_PROXY", "SSL_CERT_FILE"):  # where packages come from
        environment |= {variable: os.environ[variable]} if variable in os.environ else {}
    working = folder
    for name, rest in stage:
        if name == "WORKDIR":
            working = folder / rest.lstrip("/")
            working.mkdir(parents=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, working / target / Path(source).name if target == "./" else working / target)
        elif name == "RUN":
            step = _placed(rest, folder)
            subprocess.run(["/bin/sh", "-c", step], cwd=working, env=environment, check=True, timeout=600)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    else:
        shutil.copy(source, target)


def _placed(text: str, folder: Path) -> str:
    for place in PLACES:
        text = text.replace(place, f"{folder}{place}")
    return text


def size(folder: Path) -> int:
    """Bytes on a disk of blocks of 4 KiB."""
    return sum(-(-path.lstat().st_size // 4096) * 4096 for path in folder.rglob("*"))


async def test_without_torch_it_is_small_and_runs_and_ends_in_time(tmp_path: Path) -> None:
    await asyncio.to_thread(built, tmp_path, WITH_TORCH="no", EXTRAS="heic")
    whole = tmp_path / "opt/afterimage"
    (packages,) = whole.glob("lib/python3*/site-packages")
    assert await asyncio.to_thread(size, whole) <= MOST_BYTES
    assert (packages / "pillow_heif").exists()
    assert not [name for name in ("torch", "open_clip", "transformers", "pip") if (packages / name).exists()]
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    environment = {name: _placed(value, tmp_path) for name, value in final_environment().items()}
    environment["PATH"] = environment["PATH"].replace("$PATH", os.environ["PATH"])
    command = [str(whole / "bin/afterimage")]
    # Without a token it runs beside a sandbox, in a data folder of its own.
    bot = await asyncio.create_subprocess_exec(*command, "run", cwd=data, env=environment)
    try:
        inside = environment | {"AFTERIMAGE_DATA_DIR": str(data / "sandbox")}

        async def healthy() -> bool:
            assert bot.returncode is None
            check = await asyncio.create_subprocess_exec(*command, "health", cwd=data, env=inside)
            return await check.wait() == 0

        await until(healthy)
        bot.send_signal(signal.SIGTERM)
        # The bot ends itself with 1 where that takes longer than the nine seconds of its environment.
        assert await ended(bot, DEADLINE_S) == 0
    finally:
        with suppress(ProcessLookupError):
            bot.kill()
