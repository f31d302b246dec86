"""The queue in front of the model: order, bounds, cancellation, failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest

from indexer.backoff import Backoff
from indexer.encode import batching
from indexer.encode.batching import Batches, Kind, ModelDied, OutOfMemory, Payload
from indexer.errors import Reason, Rejected, RetryLater
from indexer.ports import Priority
from indexer.records.pictures import Vectors
from indexer.supervisor import Faults, supervised
from tests.worlds.waiting import DEADLINE_S, until


class Model:
    """Answers a text with its length; stops before each batch until it is let on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.room = 1000  # payloads that it has memory for
        self.go = asyncio.Event()
        self.go.set()

    async def run(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        texts = [str(payload) for payload in payloads]
        self.batches.append(texts)
        await self.go.wait()
        await asyncio.sleep(0)
        if len(texts) > self.room:
            raise OutOfMemory("std::bad_alloc")
        if "deadly" in texts:
            raise ModelDied("ended with SIGKILL")
        if "poison" in texts:
            raise RuntimeError("the model fell over")
        return np.array([[float("nan") if text == "endless" else len(text)] for text in texts], np.float32)


@asynccontextmanager
async def running(model: Model, batch_size: int = 4, streams: int = 1, ahead: int = 0) -> AsyncIterator[Batches]:
    batches = Batches(model.run, batch_size, streams=lambda: streams, ahead=ahead)
    pump = asyncio.create_task(batches.pump())
    try:
        yield batches
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump
        batches.close()


async def pixels(batches: Batches, *names: str, priority: Priority = Priority.INDEXING) -> list[float]:
    return [float(vector[0]) for vector in await batches.encode(Kind.PIXELS, names, priority)]


async def test_requests_of_many_callers_share_a_batch() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches, asyncio.TaskGroup() as group:
        tasks = [group.create_task(pixels(batches, "x" * n)) for n in range(9)]
        await asyncio.sleep(0.01)
        model.go.set()
    assert [task.result() for task in tasks] == [[n] for n in range(9)]
    assert [len(batch) for batch in model.batches] == [4, 4, 1]


async def test_two_streams_have_a_batch_each_and_share_what_waits() -> None:
    model = Model()
    model.go.clear()
    async with running(model, batch_size=8, streams=2) as batches, asyncio.TaskGroup() as group:
        for n in range(10):
            group.create_task(pixels(batches, f"{n}"))
        await asyncio.sleep(0.01)
        assert model.batches == [["0", "1", "2", "3", "4"], ["5", "6", "7", "8", "9"]]  # under way at once
        for n in range(20):
            group.create_task(pixels(batches, f"later {n}"))
        group.create_task(pixels(batches, "query", priority=Priority.QUERY))
        await asyncio.sleep(0.01)
        assert model.batches[2:] == [["query"]]  # beside them, and nothing else
        model.go.set()


async def test_a_second_batch_begins_once_half_of_one_waits_or_the_first_has_ended() -> None:
    """Else the readers have no core left, and both streams get one picture at a time."""
    model = Model()
    model.go.clear()
    async with running(model, batch_size=8, streams=2) as batches, asyncio.TaskGroup() as group:
        group.create_task(pixels(batches, "alone"))  # nothing is under way: at once
        await asyncio.sleep(0.01)
        for n in range(3):
            group.create_task(pixels(batches, f"{n}"))
        await asyncio.sleep(0.01)
        assert model.batches == [["alone"]]
        group.create_task(pixels(batches, "3"))
        await asyncio.sleep(0.01)
        assert model.batches[1:] == [["0", "1", "2", "3"]]
        group.create_task(pixels(batches, "last"))
        await asyncio.sleep(0.01)
        model.go.set()
    assert model.batches[2:] == [["last"]]


async def test_a_batch_is_given_ahead_beside_a_whole_one_and_none_while_members_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "_NEAR_S", 0.0)
    monkeypatch.setattr(batching, "_PAUSE_LENGTHS", 0.0)
    model = Model()
    model.go.clear()
    async with running(model, batch_size=8, ahead=1) as batches:
        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(pixels(batches, f"{n}"))
            await asyncio.sleep(0.01)
            assert [len(batch) for batch in model.batches] == [8, 8]  # it has one stream: not shared out
            model.go.set()
        await pixels(batches, "query", priority=Priority.QUERY)
        model.go.clear()
        async with asyncio.TaskGroup() as group:
            for n in range(4):
                group.create_task(pixels(batches, f"later {n}"))
            await asyncio.sleep(0.01)
            assert model.batches[4:] == [["later 0"]]
            model.go.set()


