"""Processes of tests that begin as a fork of one that has imported already what they need.

To import the bot takes 0.8 s of a processor, and what such a test then asks of it 0.2 s. A process of multiprocessing
has what a command of a user has: an id, a main thread, signals, an exit code. It has no start of Python, which
`tests/app/test_start.py` and `tests/command_line/test_real_model.py` are about. Where the system cannot fork, each
process starts anew.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
_IMPORTED = ["tests.worlds.bot_child", "tests.worlds.index_victim", "faiss"]


def forking() -> Any:
    """The context to make processes with."""
    context: Any = multiprocessing.get_context("spawn")
    if sys.platform != "win32":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):  # it may begin while a test is in another folder
            forkserver.ensure_running()
    return context


def as_command(
    output: Connection, main: Callable[[], object], folder: Path, arguments: list[str], environment: Mapping[str, str]
) -> None:
    """What the process does: all that it writes goes into `output`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    sys.argv = ["afterimage", *arguments]
    sys.exit(main())  # type: ignore[arg-type]  # an exit code
