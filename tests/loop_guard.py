"""Catches what blocks an event loop: one callback that keeps the loop for longer than `BOUND_S`.

A loop is blocked for the wall time of a callback, less what is not the code's doing:

- Garbage collections. They go through all that a process of tests has loaded, up to 0.9 s; the bot freezes what it has
  loaded at its start.
- The time that its thread stood ready and was given no processor (Linux: schedstat's run delay).
- The time in which the whole process stood still, as on a virtual machine whose host is busy, and where the kernel
  tells no run delay: the watching thread, which wakes by the clock, then wakes late. What the callback's own thread
  computed in that time still counts: code that holds the interpreter's lock makes the watching thread late too.
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

# Seconds for which a run delay that was read at the start of a callback serves the next ones. To read it at each costs
# half of what asyncio itself takes for a callback. What is read late is counted as waited for, too.
_READ_AGAIN_S = 0.02

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


@dataclass(slots=True)
class _Running:
    """The callback that a loop's thread is in."""

    handle: Handle
    since: float
    stack: str = ""


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A callback that took longer than the bound, for `waited_s` of it without a processor."""

    began: float
    ended: float
    computed_s: float
    waited_s: float
    collected_s: float
    what: str


@dataclass(slots=True)
class LoopGuard:
    """Records each callback that blocked its loop for longer than `bound_s` while `watching()`.

    `blocks` is filled when `watching()` ends.
    """

    bound_s: float = BOUND_S
    blocks: list[str] = field(default_factory=list)
    _running: dict[int, _Running] = field(default_factory=dict)
    _collecting: dict[int, float] = field(default_factory=dict)  # thread → its processor time at a collection's begin
    _collected_s: dict[int, float] = field(default_factory=dict)  # thread → seconds of its collections so far
    _suspects: list[_Suspect] = field(default_factory=list)
    _late: list[tuple[float, float]] = field(default_factory=list)  # from when the watcher should have been awake, to

    @contextmanager
    def watching(self) -> Iterator[LoopGuard]:
        run = Handle._run
        delays = _RunDelays()

        def timed(handle: Handle) -> Any:
            thread = threading.get_ident()
            before = self._running.get(thread)
            collected_s = self._collected_s.get(thread, 0.0)
            computed_s = time.thread_time()
            began = time.perf_counter()
            waited_s = delays.before(began)
            self._running[thread] = current = _Running(handle, began)
            try:
                return run(handle)
            finally:
                ended = time.perf_counter()
                if ended - began > self.bound_s:
                    suspect = _Suspect(
                        began,
                        ended,
                        time.thread_time() - computed_s,
                        delays.now() - waited_s,
                        self._collected_s.get(thread, 0.0) - collected_s,
                        f"{handle!r}\n{current.stack}",
                    )
                    self._suspects.append(suspect)
                if before is None:
                    del self._running[thread]
                else:  # a loop inside a callback of another loop
                    self._running[thread] = before

        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,), name="loop-guard", daemon=True)
        setattr(Handle, "_run", timed)  # noqa: B010 -- typeshed calls it a method, not to be assigned
        gc.callbacks.append(self._on_collection)
        watcher.start()
        try:
            yield self
        finally:
            gc.callbacks.remove(self._on_collection)
            setattr(Handle, "_run", run)  # noqa: B010 -- as where it was put in
            over.set()
            watcher.join()
            for suspect in self._suspects:
                blocked_s = self._blocked_s(suspect)
                if blocked_s > self.bound_s:
                    self.blocks.append(f"{blocked_s:.2f} s in {suspect.what}")

    def _blocked_s(self, suspect: _Suspect) -> float:
        """Seconds of the callback that are its code's doing."""
        late_s = sum(max(0.0, min(suspect.ended, to) - max(suspect.began, since)) for since, to in self._late)
        passed_s = suspect.ended - suspect.began
        accounted_s = max(0.0, suspect.computed_s + suspect.waited_s - (passed_s - late_s))
        stood_still_s = max(0.0, late_s - accounted_s)
        return passed_s - suspect.collected_s - suspect.waited_s - stood_still_s

    def _on_collection(self, phase: str, _: dict[str, int]) -> None:
        thread, now = threading.get_ident(), time.thread_time()  # what it waits for a processor counts already
        if phase == "start":
            self._collecting[thread] = now
        elif (began := self._collecting.pop(thread, None)) is not None:
            self._collected_s[thread] = self._collected_s.get(thread, 0.0) + now - began

    def _watch(self, over: threading.Event) -> None:
        """Takes the stack of a thread that has been in one callback for half the bound."""
        step_s = self.bound_s / 4
        due = time.perf_counter() + step_s
        while not over.wait(step_s):
            now = time.perf_counter()
            if now - due > step_s:
                self._late.append((due, now))
            due = now + step_s
            for thread, current in list(self._running.items()):
                if not current.stack and now - current.since > self.bound_s / 2:
                    frame = sys._current_frames().get(thread)
                    if frame is not None:
                        current.stack = "".join(traceback.format_stack(frame, limit=12))


class _RunDelays(threading.local):
    """Of each thread: the seconds that it has been ready to run and was not; 0 where the kernel does not say."""

    def __init__(self) -> None:
        self._read_at = -_READ_AGAIN_S
        self._delay_s = 0.0
        try:
            self._handle = os.open(_SCHEDSTAT, os.O_RDONLY)
        except OSError:
            self._handle = -1
        self._closer = _Closer(self._handle)

    def before(self, began: float) -> float:
        """At the begin of a callback, or up to _READ_AGAIN_S earlier."""
        if began - self._read_at >= _READ_AGAIN_S:
            self._read_at, self._delay_s = began, self.now()
        return self._delay_s

    def now(self) -> float:
        if self._handle < 0:
            return 0.0
        return int(read_at(self._handle, 64, 0).split()[1]) / 1e9


class _Closer:
    """Closes a thread's file when the thread's locals go."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)
