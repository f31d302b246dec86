"""A terminal that is none: what a command writes to it is read at the other end."""

from __future__ import annotations

import sys

import pytest


def pseudo_terminal() -> tuple[int, int]:
    """Two file descriptors, ours and the command's; the caller closes both. Skips the test where there is none."""
    if sys.platform != "win32":
        import pty

        return pty.openpty()
    else:  # noqa: RET505 -- mypy takes what follows an `if` for unreachable, and an `else` for another platform's
        pytest.skip("Windows has no pseudo terminals")
