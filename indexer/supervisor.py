"""The rule for all background work: a Stop is raised; any other error is logged with its cause, counted, and retried.

Every loop and every background task of indexer/ and bot/ runs under one of these two:

    tasks.create_task(supervised("upkeep", work, faults), name="upkeep")    # the whole loop: restarted after a fault
    with contained("events", faults):                                       # one item of a loop: the loop continues
        await event()

A queue's worker uses both: `contained` around each item, so that a bad item fails alone, and `supervised` around the
loop. The caller makes the task, in its own TaskGroup, so that every task has a parent. Of an exception group, a Stop
among several errors is raised as that Stop.
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

# The number of restarts has no limit (`tries` is not used here). The pause is 0.5 s at first and grows to a minute.
RESTARTS = Backoff(tries=0, first_s=1.0, longest_s=60.0)

# Work that ran this long (seconds) before it failed was healthy: its next pause is the shortest one again.
HEALTHY_S = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong in one kind of background work since the process started.

    `count`: all failures. `in_a_row`: failures since the work was last healthy. `last`: the last error as a sentence.
    `at_ms`: when it happened (Unix milliseconds).
    """

    name: str
    count: int
    in_a_row: int
    last: str
    at_ms: int


class Faults:
    """The failures of all background work of one process, by name. Names are constants, never ids, so they are few."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def __iter__(self) -> Iterator[Fault]:
        """The faults of every kind of work that has failed, sorted by name."""
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
        """Counts a failure and logs it: an expected error in one line, any other with its traceback."""
        before = self._faults.get(name, Fault(name, 0, 0, "", 0))
        last = str(error) or type(error).__name__
        at_ms = now_ms()
        self._faults[name] = Fault(name, before.count + 1, before.in_a_row + 1, last, at_ms)
        if isinstance(error, AfterimageError):
            log.warning("%s: %s", name, error)
        else:
            log.error("%s failed", name, exc_info=error)

    def healthy(self, name: str) -> None:
        """Records that the work succeeds again."""
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
    """Awaits `work()`. After any error except Stop it starts the work again, after a pause that grows. Ends when the
    work returns.

    After a RetryLater the pause is what the error says. Work that ran for `healthy_s` seconds before it failed starts
    again after the shortest pause. Without `backoff` the pauses are those of RESTARTS. Raises Stop. A cancellation ends
    it.
    """
    failures = 0  # of this call alone: workers that share a name have separate pauses
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
            retry_after_s = cause.retry_after if isinstance(cause, RetryLater) else None
        else:
            faults.healthy(name)
            return
        wait_s = (backoff or RESTARTS).wait_s(failures, retry_after_s)
        log.info("%s begins anew in %.1f s", name, wait_s)
        await asyncio.sleep(wait_s)


class contained:  # noqa: N801 -- it is used as contextlib.suppress is
    """One item of background work. Its errors are logged, counted and not raised. `failed` says whether there was one.

    Raises Stop. A cancellation passes.
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
    """Runs both at the same time and returns both results. If one fails, cancels the other and raises the error."""
    try:
        async with asyncio.TaskGroup() as tasks:
            left, right = tasks.create_task(first), tasks.create_task(second)
    except BaseExceptionGroup as group:
        raise plainest(group) from group
    return left.result(), right.result()


def plainest(error: BaseException) -> BaseException:
    """The most important error of an exception group: a Stop, or else the first. Returns other errors unchanged."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [plainest(leaf) for leaf in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, Stop)), leaves[0])
