"""A lock on an open file, which ends with the process however that ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

if sys.platform == "win32":
    import msvcrt

    # Windows keeps other processes from reading a locked byte: this one lies behind everything that is in the file.
    _LOCKED_BYTE = 0x7FFF0000

    def try_lock(handle: int) -> None:
        """Raises BlockingIOError where another process has the lock, OSError where the file cannot be locked."""
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # EACCES: taken
            raise BlockingIOError(error.errno, error.strerror) from error

    def let_go(handle: int) -> None:
        """Closes the file, which frees the lock: at once, and not when the system comes to it."""
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        with suppress(OSError):  # it was not ours
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.close(handle)

else:
    import fcntl

    # A forked child shares the lock with its parent and would keep it when the parent is killed: it lets go at birth.
    _held: set[int] = set()

    def _let_go_in_child() -> None:
        for handle in _held:
            with suppress(OSError):
                os.close(handle)
        _held.clear()

    os.register_at_fork(after_in_child=_let_go_in_child)

    def try_lock(handle: int) -> None:
        """Raises BlockingIOError where another process has the lock, OSError where the file cannot be locked."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held.add(handle)

    def let_go(handle: int) -> None:
        """Closes the file, which frees the lock."""
        _held.discard(handle)
        os.close(handle)
