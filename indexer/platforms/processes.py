"""Child processes: priority, time, environment, end. Picture readers import this, and need no asyncio for it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from indexer.platforms.linux import PR_SET_PDEATHSIG, Unavailable, prctl

OWN_VARIABLES = "AFTERIMAGE_"  # how the bot's settings begin in the environment, its token perhaps among them
NICE = 10  # of work that nobody waits for: whoever indexes or searches meanwhile goes first


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


def end_with(parent: int) -> None:
    """Lets the kernel end this process when its parent ends, also while it is halted. Else than on Linux no change."""
    if sys.platform == "linux":
        with suppress(Unavailable):
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(0)


def halt(pid: int) -> bool:
    """Takes all processor time from a process until `go_on`. Only for a process that called `end_with`.

    False where this system has no way to do so without leaving it halted for good when this process is killed, and
    where the process has ended.
    """
    if sys.platform == "linux":
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return False
        return True
    else:  # noqa: RET505 -- mypy takes what follows an `if` of another platform for unreachable
        return False


def go_on(pid: int) -> None:
    """Takes back `halt`."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """Ends a process at once. Raises ProcessLookupError where it has ended (Windows: PermissionError or OSError)."""
    if sys.platform == "win32":
        os.kill(pid, signal.SIGTERM)  # on Windows: TerminateProcess
    else:
        os.kill(pid, signal.SIGKILL)


def command(arguments: str, module: str, *, site: bool = True) -> list[str]:
    """The command line of a process of ours: `main(arguments)` of a module, found where our own modules are found.

    It is a new program, isolated: it has no copy of this process's memory. Without `site` no start-up files run.
    """
    root = str(Path(__file__).parents[2])
    paths = [root, *(path for path in sys.path if path and path != root)]
    code = f"import sys; sys.path[:] = {paths!r}; from {module} import main; main({arguments!r})"
    return [sys.executable, "-I", *(() if site else ("-S",)), "-c", code]


def environment_without_settings() -> dict[str, str]:
    """This process's environment, for a process that must not know the bot's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}


def minimal_environment(platform: str, whole: Mapping[str, str]) -> dict[str, str]:
    """The part of `whole` that a program needs to start on `platform`: nothing, or on Windows the system's folder."""
    return {name: whole[name] for name in ("SYSTEMROOT",) if platform == "win32" and name in whole}


def resident_bytes(pid: int | None = None) -> int | None:
    """The memory that a process (None: this one) has in the machine's; None where it has ended or there is no /proc."""
    if sys.platform != "win32":
        with suppress(OSError, ValueError, IndexError):
            statm = Path(f"/proc/{'self' if pid is None else pid}/statm").read_text("ascii")
            return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None