async def test_soon_after_a_batch_indexing_waits_for_half_of_one_and_a_question_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(batching._GATHER_S, Priority.INDEXING, 60.0)
    model = Model()
    async with running(model, batch_size=8) as batches:
        assert await pixels(batches, "a") == [1]  # the first one begins at once
        task = asyncio.create_task(pixels(batches, "b"))
        await asyncio.sleep(0.01)
        assert model.batches == [["a"]]
        assert await asyncio.gather(*(pixels(batches, name) for name in "cde")) == [[1], [1], [1]]
        assert await task == [1]
        assert model.batches[1:] == [["b", "c", "d", "e"]]
        monkeypatch.setattr(batching, "ATTENTIVE_S", 0.0)
        assert await pixels(batches, "query", priority=Priority.QUERY) == [5]
        monkeypatch.setitem(batching._GATHER_S, Priority.INDEXING, 0.01)
        assert await pixels(batches, "f") == [1]  # no more come


async def test_a_batch_that_there_is_no_memory_for_is_halved_and_later_ones_are_no_larger() -> None:
    model = Model()
    model.room = 3
    async with running(model, batch_size=8) as batches:
        assert await pixels(batches, *("x" * n for n in range(8))) == list(range(8))
        assert await pixels(batches, *("x" * n for n in range(8))) == list(range(8))
    assert [len(batch) for batch in model.batches] == [8, 4, 2, 2, 4, 2, 2, 2, 2, 2, 2]


async def test_a_picture_that_there_is_no_memory_for_waits_for_another_time() -> None:
    model = Model()
    model.room = 0
    async with running(model) as batches:
        with pytest.raises(RetryLater, match="no memory for a single one"):
            await pixels(batches, "abc")


