"""Protects the bot's memory and token from other processes of the same user."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

from indexer.platforms.linux import PR_SET_DUMPABLE, Unavailable, prctl


def keep_memory_private() -> None:
    """Makes this process not dumpable: only root can read its memory or its files in /proc, attach to it, or find them
    in a core file. Does nothing where the system lacks this (systems other than Linux).
    """
    with suppress(Unavailable):
        prctl(PR_SET_DUMPABLE, 0)


def wipe_from_environment(name: str) -> None:
    """Removes a variable from this process's environment, and its value from the memory that held the environment.

    Programs started later do not inherit it, and /proc/PID/environ shows zeros. Without the second step that file would
    show the initial value as long as the process lives.
    """
    if name not in os.environ:
        return
    where = length = 0
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.getenv.restype = ctypes.c_void_p
        where = libc.getenv(os.fsencode(name)) or 0
        length = len(os.fsencode(os.environ[name]))
    del os.environ[name]
    if where:
        ctypes.memset(where, 0, length)
