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
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
_IMPORTED = [
    *(f"tests.worlds.{name}" for name in ("bot_child", "index_victim", "killed_promises")),
    "faiss",
]


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
    output: Connection | None,
    screen: Connection | None,
    main: Callable[[], object],
    folder: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
) -> None:
    """What the process does. What it writes goes into `output`.

    `screen` is the terminal at which it is given, in a session without another one: there it asks, and tells what is
    no answer; the answers too where there is no `output`.
    """
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if screen is not None and sys.platform != "win32":
        os.setsid()
    for number, end in enumerate((screen, output or screen, screen or output)):
        if end is not None:
            os.dup2(end.fileno(), number)
    for end in (output, screen):
        if end is not None:
            end.close()
    if screen is not None:  # multiprocessing has put the empty device into sys.stdin, and the others know no terminal
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115 -- till the end
    sys.argv = ["afterimage", *arguments]
    sys.exit(main())  # type: ignore[arg-type]  # an exit code
