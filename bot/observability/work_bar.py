"""The progress of long work:
on a terminal a bar with rate and remaining time, elsewhere a plain line from time to time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from bot.observability import terminal
from bot.observability.work_line import work_line

LINE_EVERY_S = 10.0  # seconds between two lines where no bar can be drawn


class _Rate(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class _Done(ProgressColumn):
    """How many items are done, and of how many where that is known."""

    def render(self, task: Task) -> Text:
        total = "" if task.total is None else f" of {task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{total}")


class WorkBar:
    """Shows several counts, one below the other, on standard error. `show` may be called after every change."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, float] = {}
        self._begun: dict[str, float] = {}

    def show(self, what: str, done: int, total: int | None) -> None:
        """`total` None: the total is unknown."""
        if self._progress is not None:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what, total=total)
            self._progress.update(self._tasks[what], completed=done, total=total)
            return
        now = time.monotonic()
        begun = self._begun.setdefault(what, now)
        if now - self._told.setdefault(what, begun) >= LINE_EVERY_S:
            self._told[what] = now
            terminal.note(work_line(what, done, total, now - begun))


@contextmanager
def work_bar(quiet: bool = False) -> Iterator[WorkBar]:
    """A bar until the block ends; it then disappears. Shows nothing where `quiet`."""
    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal and not quiet:
        yield WorkBar(None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        _Done(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield WorkBar(progress)
