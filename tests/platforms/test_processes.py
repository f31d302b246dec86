"""What a worker is started with, and how it ends."""

from __future__ import annotations

import subprocess
import sys

from indexer.platforms.processes import kill, minimal_environment


def test_a_child_gets_nothing_of_the_environment_but_what_windows_cannot_start_without() -> None:
    whole = {"AFTERIMAGE_DISCORD_TOKEN": "secret", "PATH": "C:\\bin", "SYSTEMROOT": "C:\\Windows"}
    assert minimal_environment("win32", whole) == {"SYSTEMROOT": "C:\\Windows"}
    assert minimal_environment("win32", {"PATH": "C:\\bin"}) == {}
    assert minimal_environment("linux", whole) == {}
    assert minimal_environment("darwin", whole) == {}


def test_a_process_ends_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        kill(process.pid)
        assert process.wait(30) != 0
