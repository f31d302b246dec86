"""The two kernel interfaces of Linux that the standard library lacks: prctl(2), and system calls by number."""

from __future__ import annotations

import ctypes
import os
import sys

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38


class Unavailable(Exception):
    """This system lacks a part of the lock-down; the message says why, in a few words."""


def _libc() -> ctypes.CDLL:
    if sys.platform == "linux":
        return ctypes.CDLL(None, use_errno=True)
    raise Unavailable(f"{sys.platform} has none")


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) with one argument. Raises Unavailable where the kernel refuses it."""
    result = int(_libc().prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3))
    if result < 0:
        raise Unavailable(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
    return result


def syscall(number: int, *arguments: int | ctypes.c_void_p | None) -> int:
    """A system call by its number. Raises Unavailable where the kernel refuses it."""
    words = (ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments)
    result = int(_libc().syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise Unavailable(os.strerror(ctypes.get_errno()))
    return result
