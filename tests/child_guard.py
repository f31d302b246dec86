"""Catches child processes that tests leave behind. Otherwise a warning about one fails a later test, which has nothing
to do with it.
"""

from __future__ import annotations

from pathlib import Path

_TASKS = Path("/proc/self/task")


def children() -> dict[int, str]:
    """The child processes of this process that have not been waited for: their ids, and what was started.

    None are known where the system has no /proc. The servants of multiprocessing stay until the process ends.
    """
    found: dict[int, str] = {}
    for task in _TASKS.glob("*/children"):
        try:
            pids = [int(pid) for pid in task.read_text().split()]
        except OSError:  # the thread has ended
            continue
        for pid in pids:
            try:
                started = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:  # ended, and waited for
                continue
            if "from multiprocessing." not in started:
                found[pid] = started or "a process that has ended"
    return found
