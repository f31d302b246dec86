"""The lock-down of a decode worker, part by part. A part that the system lacks is reported and skipped, never fatal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from indexer.pictures.lockdown import landlock, seccomp
from indexer.pictures.lockdown.report import Lockdown
from indexer.platforms.linux import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, Unavailable, prctl

if sys.platform != "win32":
    import resource


def lock_down(memory_bytes: int, *, threads: bool = False) -> Lockdown:
    """Takes all rights from this process except its open files and `memory_bytes` more address space than it has now.

    `threads`: it may start threads, which the decoder of HEIC does; never a process.

    All files and libraries that it needs must be loaded before. The lock-down cannot be undone. The parts do not depend
    on each other: if a kernel lacks one, the others are in force.
    """
    parts = {
        "time limit": _can_limit_time,
        "memory limit": lambda: _limit_memory(memory_bytes),
        "not dumpable": lambda: prctl(PR_SET_DUMPABLE, 0),
        "no new privileges": lambda: prctl(PR_SET_NO_NEW_PRIVS, 1),
        "landlock": landlock.enforce,
        "limits": lambda: _limit_files_and_processes(threads),  # after landlock, which needs a descriptor for a moment
        "seccomp": lambda: seccomp.enforce(threads=threads),  # last: it denies system calls that the other parts need
    }
    return Lockdown({name: _missing(part) for name, part in parts.items()})


def _missing(part: Callable[[], object]) -> str:
    """Puts a part in force. Returns why it is not in force, "" where it is."""
    try:
        part()
    except (Unavailable, ValueError, OSError) as error:
        return str(error)
    return ""


def _can_limit_time() -> None:
    """Raises Unavailable where the system has no timer of processor time; each picture sets its own limit with it."""
    if sys.platform == "win32":
        raise Unavailable(f"{sys.platform} has none")


def _limit_memory(beyond_bytes: int) -> None:
    """Caps the address space at what is mapped now plus `beyond_bytes`."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        cap = pages * resource.getpagesize() + beyond_bytes
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    else:  # other systems accept the limit and ignore it, or count memory in a way that is not known here
        raise Unavailable(f"{sys.platform} has none")


def _limit_files_and_processes(threads: bool) -> None:
    """Allows no byte more in any file, no further descriptor, no process, no core file.

    Linux counts a user's threads as processes, so where there may be `threads`, seccomp alone stops processes. The
    system ignores the limit on processes for root. seccomp and landlock restrict root too.
    """
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
        if not threads:
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    else:
        raise Unavailable(f"{sys.platform} has none")
