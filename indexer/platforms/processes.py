"""Child processes: their priority, their time, their environment, their end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping


def lower_priority(nice: int) -> None:
    """Lowers the priority of this process by `nice`. Windows has no nice values."""
    if sys.platform != "win32":
        os.nice(nice)


def limit_processor_time(seconds: float) -> None:
    """Makes the system end this process after `seconds` of processor time (SIGPROF); 0: no limit. Not on Windows."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def kill(pid: int) -> None:
    """Ends a process at once. Raises ProcessLookupError where it has ended (Windows: PermissionError or OSError)."""
    if sys.platform == "win32":
        os.kill(pid, signal.SIGTERM)  # on Windows: TerminateProcess
    else:
        os.kill(pid, signal.SIGKILL)


def minimal_environment(platform: str, whole: Mapping[str, str]) -> dict[str, str]:
    """The part of `whole` that a program needs to start on `platform`: nothing, or on Windows the system's folder."""
    return {name: whole[name] for name in ("SYSTEMROOT",) if platform == "win32" and name in whole}
