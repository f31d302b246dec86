"""Landlock (landlock(7), Linux 5.13 and newer): no file, no TCP connection, no signal to another process."""

from __future__ import annotations

import ctypes
import os
import struct

from indexer.platforms.linux import syscall

# The numbers are the same on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_RULESET_VERSION = 1

# ABI of the kernel → every right over files that it knows (LANDLOCK_ACCESS_FS_*): a later one adds a bit.
_FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP = 0b11  # bind and connect, from ABI 4
_SCOPES = 0b11  # abstract Unix sockets and signals, from ABI 6


def enforce() -> int:
    """Denies this process and its children everything that the kernel's Landlock can deny. Returns the kernel's ABI.

    The ruleset handles every right and has no rule that grants one. PR_SET_NO_NEW_PRIVS must be set before. Raises
    Unavailable where the kernel has no Landlock.
    """
    abi = syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    rights = (1 << _FILES[min(abi, max(_FILES))]) - 1
    words = [rights, *([_TCP] if abi >= 4 else []), *([_SCOPES] if abi >= 6 else [])]
    attributes = struct.pack(f"={len(words)}Q", *words)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = syscall(_CREATE_RULESET, ctypes.cast(buffer, ctypes.c_void_p), len(attributes), 0)
    try:
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return abi
