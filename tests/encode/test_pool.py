"""Which encoder of a cluster gets which batch, and what is done when one is lost. Without any Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from indexer.encode.batching import Kind, ModelFailed, Payload
from indexer.encode.model_on_demand import FILES_AN_ENCODER
from indexer.encode.on_ray import pool as pool_file
from indexer.encode.on_ray.pool import Pool, ReplicaLost
from indexer.encode.protocol import Choice, Facts
from indexer.errors import ModelAway, ModelUnavailable, Reason, Rejected
from indexer.ports import Priority
from indexer.records.pictures import DecodedPicture, EncodedFile, ModelSpec, PixelSpec, Vectors
from tests.worlds.waiting import DEADLINE_S, until

FACTS = Facts(ModelSpec("m", "w", 1, "00"), PixelSpec(8), Choice("openvino", "cpu", "float32"))
OTHER = Facts(ModelSpec("m", "w", 1, "11"), PixelSpec(8), FACTS.choice)


class Encoder:
    """An encoder in memory: answers with the lengths of texts when it is let on, and is lost when it is told to."""

    def __init__(self, facts: Facts = FACTS) -> None:
        self.facts = facts
        self.asked: list[tuple[Priority, list[str]]] = []
        self.files: list[bytes] = []
        self.go = asyncio.Event()
        self.go.set()
        self.gone = False
        self.silent = False

    async def open(self) -> Facts:
        if self.gone:
            raise ReplicaLost("gone")
        return self.facts

    async def health(self) -> None:
        if self.gone:
            raise ReplicaLost("gone")
        if self.silent:
            await asyncio.Event().wait()

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        self.asked.append((priority, [str(payload) for payload in payloads]))
        await self.go.wait()
        if self.gone:
            raise ReplicaLost("gone")
        if "poison" in payloads:
            raise ModelFailed("by a text")
        return np.array([[len(payload)] for payload in payloads], np.float32)

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        self.files.append(file)
        await self.go.wait()
        if self.gone:
            raise ReplicaLost("gone")
        if file == b"hostile":
            raise Rejected(Reason.CORRUPT)
        picture = DecodedPicture(b"", (), 1, 1, file.decode(), 1, len(file), 0)
        return EncodedFile(picture, np.zeros((1, 1), np.float32), b"")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HEALTH_EVERY_S": 0.01, "HEALTH_DEADLINE_S": 0.05, "AGAIN_S": 0.01, "LOOK_S": 0.01, "GROW_AFTER_S": 0.02,
        "NONE_S": 0.1,
    }.items():  # fmt: skip
        monkeypatch.setattr(pool_file, name, value)


@asynccontextmanager
async def open_pool(
    encoders: list[Encoder], minimum: int = 2, *, room: bool = True, idle_s: float = DEADLINE_S
) -> AsyncIterator[tuple[Pool, list[Choice]]]:
    told: list[Choice] = []

    async def make(slot: int) -> Encoder:
        return encoders[slot]

    async def has_room() -> bool:
        return room

    pool = Pool(make, minimum, len(encoders), has_room=has_room, changed=told.append, idle_s=idle_s)
    running = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await pool.open()
            await until(lambda: told and told[-1].streams == 2 * minimum)
            yield pool, told
    finally:
        running.cancel()
        await asyncio.wait({running})
        await pool.close()


def ask(pool: Pool, text: str, priority: Priority = Priority.INDEXING) -> asyncio.Task[Vectors]:
    return asyncio.create_task(pool.encode(Kind.WORDS, [text], priority))


async def test_each_encoder_has_two_batches_at_most_and_a_question_goes_at_once_to_the_least_busy() -> None:
    first, second = Encoder(), Encoder()
    first.go.clear()
    second.go.clear()
    async with open_pool([first, second]) as (pool, _):
        asked = [ask(pool, "x" * length) for length in range(1, 7)]
        await until(lambda: len(first.asked) + len(second.asked) == 4)
        await asyncio.sleep(0.02)
        assert (len(first.asked), len(second.asked)) == (2, 2)
        second.go.set()  # both of its batches end, and the two that waited come to it
        await until(lambda: len(second.asked) == 4)
        await asyncio.gather(asked[1], asked[3])
        question = ask(pool, "what", Priority.QUERY)
        assert (await question).tolist() == [[4]]
        assert second.asked[-1] == (Priority.QUERY, ["what"])
        first.go.set()
        assert [float(vectors[0, 0]) for vectors in await asyncio.gather(*asked)] == [1, 2, 3, 4, 5, 6]


async def test_a_second_batch_goes_to_an_encoder_when_the_first_has_arrived_and_a_question_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_file, "APART_S", DEADLINE_S)
    encoder = Encoder()
    async with open_pool([encoder], minimum=1) as (pool, _):
        await ask(pool, "first")
        second = ask(pool, "second")
        await ask(pool, "question", Priority.QUERY)
        assert [texts for _, texts in encoder.asked] == [["first"], ["question"]]
        second.cancel()
        await asyncio.wait({second})


async def test_questions_stay_with_one_encoder_unless_it_has_another_question() -> None:
    first, second = Encoder(), Encoder()
    async with open_pool([first, second]) as (pool, _):
        first.go.clear()
        batch = ask(pool, "batch")
        await until(lambda: first.asked)
        await ask(pool, "to the least busy", Priority.QUERY)
        first.go.set()
        await batch
        second.go.clear()
        more = [ask(pool, "more") for _ in range(4)]
        await until(lambda: len(second.asked) >= 3)
        again = ask(pool, "to the one that was asked", Priority.QUERY)
        await until(lambda: second.asked[-1] == (Priority.QUERY, ["to the one that was asked"]))
        await ask(pool, "to the one that is free", Priority.QUERY)
        assert first.asked[-1] == (Priority.QUERY, ["to the one that is free"])
        second.go.set()
        await asyncio.gather(again, *more)


async def test_the_batches_of_an_encoder_that_is_lost_are_answered_by_another_one() -> None:
    first, second = Encoder(), Encoder()
    first.go.clear()
    async with open_pool([first, second]) as (pool, told):
        asked = [ask(pool, "x" * length) for length in range(1, 5)]
        await until(lambda: len(first.asked) == 2)
        first.gone = True  # its health says so; its calls hang
        assert [float(vectors[0, 0]) for vectors in await asyncio.gather(*asked)] == [1, 2, 3, 4]
        assert len(second.asked) == 4
        assert told[-1].streams == 2
        first.gone = False
        await until(lambda: told[-1].streams == 4)


async def test_an_encoder_that_hangs_is_lost_too() -> None:
    first, second = Encoder(), Encoder()
    first.go.clear()
    async with open_pool([first, second]) as (pool, _):
        asked = [ask(pool, "x"), ask(pool, "xx")]
        await until(lambda: first.asked)
        first.silent = True
        assert [float(vectors[0, 0]) for vectors in await asyncio.gather(*asked)] == [1, 2]


async def test_where_no_encoder_is_there_a_question_hears_it_at_once_and_indexing_after_a_while() -> None:
    only = Encoder()
    async with open_pool([only], minimum=1) as (pool, told):
        only.gone = True
        await until(lambda: told[-1].streams == 0)
        for priority in Priority:
            with pytest.raises(ModelAway, match="None of the cluster's encoders"):
                await ask(pool, "x", priority)


async def test_a_batch_that_encoders_are_lost_over_is_given_back() -> None:
    encoders = [Encoder() for _ in range(4)]
    async with open_pool(encoders, minimum=4) as (pool, _):
        for encoder in encoders:
            encoder.gone = True
        with pytest.raises(ModelAway):
            await ask(pool, "x")


async def test_what_the_model_fails_on_costs_no_encoder() -> None:
    only = Encoder()
    async with open_pool([only], minimum=1) as (pool, told):
        with pytest.raises(ModelFailed, match="by a text"):
            await ask(pool, "poison")
        assert (await ask(pool, "abc")).tolist() == [[3]]
        assert told[-1].streams == 2


async def test_more_encoders_come_while_all_are_full_and_the_cluster_has_room_and_go_when_idle() -> None:
    first, second = Encoder(), Encoder()
    first.go.clear()
    async with open_pool([first, second], minimum=1, idle_s=0.05) as (pool, told):
        asked = [ask(pool, "x" * length) for length in range(1, 4)]
        await until(lambda: told[-1].streams == 4)
        first.go.set()
        await asyncio.gather(*asked)
        assert second.asked
        await until(lambda: told[-1].streams == 2)
    async with open_pool([Encoder(), Encoder()], minimum=1, room=False) as (pool, told):
        await asyncio.gather(*(ask(pool, "x") for _ in range(50)))
        assert {choice.streams for choice in told} == {2}


async def test_an_encoder_with_other_weights_takes_nothing() -> None:
    right, wrong = Encoder(), Encoder(OTHER)
    async with open_pool([right, wrong], minimum=1) as (pool, _):
        pool._keep(1)
        await asyncio.gather(*(ask(pool, "x") for _ in range(20)))
        assert len(right.asked) == 20
        assert not wrong.asked


async def test_a_model_that_no_encoder_has_is_said() -> None:
    class Refusing(Encoder):
        async def open(self) -> Facts:
            raise ModelUnavailable("no such weights")

    with pytest.raises(ModelUnavailable, match="no such weights"):
        async with open_pool([Refusing(), Refusing()]):
            pass


async def test_an_encoder_has_so_many_files_at_most_and_those_of_one_that_is_lost_go_to_another() -> None:
    first, second = Encoder(), Encoder()
    first.go.clear()
    second.go.clear()
    async with open_pool([first, second]) as (pool, _):
        names = [str(number) for number in range(3 * FILES_AN_ENCODER)]
        asked = [asyncio.create_task(pool.encode_file(name.encode(), {})) for name in names]
        await until(lambda: len(first.files) + len(second.files) == 2 * FILES_AN_ENCODER)
        await asyncio.sleep(0.02)
        assert (len(first.files), len(second.files)) == (FILES_AN_ENCODER, FILES_AN_ENCODER)
        second.go.set()
        await until(lambda: len(second.files) == 2 * FILES_AN_ENCODER)
        first.gone = True  # its health says so; its calls hang
        assert [encoded.picture.format for encoded in await asyncio.gather(*asked)] == names


async def test_a_file_that_cannot_be_read_costs_no_encoder() -> None:
    only = Encoder()
    async with open_pool([only], minimum=1) as (pool, told):
        with pytest.raises(Rejected, match="corrupt"):
            await pool.encode_file(b"hostile", {})
        assert (await pool.encode_file(b"sound", {})).picture.format == "sound"
        assert told[-1].streams == 2
        assert only.files == [b"hostile", b"sound"]
