"""The one rule for background work: a Stop goes up, everything else is logged with its cause, counted, and tried again.

Every loop and every background task of indexer/ and bot/ runs under one of these two:

    tasks.create_task(supervised("upkeep", work, faults), name="upkeep")    # the whole loop: begun again after a fault
    with contained("events", faults):                                       # one item of a loop: the loop goes on
        await event()

A queue's worker uses both: `contained` around each item, so that a bad one costs itself only, `supervised` around the
loop. The caller makes the task, in its own TaskGroup, so that every task has a parent. Errors of asyncio's task groups
are taken apart: a Stop among several errors goes up as that Stop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

from indexer.backoff import Backoff
from indexer.clock import now_ms
from indexer.errors import AfterimageError, RetryLater, Stop

log = logging.getLogger(__name__)

First = TypeVar("First")
Second = TypeVar("Second")

# Restarts have no end (`tries` does not count here): 0.5 s at first, a minute in the long run.
RESTARTS = Backoff(tries=0, first_s=1.0, longest_s=60.0)

# Work that ran this long (seconds) before it failed was healthy: its next pause is the first one again.
HEALTHY_S = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong in one kind of background work since the process started.

    `count` is all of it, `in_a_row` since the work was last healthy, `last` a sentence, `at_ms` Unix milliseconds.
    """

    name: str
    count: int
    in_a_row: int
    last: str
    at_ms: int


class Faults:
    """The counts of all background work of one process, by name. Names are constants, never ids: there are few."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def __iter__(self) -> Iterator[Fault]:
        """Every kind of work in which something went wrong, by name."""
        return iter(sorted(self._faults.values(), key=lambda fault: fault.name))

    def count(self, name: str) -> int:
        """How often this work failed."""
        fault = self._faults.get(name)
        return fault.count if fault is not None else 0

    def in_a_row(self, name: str) -> int:
        """How often this work failed since it was last healthy."""
        fault = self._faults.get(name)
        return fault.in_a_row if fault is not None else 0

    def add(self, name: str, error: BaseException) -> None:
        """Counts a failure and logs it: what was raised on purpose in one line, anything else with its traceback."""
        before = self._faults.get(name, Fault(name, 0, 0, "", 0))
        last = str(error) or type(error).__name__
        at_ms = now_ms()
        self._faults[name] = Fault(name, before.count + 1, before.in_a_row + 1, last, at_ms)
        if isinstance(error, AfterimageError):
            log.warning("%s: %s", name, error)
        else:
            log.error("%s failed", name, exc_info=error)

    def healthy(self, name: str) -> None:
        """The work goes well again."""
        fault = self._faults.get(name)
        if fault is not None and fault.in_a_row:
            self._faults[name] = replace(fault, in_a_row=0)


async def supervised(
    name: str,
    work: Callable[[], Awaitable[None]],
    faults: Faults,
    *,
    backoff: Backoff | None = None,
    healthy_s: float = HEALTHY_S,
) -> None:
    """Awaits `work()`; after any error but Stop begins it anew, later each time; ends when it returns.

    A RetryLater is waited for as long as it says. Work that ran for `healthy_s` seconds before it failed begins anew
    after the shortest pause. Without a `backoff` pauses are those of RESTARTS. Raises Stop; a cancellation ends it.
    """
    failures = 0  # its own: workers that share a name wait each for themselves
    while True:
        began_s = time.monotonic()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 -- whatever it is, `faults` logs and counts it
            cause = plainest(error)
            if isinstance(cause, Stop):
                raise cause from (error if cause is not error else None)
            if time.monotonic() - began_s >= healthy_s:
                failures = 0
                faults.healthy(name)
            failures += 1
            faults.add(name, cause)
            told_s = cause.retry_after if isinstance(cause, RetryLater) else None
        else:
            faults.healthy(name)
            return
        wait_s = (backoff or RESTARTS).wait_s(failures, told_s)
        log.info("%s begins anew in %.1f s", name, wait_s)
        await asyncio.sleep(wait_s)


class contained:  # noqa: N801 -- it is used as contextlib.suppress is
    """One item of background work: its errors end here, logged and counted; `failed` tells whether there was one.

    Raises Stop; lets a cancellation pass.
    """

    def __init__(self, name: str, faults: Faults) -> None:
        self._name = name
        self._faults = faults
        self.failed = False

    def __enter__(self) -> contained:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._faults.healthy(self._name)
            return False
        cause = plainest(error)
        if not isinstance(error, Exception) or isinstance(error, Stop):
            return False
        if isinstance(cause, Stop):
            raise cause from error
        self._faults.add(self._name, cause)
        self.failed = True
        return True


async def both(first: Coroutine[Any, Any, First], second: Coroutine[Any, Any, Second]) -> tuple[First, Second]:
    """What both give, run at the same time. Where one fails, the other is cancelled and the failure is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            left, right = tasks.create_task(first), tasks.create_task(second)
    except BaseExceptionGroup as group:
        raise plainest(group) from group
    return left.result(), right.result()


def plainest(error: BaseException) -> BaseException:
    """The one error that says most of a group of errors: a Stop before others, else the first; any other as it is."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [plainest(leaf) for leaf in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, Stop)), leaves[0])
