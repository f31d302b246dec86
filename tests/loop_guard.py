"""Catches what blocks an event loop: one callback that keeps the loop for longer than `BOUND_S`.

A loop is blocked for the wall time of a callback, less two things. The time that its thread stood ready and was given
no processor (Linux: schedstat's run delay): a busy machine is not blocking code. And garbage collections: they go
through all that a process of tests has loaded, up to 0.9 s; the bot freezes what it has loaded at its start.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
from asyncio.events import Handle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.platforms.files import read_at

BOUND_S = 0.75  # seconds; what the bot itself must keep is far less (50 ms), measured by benchmarks

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


@dataclass(slots=True)
class _Running:
    """The callback that a loop's thread is in."""

    handle: Handle
    since: float
    stack: str = ""


@dataclass(slots=True)
class LoopGuard:
    """Records each callback that blocked its loop for longer than `bound_s` while `watching()`."""

    bound_s: float = BOUND_S
    blocks: list[str] = field(default_factory=list)
    _running: dict[int, _Running] = field(default_factory=dict)
    _collecting: dict[int, float] = field(default_factory=dict)  # thread → when its collection began
    _collected_s: dict[int, float] = field(default_factory=dict)  # thread → seconds of its collections so far

    @contextmanager
    def watching(self) -> Iterator[LoopGuard]:
        run = Handle._run
        files = threading.local()

        def timed(handle: Handle) -> Any:
            thread = threading.get_ident()
            before = self._running.get(thread)
            waited = _run_delay(files)
            collected_s = self._collected_s.get(thread, 0.0)
            since = time.perf_counter()
            self._running[thread] = current = _Running(handle, since)
            try:
                return run(handle)
            finally:
                taken = time.perf_counter() - since
                if taken > self.bound_s:
                    blocked = taken - (_run_delay(files) - waited)
                    blocked -= self._collected_s.get(thread, 0.0) - collected_s
                    if blocked > self.bound_s:
                        self.blocks.append(f"{blocked:.2f} s in {handle!r}\n{current.stack}")
                if before is None:
                    del self._running[thread]
                else:  # a loop inside a callback of another loop
                    self._running[thread] = before

        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(ended,), name="loop-guard", daemon=True)
        setattr(Handle, "_run", timed)  # noqa: B010 -- typeshed calls it a method, not to be assigned
        gc.callbacks.append(self._on_collection)
        watcher.start()
        try:
            yield self
        finally:
            gc.callbacks.remove(self._on_collection)
            setattr(Handle, "_run", run)  # noqa: B010
            ended.set()
            watcher.join()

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        thread, now = threading.get_ident(), time.perf_counter()
        if phase == "start":
            self._collecting[thread] = now
        elif (began := self._collecting.pop(thread, None)) is not None:
            self._collected_s[thread] = self._collected_s.get(thread, 0.0) + now - began

    def _watch(self, ended: threading.Event) -> None:
        """Takes the stack of a thread that has been in one callback for half the bound."""
        while not ended.wait(self.bound_s / 4):
            now = time.perf_counter()
            for thread, current in list(self._running.items()):
                if not current.stack and now - current.since > self.bound_s / 2:
                    frame = sys._current_frames().get(thread)
                    if frame is not None:
                        current.stack = "".join(traceback.format_stack(frame, limit=12))


def _run_delay(files: threading.local) -> float:
    """Seconds that this thread has been ready to run and was not; 0 where the kernel does not say."""
    handle: int | None = getattr(files, "handle", None)
    if handle is None:
        try:
            handle = os.open(_SCHEDSTAT, os.O_RDONLY)
        except OSError:
            handle = -1
        files.handle = handle
        files.closer = _Closer(handle)
    if handle < 0:
        return 0.0
    return int(read_at(handle, 64, 0).split()[1]) / 1e9


class _Closer:
    """Closes a thread's file when the thread's locals go."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
