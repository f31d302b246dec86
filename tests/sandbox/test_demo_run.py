"""The demo as a user runs it, with the real bot and the demo model: minutes, so only with AFTERIMAGE_SOAK=1.

`make soak` sets it.
"""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from sandbox.model import WEIGHTS
from tests.soak import SOAK

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not SOAK, reason="takes minutes: AFTERIMAGE_SOAK=1 runs it"),
    pytest.mark.timeout(900),
]


async def _run(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.parametrize("options", [(), ("--manage-threads",), ("--weights", str(WEIGHTS))])
async def test_every_query_of_the_demo_finds_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AFTERIMAGE_INDEX_SEAL_ROWS", "exported for another bot")
    data, sheet = tmp_path / "data", tmp_path / "sheet.png"
    code, output = await _run("sandbox.demo", "--data", str(data), "--sheet", str(sheet), *options)
    monkeypatch.delenv("AFTERIMAGE_INDEX_SEAL_ROWS")
    last = output.strip().splitlines()[-1]
    assert re.fullmatch(r"demo: (\d+)/\1 queries found their message", last), output
    assert code == 0
    with Image.open(sheet) as image:
        assert min(image.size) > 1000
    code, status = await _run("bot", "status", "--json", "--config", str(data / "config.toml"))
    told = json.loads(status)
    assert code == 0
    assert told["messages"] >= 300
    assert told["embeddings"] >= 250
    assert told["segments"] >= 1
    assert {"corrupt", "empty", "not-a-picture", "too-many-pixels", "truncated"} <= told["failures"].keys()
