"""Child processes: their priority, their time, their environment, their end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def lower_priority(nice: int) -> None:
    """Lowers the priority of this process by `nice`. Windows has no nice values."""
    if sys.platform != "win32":
        os.nice(nice)


def lower_thread_priority(nice: int) -> None:
    """Lowers the priority of this thread alone by `nice`. Only Linux has a nice value for each thread; else no change.

    Nothing raises it again: the thread must end with the work that it was made for.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + nice, 19))


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


async def ended(process: asyncio.subprocess.Process, within_s: float) -> int:
    """Waits for a process that has been told to end, and ends it where it takes longer. Returns its exit status."""
    try:
        async with asyncio.timeout(within_s):
            return await process.wait()
    except TimeoutError:
        with suppress(OSError):
            kill(process.pid)
        return await process.wait()


def minimal_environment(platform: str, whole: Mapping[str, str]) -> dict[str, str]:
    """The part of `whole` that a program needs to start on `platform`: nothing, or on Windows the system's folder."""
    return {name: whole[name] for name in ("SYSTEMROOT",) if platform == "win32" and name in whole}


def resident_bytes() -> int | None:
    """The memory that this process has in the machine's; None where the system has no /proc."""
    if sys.platform != "win32":
        with suppress(OSError, ValueError, IndexError):
            return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None
