"""Any sequence of adding, deleting, editing, sealing, compacting, reopening and stopping midway: brute force agrees."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indexer.database.database import FILE_NAME
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, MessageId, UserId
from indexer.records.messages import PlaceFlag
from indexer.records.pictures import Vectors
from indexer.settings import IndexSettings
from indexer.vectors.index import VectorIndex
from tests.soak import example_count
from tests.worlds.index_world import (
    GUILD,
    MODEL,
    START_MS,
    Shown,
    World,
    message_id,
    open_world,
    unit,
    write_embeddings,
    write_places,
)

SEED = st.integers(0, 2**32 - 1)


class IndexMachine(RuleBasedStateMachine):
    """One guild whose index may never be told apart from brute force, whatever happens to it."""

    @initialize(seal_rows=st.integers(4, 40))
    def begin(self, seal_rows: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="index-state-"))
        self.settings = IndexSettings(seal_rows=seal_rows, threads=2)
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.world: World = self.runner.run(self._enter())
        self.reader = VectorIndex(self.folder / "data" / FILE_NAME, self.world.folder, self.settings)

    async def _enter(self) -> World:
        return await self.stack.enter_async_context(open_world(self.folder / "data", self.settings))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.reader.close()
            self.runner.run(self.stack.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)

    @rule(seed=SEED, count=st.integers(1, 40))
    def post(self, seed: int, count: int) -> None:
        self.runner.run(self.world.fill(np.random.default_rng(seed), count, channels=3, authors=4, moving=True))

    @rule(seed=SEED, share=st.floats(0, 1))
    def delete(self, seed: int, share: float) -> None:
        places = sorted(self.world.places)
        count = int(len(places) * share**2)
        chosen = np.random.default_rng(seed).choice(places, count, replace=False).tolist() if count else []
        self.runner.run(self.world.delete(chosen))

    @rule(seed=SEED)
    def post_an_old_picture_again(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        if self.world.vectors:
            place = max(self.world.places) + 1_000
            picture = int(rng.choice(sorted(self.world.vectors)))
            shown = Shown(
                place, picture, 100 + int(rng.integers(3)), 500, message_id(int(rng.integers(9_999)), place % 4096)
            )
            self.runner.run(self._write(shown))
            self.world.places[place] = shown

    async def _write(self, shown: Shown) -> None:
        async with self.world.database.transaction() as tx:
            await write_places(tx, GUILD, [shown])

    @rule(seed=SEED)
    def embed_a_picture_anew(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        if self.world.vectors:
            picture = int(rng.choice(sorted(self.world.vectors)))
            vector = unit(rng, 1)
            self.runner.run(self._embed(picture, vector))
            self.world.vectors[picture] = vector[0]

    async def _embed(self, picture: int, vector: Vectors) -> None:
        async with self.world.database.transaction() as tx:
            await write_embeddings(tx, [picture], vector)

    @rule(seed=SEED, count=st.integers(0, 7))
    def give_a_picture_other_frames(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        if self.world.vectors:
            picture = int(rng.choice(sorted(self.world.vectors)))
            self.runner.run(self.world.move(picture, unit(rng, count)))

    @rule(seed=SEED, flags=st.integers(0, 3))
    def edit_a_message(self, seed: int, flags: int) -> None:
        rng = np.random.default_rng(seed)
        if self.world.places:
            place = int(rng.choice(sorted(self.world.places)))
            self.runner.run(self._sql("UPDATE places SET flags = ? WHERE place_id = ?", flags, place))
            self.world.places[place] = replace(self.world.places[place], flags=flags)

    @rule(seed=SEED)
    def lose_an_embedding(self, seed: int) -> None:
        if self.world.vectors:
            picture = int(np.random.default_rng(seed).choice(sorted(self.world.vectors)))
            self.runner.run(self._sql("DELETE FROM embeddings WHERE picture_id = ?", picture))
            del self.world.vectors[picture]
            self.world.frames.pop(picture, None)

    async def _sql(self, sql: str, *parameters: int) -> None:
        async with self.world.database.transaction() as tx:
            await tx.execute_fetchall(sql, parameters)

    @rule()
    def maintain(self) -> None:
        self.runner.run(self.world.index.maintain(self.world.database))

    @rule()
    def compact(self) -> None:
        self.runner.run(self.world.index.compact(self.world.database))

    @rule(steps=st.integers(0, 12))
    def stop_maintenance_midway(self, steps: int) -> None:
        async def begin_and_cancel() -> None:
            task = asyncio.ensure_future(self.world.index.compact(self.world.database))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})

        self.runner.run(begin_and_cancel())

    @rule()
    def reopen(self) -> None:
        self.world.index.close()
        self.world.index = VectorIndex(self.folder / "data" / FILE_NAME, self.world.folder, self.settings)

    @rule(seed=SEED)
    def lose_a_file(self, seed: int) -> None:
        files = sorted(self.world.folder.glob("*/*/*.segment"))
        if files:
            files[int(np.random.default_rng(seed).integers(len(files)))].unlink()
            self.reopen()

    @rule(seed=SEED, k=st.sampled_from([1, 2, 7, 1000]))
    def search(self, seed: int, k: int) -> None:
        rng = np.random.default_rng(seed)
        allowed = self.world.everything()
        if rng.random() < 0.5:
            allowed = replace(allowed, channels=frozenset({ChannelId(100 + int(rng.integers(3)))}))
        if rng.random() < 0.3:
            allowed = replace(allowed, authors=frozenset({UserId(500 + int(rng.integers(4)))}))
        if rng.random() < 0.3:
            allowed = replace(allowed, after_ms=START_MS + int(rng.integers(10_000)) * 60_000)
        if rng.random() < 0.3:
            allowed = replace(allowed, exclude=PlaceFlag.ANIMATED)
        if rng.random() < 0.3 and self.world.places:
            allowed = replace(allowed, not_message=MessageId(next(iter(self.world.places.values())).message))
        query = unit(rng, 1)[0]
        if rng.random() < 0.5 and self.world.vectors:
            picture = int(rng.choice(sorted(self.world.vectors)))
            shown = [self.world.vectors[picture], *self.world.frames.get(picture, ())]
            query = shown[int(rng.integers(len(shown)))]
        self.world.expect(query, k, allowed)
        assert (
            self.reader.search(GUILD, MODEL, query, k, allowed).candidates
            == self.world.index.search(GUILD, MODEL, query, k, allowed).candidates
        )

    @invariant()
    def everything_is_found(self) -> None:
        if hasattr(self, "world"):
            query = unit(np.random.default_rng(0), 1)[0]
            self.world.expect(query, 5, Filter(frozenset(ChannelId(100 + number) for number in range(3))))


TestIndexMachine = pytest.mark.soak(IndexMachine.TestCase)
TestIndexMachine.settings = settings(
    max_examples=example_count(25), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
