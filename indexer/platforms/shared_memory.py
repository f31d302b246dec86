"""Memory shared with a child process: a file without a name if possible, or else a temporary file."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress

Reference = int | str
"""How the other process finds it: a descriptor that it inherits (`inherited`), or a path."""


def create_shared() -> tuple[int, Reference]:
    """An empty file, open for reading and writing, and its reference for the child. `delete_shared` deletes it."""
    if sys.platform == "linux":
        handle = os.memfd_create("afterimage")
        return handle, handle
    else:  # noqa: RET505 -- mypy takes what follows an `if` of another platform for unreachable
        handle, path = tempfile.mkstemp(prefix="afterimage-")
        if sys.platform == "win32":  # a file that is open cannot be deleted there
            return handle, path
        else:  # noqa: RET505 -- as above, for Windows
            os.unlink(path)  # noqa: PTH108 -- mkstemp gives the path as text
            return handle, handle


def inherited(reference: Reference) -> tuple[int, ...]:
    """The value of `pass_fds` with which the program must be started."""
    return (reference,) if isinstance(reference, int) else ()


def open_shared(reference: Reference) -> int:
    """The descriptor, in the other process."""
    if isinstance(reference, int):
        return reference
    return os.open(reference, os.O_RDWR | getattr(os, "O_BINARY", 0))


def delete_shared(handle: int, reference: Reference) -> None:
    """Closes the file. A temporary file is deleted too, where no process has it mapped any more."""
    os.close(handle)
    if isinstance(reference, str):
        with suppress(OSError):  # Windows keeps a mapped file; the system empties its temporary folder
            os.unlink(reference)  # noqa: PTH108 -- the path is text: it went to a child in an argument
