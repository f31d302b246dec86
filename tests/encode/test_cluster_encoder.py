"""A bot whose models run elsewhere: who answers while the cluster is there, away, slow, and back. Without any Ray: the
process that reaches the cluster speaks the protocol of a model's process, and here it is one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.backoff import Backoff
from indexer.encode import cluster_encoder, model_on_demand
from indexer.encode.cluster_encoder import ClusterEncoder, open_cluster_encoder
from indexer.errors import ConfigError, ModelUnavailable
from indexer.platforms.processes import kill
from indexer.ports import Priority
from indexer.records.pictures import Pixels
from indexer.settings import ModelSettings, RaySettings, Settings
from indexer.supervisor import Faults
from tests.worlds.model_child import SIZE
from tests.worlds.waiting import DEADLINE_S, until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(model_on_demand, "AGAIN", Backoff(tries=0, first_s=0.01, longest_s=0.01))
    for name, value in {
        "LOOK_S": 0.01,
        "INDEX_HERE_S": DEADLINE_S,
        "SLOW_S": 0.01,
        "find_spec": lambda _: True,
    }.items():
        monkeypatch.setattr(cluster_encoder, name, value)
    caplog.set_level(logging.DEBUG, "indexer")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The folder that tells the stand-ins what to do; `cluster` in it is for those elsewhere."""
    folder = tmp_path / "weights"
    (folder / "cluster").mkdir(parents=True)
    return folder


@asynccontextmanager
async def opened(weights: Path, faults: Faults | None = None, **cluster: Any) -> AsyncIterator[ClusterEncoder]:
    model = ModelSettings(name="fake", pretrained=str(weights), runtime="ray")
    ray = RaySettings(**({"deadline_s": DEADLINE_S} | cluster))
    settings = Settings(data_dir=weights.parent, model=model, ray=ray)
    opening = open_cluster_encoder(
        settings, faults or Faults(), driver="tests.worlds.cluster_child", worker="tests.worlds.model_child"
    )
    async with asyncio.timeout(DEADLINE_S), opening as encoder:
        yield encoder


def frame(number: int) -> Pixels:
    return np.full((SIZE, SIZE, 3), number, np.uint8)


async def here(encoder: ClusterEncoder) -> None:
    await until(lambda: encoder.state.here)


async def test_while_the_cluster_answers_this_machine_loads_no_model(weights: Path) -> None:
    async with opened(weights) as encoder:
        await here(encoder)
        assert (await encoder.encode_words(["abc"])).tolist() == [[3, 2]]
        assert (await encoder.encode_pixels([frame(7)])).tolist() == [[7, 1]]
        assert encoder.starts == 0
        assert len(encoder.pids) == 1
        assert encoder.state.reason == ""


async def test_a_question_that_the_cluster_is_too_slow_for_is_answered_here_and_the_next_ones_at_once(
    weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = Faults()
    async with opened(weights, faults, deadline_s=0.3) as encoder:
        await here(encoder)
        (weights / "cluster" / "hold").touch()
        assert (await encoder.encode_words(["abc"])).tolist() == [[3, 2]]
        assert "no answer to a question within 0.3 s" in encoder.state.reason
        assert "is away" in caplog.text
        assert faults.in_a_row("cluster") == 1
        assert (await encoder.encode_words(["abcd"])).tolist() == [[4, 2]]
        assert (await encoder.encode_pixels([frame(7)], Priority.QUERY)).tolist() == [[7, 1]]
        assert encoder.state.answered_here == 3
        (weights / "cluster" / "hold").unlink()
        await here(encoder)
        assert faults.in_a_row("cluster") == 0
        before = encoder.state.answered_here
        await encoder.encode_words(["abc"])
        assert encoder.state.answered_here == before


async def test_what_is_being_indexed_when_the_cluster_goes_is_indexed_when_it_is_back(weights: Path) -> None:
    async with opened(weights) as encoder:
        await here(encoder)
        for name in ("hold", "hold-loading"):
            (weights / "cluster" / name).touch()
        indexing = [asyncio.create_task(encoder.encode_pixels([frame(number)])) for number in range(20, 50)]
        await asyncio.sleep(0.05)
        (pid,) = encoder.pids
        kill(pid)
        await until(lambda: not encoder.state.here)
        assert (await encoder.encode_words(["abc"])).tolist() == [[3, 2]]
        assert encoder.state.answered_here == 1
        assert not any(task.done() for task in indexing)
        for name in ("hold", "hold-loading"):
            (weights / "cluster" / name).unlink()
        vectors = await asyncio.gather(*indexing)
        assert [float(vector[0, 0]) for vector in vectors] == list(range(20, 50))


async def test_a_cluster_that_stays_away_has_this_machine_index(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(weights):
        pass  # now the model is known
    monkeypatch.setattr(cluster_encoder, "INDEX_HERE_S", 0.05)
    (weights / "cluster" / "gone").touch()
    async with opened(weights) as encoder:
        assert (await encoder.encode_pixels([frame(9)])).tolist() == [[9, 1]]
        assert encoder.starts == 1
        (weights / "cluster" / "gone").unlink()
        await here(encoder)


async def test_without_a_cluster_the_first_start_learns_the_model_from_this_machine(weights: Path) -> None:
    (weights / "cluster" / "gone").touch()
    async with opened(weights) as encoder:
        assert encoder.spec.dimension == 2
        assert (await encoder.encode_words(["abc"])).tolist() == [[3, 2]]
        assert not encoder.state.here
    (weights / "gone").touch()
    (weights.parent / "known-model.json").unlink()
    with pytest.raises(ModelUnavailable):
        async with opened(weights):
            pass


async def test_a_cluster_with_other_weights_answers_nothing_and_changes_nothing_here(weights: Path) -> None:
    async with opened(weights) as encoder:
        await here(encoder)
    (weights / "cluster" / "changed").touch()
    faults = Faults()
    async with opened(weights, faults) as encoder:
        await until(lambda: faults.count("cluster"))
        assert (await encoder.encode_words(["abc"])).tolist() == [[3, 2]]
        assert encoder.state.answered_here == 1
        assert (weights.parent / "known-model.json").exists()
        assert faults.count("model") == 0


async def test_without_the_extra_the_start_says_what_to_install(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_encoder, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'afterimage\[fleet\]'"):
        async with opened(weights):
            pass
