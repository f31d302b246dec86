"""Questions over HTTP wait in a bounded line, for a bounded time, and no key takes all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from bot.web.api import admission
from bot.web.api.admission import AT_ONCE, OF_A_KEY, WAITING, Admission
from bot.web.errors import ApiError
from indexer.records.api_keys import KeyId
from tests.worlds.waiting import until

KEYS = [KeyId(number) for number in range(1, AT_ONCE + WAITING + 2)]


@asynccontextmanager
async def full(questions: Admission) -> AsyncIterator[None]:
    """Every turn is taken, each by another key, until the block ends; nobody waits yet."""
    async with AsyncExitStack() as taken:
        for key in KEYS[:AT_ONCE]:
            await taken.enter_async_context(questions.turn(key))
        yield


async def asked(questions: Admission, key: KeyId, order: list[KeyId]) -> None:
    async with questions.turn(key):
        order.append(key)


async def test_who_comes_when_the_line_is_full_is_refused_at_once_and_told_when_to_come_again() -> None:
    questions, order = Admission(), list[KeyId]()
    async with asyncio.TaskGroup() as group, full(questions):
        for key in KEYS[AT_ONCE : AT_ONCE + WAITING]:
            group.create_task(asked(questions, key, order))
        await until(lambda: questions.waiting == WAITING)
        with pytest.raises(ApiError) as caught:
            await asked(questions, KEYS[-1], order)
        assert (caught.value.status, caught.value.code) == (503, "busy")
        assert caught.value.headers == {"Retry-After": str(caught.value.details["retry_after_s"])}
        assert order == []
        # A turn is given back: all that waited have theirs, in the order in which they came.
    assert order == KEYS[AT_ONCE : AT_ONCE + WAITING]
    assert (questions.waiting, questions.refused) == (0, 1)
    await asked(questions, KEYS[-1], order)
    assert order[-1] == KEYS[-1]


async def test_a_question_waits_no_longer_than_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "WAIT_S", 0.01)
    questions = Admission()
    async with full(questions):
        with pytest.raises(ApiError):
            await asked(questions, KEYS[-1], [])
        assert (questions.waiting, questions.refused) == (0, 1)
    await asked(questions, KEYS[-1], [])


async def test_one_key_takes_no_more_than_its_part() -> None:
    questions, order = Admission(), list[KeyId]()
    async with asyncio.TaskGroup() as group, full(questions):
        for _ in range(OF_A_KEY):
            group.create_task(asked(questions, KEYS[-1], order))
        await until(lambda: questions.waiting == OF_A_KEY)
        with pytest.raises(ApiError):
            await asked(questions, KEYS[-1], order)
        group.create_task(asked(questions, KEYS[-2], order))  # another key has room
        await until(lambda: questions.waiting == OF_A_KEY + 1)
    assert order.count(KEYS[-1]) == OF_A_KEY
    await asked(questions, KEYS[-1], order)  # and the first one, too, when its questions are answered


async def test_who_goes_gives_back_what_was_taken() -> None:
    questions = Admission()
    async with full(questions):
        gone = asyncio.create_task(asked(questions, KEYS[-1], []))
        await until(lambda: questions.waiting == 1)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        assert questions.waiting == 0
    with suppress(RuntimeError):
        async with questions.turn(KEYS[0]):
            raise RuntimeError("the search failed")
    for key in KEYS:
        await asked(questions, key, [])
    assert questions.refused == 0


async def test_when_to_come_again_is_as_long_as_the_line_takes() -> None:
    now = [0.0]
    questions = Admission(lambda: now[0])
    for _ in range(100):
        async with questions.turn(KEYS[0]):
            now[0] += 4.0
    async with asyncio.TaskGroup() as group, full(questions):
        for key in KEYS[AT_ONCE : AT_ONCE + WAITING]:
            group.create_task(asked(questions, key, []))
        await until(lambda: questions.waiting == WAITING)
        with pytest.raises(ApiError) as caught:
            await asked(questions, KEYS[-1], [])
    assert caught.value.details == {"retry_after_s": 16}  # four rounds of four seconds
