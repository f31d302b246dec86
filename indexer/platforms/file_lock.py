"""A lock on an open file. The lock ends with the process, also when the process is killed."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

if sys.platform == "win32":
    import msvcrt

    # Windows prevents other processes from reading a locked byte. So the locked byte is after the content of the file.
    _LOCKED_BYTE = 0x7FFF0000

    def try_lock(handle: int) -> None:
        """Raises BlockingIOError where another process has the lock, OSError where the file cannot be locked."""
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # EACCES: taken
            raise BlockingIOError(error.errno, error.strerror) from error

    def let_go(handle: int) -> None:
        """Unlocks and closes the file, so that the lock is free at once and not at a later time."""
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        with suppress(OSError):  # this process did not have the lock
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.close(handle)

else:
    import fcntl

    # A forked child shares the lock and would keep it after the parent was killed. So a child closes the file at once.
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
