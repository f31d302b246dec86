"""What keeps the bot's own memory and token from other processes of its user."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

from indexer.platforms.linux import PR_SET_DUMPABLE, Unavailable, prctl


def keep_memory_private() -> None:
    """Makes this process not dumpable: nobody but root reads its memory or its files in /proc, attaches to it, or
    finds them in a core file. Where the system has no such thing (other than Linux), nothing changes.
    """
    with suppress(Unavailable):
        prctl(PR_SET_DUMPABLE, 0)


def wipe_from_environment(name: str) -> None:
    """Takes a variable out of this process's environment, and its value out of the memory that the environment was in.

    Programs that are started from now on do not inherit it, and /proc/PID/environ shows zeros: without the second step
    it would show what was given at the start for as long as the process lives.
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
