"""Background work: a Stop goes up, anything else is logged, counted and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from indexer.backoff import Backoff
from indexer.errors import RetryLater, Stop, StorageError, TellPerson
from indexer.supervisor import Faults, both, contained, plainest, supervised

SOON = Backoff(tries=0, first_s=0.001, longest_s=0.002)


def failing(*errors: Exception) -> Callable[[], Awaitable[None]]:
    """Work that raises these one after the other, a call each, and then returns."""
    left = list(errors)

    async def work() -> None:
        await asyncio.sleep(0)
        if left:
            raise left.pop(0)

    return work


async def test_work_that_returns_is_over_and_leaves_no_fault() -> None:
    faults = Faults()
    await supervised("reading", failing(), faults)
    assert list(faults) == []


@pytest.mark.parametrize("error", [RetryLater("busy"), TellPerson("an intent"), KeyError("x"), MemoryError()])
async def test_work_that_fails_begins_anew_and_is_counted(error: Exception) -> None:
    faults = Faults()
    await supervised("reading", failing(error, error), faults, backoff=SOON)
    (fault,) = faults
    assert (fault.name, fault.count, fault.last) == ("reading", 2, str(error) or type(error).__name__)
    assert fault.in_a_row == 0  # it returned: it is healthy
    assert fault.at_ms > 0


async def test_a_stop_goes_up_at_once() -> None:
    faults = Faults()
    with pytest.raises(StorageError, match="no disk"):
        await supervised("reading", failing(StorageError("no disk"), KeyError("never reached")), faults)
    assert faults.count("reading") == 0


async def test_a_stop_goes_up_out_of_a_group() -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_raise(KeyError("first")))
            group.create_task(_raise(StorageError("no disk")))

    with pytest.raises(StorageError, match="no disk"):
        await supervised("reading", work, Faults())
    with pytest.raises(StorageError, match="no disk"), contained("reading", Faults()):
        await work()


async def test_a_cancellation_ends_it_also_while_it_waits() -> None:
    slow = Backoff(tries=0, first_s=600.0, longest_s=600.0)
    failed = asyncio.Event()

    async def work() -> None:
        failed.set()
        raise KeyError("x")

    task = asyncio.create_task(supervised("reading", work, Faults(), backoff=slow))
    await failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_pauses_grow_until_the_work_was_healthy_again() -> None:
    faults = Faults()
    seen: list[int] = []

    async def work() -> None:
        seen.append(faults.in_a_row("reading"))
        if len(seen) == 4:
            return
        raise KeyError("x")

    await supervised("reading", work, faults, backoff=SOON, healthy_s=3600)
    assert seen == [0, 1, 2, 3]
    seen.clear()
    await supervised("reading", work, faults, backoff=SOON, healthy_s=0)  # every spell counts as healthy
    assert seen == [0, 1, 1, 1]
    assert faults.count("reading") == 6


async def test_a_bad_item_costs_itself_only(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults()
    done = []
    with caplog.at_level(logging.WARNING):
        for item in (1, 0, 2):
            with contained("dividing", faults):
                done.append(1 / item)
    assert done == [1.0, 0.5]
    assert (faults.count("dividing"), faults.in_a_row("dividing")) == (1, 0)
    (record,) = caplog.records
    assert record.exc_info is not None  # a fault of ours comes with its traceback
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_what_was_raised_on_purpose_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), contained("reading", Faults()):
        await _raise(RetryLater("the writer was busy"))
    (record,) = caplog.records
    assert record.getMessage() == "reading: the writer was busy"
    assert record.exc_info is None


def test_a_stop_says_more_than_what_else_went_wrong() -> None:
    stop = Stop("no disk")
    assert plainest(ExceptionGroup("two", [KeyError("a"), ExceptionGroup("inner", [ValueError("b"), stop])])) is stop
    first = KeyError("a")
    assert plainest(ExceptionGroup("two", [first, ValueError("b")])) is first
    assert plainest(first) is first


async def test_of_two_at_once_the_failure_itself_is_raised_and_the_other_ends() -> None:
    error, ended = KeyError("a"), asyncio.Event()

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(KeyError) as raised:
        await both(long(), _raise(error))
    assert raised.value is error
    assert ended.is_set()
    assert await both(asyncio.sleep(0, 1), asyncio.sleep(0, "two")) == (1, "two")


async def _raise(error: Exception) -> None:
    raise error
