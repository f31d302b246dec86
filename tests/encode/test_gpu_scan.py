"""The GPU's scan, run on the CPU by the same torch code: its error is bounded, its answers are everybody's."""

from __future__ import annotations

import gc
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.settings import IndexSettings
from indexer.vectors import scan
from indexer.vectors.index import VectorIndex
from tests.soak import example_count
from tests.worlds.index_world import GUILD, MODEL, open_world, unit

pytestmark = pytest.mark.xdist_group("torch")


@pytest.fixture(scope="module")
def gpu_scan() -> ModuleType:
    """The module: with it comes torch."""
    from indexer.encode import gpu_scan

    return gpu_scan


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 300),
    dimension=st.sampled_from([8, 64, 512]),
    length=st.floats(0.1, 20),
    masked=st.booleans(),
)
@settings(max_examples=example_count(soak=40), deadline=None)
def test_its_scores_are_within_its_bound_and_inside_the_mask(
    gpu_scan: ModuleType, seed: int, count: int, dimension: int, length: float, masked: bool
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng, count, dimension).astype("<f2")
    rows = vectors.view(np.uint8)
    query = unit(rng, 1, dimension)[0] * np.float32(length)
    start, stop = sorted(rng.integers(0, count + 1, 2).tolist())
    mask = rng.random(stop - start) < 0.5 if masked else None
    if start == stop:
        return
    found = gpu_scan.GpuScan("cpu").top(rows, start, stop, query, 50, mask)
    assert found is not None
    scores, at, error = found
    allowed = np.arange(stop - start) if mask is None else np.flatnonzero(mask)
    assert len(at) == min(50, len(allowed))
    assert set(at.tolist()) <= set(allowed.tolist())
    true = vectors.astype(np.float64) @ query.astype(np.float64)
    assert np.abs(scores - true[start + at]).max(initial=0) <= error
    left_out = np.setdiff1d(allowed, at)
    if len(left_out):
        assert true[start + left_out].max() <= scores.min() + error


async def test_the_index_answers_the_same_with_and_without_it(
    gpu_scan: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "FIRST_PASS_ROWS", 1)
    monkeypatch.setattr(scan, "FIRST_PASS_SHARE", 0)
    rng = np.random.default_rng(1)
    used = 0
    top = gpu_scan.GpuScan.top

    def counted(*args: object) -> object:
        nonlocal used
        used += 1
        return top(*args)

    monkeypatch.setattr(gpu_scan.GpuScan, "top", counted)
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=50)) as world:
        await world.fill(rng, 400)
        await world.index.maintain(world.database)
        await world.delete(list(world.places)[:7])
        accelerated = VectorIndex(
            world.index.database_path, world.folder, IndexSettings(seal_rows=50), accelerator=gpu_scan.GpuScan("cpu")
        )
        plain, world.index = world.index, accelerated
        for k in (1, 10, 200):
            for _ in range(10):
                await world.check(unit(rng, 1)[0], k, world.everything())
                await world.check(next(iter(world.vectors.values())), k, world.everything())
        assert used >= 30
        world.index = plain
        accelerated.close()


def test_a_copy_goes_with_its_segment(gpu_scan: ModuleType) -> None:
    scanner = gpu_scan.GpuScan("cpu")
    rows = unit(np.random.default_rng(2), 5, 8).astype("<f2").view(np.uint8).copy()
    assert scanner.top(rows, 0, 5, np.ones(8, np.float32), 2) is not None
    assert len(scanner._copies) == 1
    del rows
    gc.collect()
    assert not scanner._copies


def test_a_device_that_computes_otherwise_is_not_used(gpu_scan: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_scan, "ERROR", -1.0)
    rows = unit(np.random.default_rng(3), 5, 8).astype("<f2").view(np.uint8)
    assert gpu_scan.GpuScan("cpu").top(rows, 0, 5, np.ones(8, np.float32), 2) is None


async def test_the_index_scans_by_itself_where_the_device_cannot_help(
    gpu_scan: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "FIRST_PASS_ROWS", 1)
    monkeypatch.setattr(scan, "FIRST_PASS_SHARE", 0)
    monkeypatch.setattr(gpu_scan.GpuScan, "_made", lambda *_: None)
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=50)) as world:
        await world.fill(np.random.default_rng(4), 100)
        await world.index.maintain(world.database)
        world.index.close()
        world.index = VectorIndex(
            world.index.database_path, world.folder, IndexSettings(seal_rows=50), accelerator=gpu_scan.GpuScan("cpu")
        )
        await world.check(unit(np.random.default_rng(5), 1)[0], 10, world.everything())
        assert world.index.search(GUILD, MODEL, unit(np.random.default_rng(6), 1)[0], 1, world.everything()).candidates


def test_without_cuda_there_is_none(gpu_scan: ModuleType) -> None:
    import torch

    assert gpu_scan.gpu_scan("cpu") is None
    assert (gpu_scan.gpu_scan("cuda") is None) == (not torch.cuda.is_available())