async def test_nothing_runs_beside_what_is_tried_again() -> None:
    """Where two batches are under way when the process ends, nobody knows which of them it was."""
    model = Model()
    model.go.clear()
    beside: list[tuple[str, ...]] = []
    under_way: list[str] = []
    run = model.run

    async def watched(kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        name = ",".join(str(payload) for payload in payloads)
        under_way.append(name)
        beside.append(tuple(under_way))
        try:
            return await run(kind, payloads, priority)
        finally:
            under_way.remove(name)

    model.run = watched  # type: ignore[method-assign]  # of this model alone
    async with running(model, batch_size=1, streams=2) as batches:
        tasks = [asyncio.create_task(pixels(batches, name)) for name in ("a", "deadly", "b", "c")]
        await asyncio.sleep(0.01)
        model.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == results[2] == results[3] == [1]
    assert isinstance(results[1], Rejected)
    assert [names for names in beside if "deadly" in names] == [("a", "deadly"), ("deadly",)]


async def test_a_query_goes_next_and_alone() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches, asyncio.TaskGroup() as group:
        for n in range(12):
            group.create_task(pixels(batches, f"old {n}"))
        await asyncio.sleep(0.01)
        group.create_task(pixels(batches, "query", priority=Priority.QUERY))
        await asyncio.sleep(0.01)
        model.go.set()
    assert model.batches[1] == ["query"]
    assert len(model.batches[0]) == 4


async def test_batches_are_small_while_members_search() -> None:
    model = Model()
    async with running(model, batch_size=16) as batches:
        await pixels(batches, "query", priority=Priority.QUERY)
        await pixels(batches, *(str(n) for n in range(32)))
    assert max(len(batch) for batch in model.batches) == 2


async def test_while_questions_come_indexing_has_one_batch_at_a_time_and_pauses_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 20 questions a second indexing had both cores, and a question waited for 26 s."""
    monkeypatch.setattr(batching, "_PAUSE_LENGTHS", 1e9)
    monkeypatch.setattr(batching, "_NEAR_S", 60.0)
    model = Model()
    model.go.clear()
    async with running(model, batch_size=1, streams=2) as batches, asyncio.TaskGroup() as group:
        group.create_task(batches.encode(Kind.WORDS, ["question"], Priority.QUERY))
        await asyncio.sleep(0.01)
        indexing = [group.create_task(pixels(batches, f"{n}")) for n in range(4)]
        await asyncio.sleep(0.01)
        assert model.batches == [["question"], ["0"]]  # it has not had its share yet: one, although there is a stream
        group.create_task(batches.encode(Kind.WORDS, ["second"], Priority.QUERY))
        group.create_task(batches.encode(Kind.WORDS, ["third"], Priority.QUERY))
        model.go.set()
        await asyncio.wait({indexing[0]})
        await until(lambda: len(model.batches) == 3)
        await asyncio.sleep(0.05)
        assert model.batches[2:] == [["second", "third"]]  # what came meanwhile goes together; nobody asks any more,
        assert not any(task.done() for task in indexing[1:])  # and indexing still pauses
        monkeypatch.setattr(batching, "_NEAR_S", 0.0)
        batches._work.set()
    assert [task.result() for task in indexing] == [[1]] * 4


async def test_what_waits_is_bounded() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches:
        many = asyncio.create_task(pixels(batches, *(str(n) for n in range(1000))))
        await asyncio.sleep(0.01)
        waiting = sum(len(line) for line in batches._lines.values())
        assert waiting == 64
        model.go.set()
        assert len(await many) == 1000


async def test_a_cancelled_caller_takes_its_work_back() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches:
        first = asyncio.create_task(pixels(batches, "first"))
        await asyncio.sleep(0.01)
        dropped = asyncio.create_task(pixels(batches, *(f"dropped {n}" for n in range(100))))
        await asyncio.sleep(0.01)
        dropped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dropped
        kept = asyncio.create_task(pixels(batches, *(str(n) for n in range(100))))
        await asyncio.sleep(0.01)
        model.go.set()
        assert len(await kept) == 100
        assert await first == [5]
    assert not [text for batch in model.batches for text in batch if "dropped" in text]


async def test_a_caller_that_is_cancelled_during_its_batch_harms_no_other() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches:
        first, other = asyncio.create_task(pixels(batches, "one")), asyncio.create_task(pixels(batches, "other"))
        await asyncio.sleep(0.01)
        first.cancel()
        model.go.set()
        assert await other == [5]


async def test_one_failing_payload_fails_alone() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches:
        tasks = [asyncio.create_task(pixels(batches, name)) for name in ("a", "poison", "endless", "bcd")]
        await asyncio.sleep(0.01)
        model.go.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == [1]
    assert results[3] == [3]
    assert [error.reason for error in results if isinstance(error, Rejected)] == [Reason.INTERNAL] * 2


async def test_closing_fails_what_waits_and_what_comes() -> None:
    model = Model()
    model.go.clear()
    async with running(model) as batches:
        tasks = [asyncio.create_task(pixels(batches, *(str(n) for n in range(90)))) for _ in range(3)]
        await asyncio.sleep(0.01)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [RetryLater] * 3
    for priority in Priority:
        with pytest.raises(RetryLater):
            await batches.encode(Kind.WORDS, ["late"], priority)


async def test_a_wrong_number_of_vectors_costs_its_own_callers_only() -> None:
    """The pump went on waiting for nothing, and every later question hung."""
    model = Model()
    run = model.run

    async def one_too_few(kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        vectors = await run(kind, payloads, priority)
        return vectors[1:] if "short" in payloads else vectors

    model.run = one_too_few  # type: ignore[method-assign]  # of this model alone
    async with running(model) as batches, asyncio.timeout(DEADLINE_S):
        with pytest.raises(Rejected, match="0 vectors for 1 pictures"):
            await pixels(batches, "short")
        assert await pixels(batches, "abc", priority=Priority.QUERY) == [3]


async def test_what_waited_while_nothing_ran_batches_is_done_when_something_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "_LOOK_AGAIN_S", 0.01)
    streams = 0
    batches = Batches(Model().run, 4, streams=lambda: streams)
    pump = asyncio.create_task(batches.pump())
    waiting = asyncio.create_task(pixels(batches, "abc"))
    assert await batches.encode(Kind.PIXELS, ["ab"], Priority.QUERY)  # a question is passed on all the same
    await asyncio.sleep(0.05)
    assert not waiting.done()
    streams = 1
    async with asyncio.timeout(DEADLINE_S):
        assert await waiting == [3]
    pump.cancel()
    await asyncio.wait({pump})


async def test_a_fault_of_the_pump_fails_who_waits_and_the_pump_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    batches, faults = Batches(Model().run, 4), Faults()
    run_batch = batches._run_batch
    faulty = [KeyError("ours")]

    async def fails_once(*arguments: Any) -> None:
        if faulty:
            raise faulty.pop()
        await run_batch(*arguments)

    monkeypatch.setattr(batches, "_run_batch", fails_once)
    soon = Backoff(tries=0, first_s=0.001, longest_s=0.002)
    pump = asyncio.create_task(supervised("encoder", batches.pump, faults, backoff=soon))
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(RetryLater):
            await pixels(batches, "abc")
        assert await pixels(batches, "abc") == [3]
    assert faults.count("encoder") == 1
    pump.cancel()
    await asyncio.wait({pump})
