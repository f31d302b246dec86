"""What a worker is started with, and how it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from indexer.platforms.processes import kill, minimal_environment
from indexer.platforms.told_to_end import ended
from tests.worlds.waiting import DEADLINE_S


def test_a_child_gets_nothing_of_the_environment_but_what_windows_cannot_start_without() -> None:
    whole = {"AFTERIMAGE_DISCORD_TOKEN": "secret", "PATH": "C:\\bin", "SYSTEMROOT": "C:\\Windows"}
    assert minimal_environment("win32", whole) == {"SYSTEMROOT": "C:\\Windows"}
    assert minimal_environment("win32", {"PATH": "C:\\bin"}) == {}
    assert minimal_environment("linux", whole) == {}
    assert minimal_environment("darwin", whole) == {}


def test_a_process_ends_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        kill(process.pid)
        assert process.wait(DEADLINE_S) != 0


@pytest.mark.parametrize(
    ("code", "within_s", "obeys"), [("input()", 60.0, True), ("import time; time.sleep(60)", 0.05, False)]
)
async def test_a_process_that_was_told_to_end_and_does_not_is_ended(code: str, within_s: float, obeys: bool) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.close()
    assert (await ended(process, within_s) == 0) is obeys
    assert process.returncode is not None
