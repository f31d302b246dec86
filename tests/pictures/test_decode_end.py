"""A decode worker's start, and its end where nobody reads its answer any more."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from indexer.pictures.decode_process import Worker, WorkerSettings
from indexer.pictures.decode_protocol import REQUEST
from indexer.records.pictures import PixelSpec
from tests.worlds.picture_files import picture
from tests.worlds.waiting import DEADLINE_S, until


async def test_a_worker_ends_even_when_its_pipe_was_paused_in_the_middle_of_an_answer() -> None:
    """Its frame is larger than asyncio buffers, and whoever wanted it was cancelled."""
    worker = await Worker.start(WorkerSettings(PixelSpec(size=512), 10**8, 1, 512 * 1024**2, nice=0))
    data = picture(1)
    worker._requests.write(REQUEST.pack(len(data), 5.0, False, 0) + data)
    await until(lambda: worker._answers._paused)  # type: ignore[attr-defined]  # asyncio's own: nothing else tells
    async with asyncio.timeout(DEADLINE_S):
        assert await worker.kill() == "SIGKILL"


def test_a_worker_imports_no_event_loop() -> None:
    """It has none, and would start an eighth later for it."""
    code = "import sys, indexer.pictures.decode_worker; print('asyncio' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    assert said.stdout == "False\n"
