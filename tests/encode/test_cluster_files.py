"""Files that a run wants opened in a cluster: what is said where there is none, and who opens them when it is lost.

Without any Ray: the process that reaches the cluster is a stand-in (tests/worlds/files_child.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.texts import Language
from bot.texts.catalogue import translate_sentence
from indexer.backoff import Backoff
from indexer.encode import cluster_files, model_on_demand
from indexer.encode.cluster_files import ClusterFiles
from indexer.encode.known_model import FILE_NAME as KNOWN
from indexer.encode.model_on_demand import CLUSTER_FAULT
from indexer.errors import Reason, Rejected, TellPerson
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.platforms.processes import kill
from indexer.progress import State
from indexer.records.pictures import EncodedFile, ModelSpec, PixelSpec
from indexer.settings import ModelSettings, RaySettings, Settings
from indexer.store import embeddings
from indexer.supervisor import Faults
from tests.worlds.encoder import Encoder
from tests.worlds.model_child import SIZE
from tests.worlds.picture_files import moving, picture, scene
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.waiting import DEADLINE_S, until

GIF = moving([scene(96, 64, seed) for seed in (1, 2, 3)], "GIF")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_on_demand, "AGAIN", Backoff(tries=0, first_s=0.01, longest_s=0.01))
    for name, value in {"HERE_S": DEADLINE_S, "AGAIN_S": 0.01, "LOOK_S": 0.01, "find_spec": lambda _: True}.items():
        monkeypatch.setattr(cluster_files, name, value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """It tells the stand-in what to do."""
    made = tmp_path / "weights"
    made.mkdir()
    return made


def files(folder: Path, faults: Faults | None = None, address: str = "auto") -> ClusterFiles:
    model = ModelSettings(name="fake", pretrained=str(folder), runtime="torch")
    settings = Settings(data_dir=folder.parent, model=model, ray=RaySettings(address=address))
    return ClusterFiles(settings, 1, faults or Faults(), driver="tests.worlds.files_child")


@asynccontextmanager
async def joined(folder: Path, faults: Faults | None = None) -> AsyncIterator[ClusterFiles]:
    made = files(folder, faults)
    async with asyncio.timeout(DEADLINE_S), made.joined():
        yield made


async def ask(made: ClusterFiles, file: bytes) -> EncodedFile | None:
    return await made.encode(file, hashlib.sha256(file).digest(), thumbnail=False)


def said(error: TellPerson) -> str:
    return translate_sentence(Language.ENGLISH, error.sentence, str)


async def test_a_file_becomes_what_it_becomes_here_but_for_its_pixels(folder: Path) -> None:
    async with joined(folder) as made:
        for data in (picture(1), GIF):
            encoded = await ask(made, data)
            assert encoded is not None
            here = decode_picture(data, PixelSpec(SIZE), Limits(100_000_000, frames=3))
            assert encoded.picture == replace(here, frames=(), byte_count=len(data))
            assert encoded.vectors.tolist() == np.array([[0.6, 0.8]] * len(here.frames), np.float32).tolist()
        with pytest.raises(Rejected) as refused:
            await ask(made, b"<html>")
        assert refused.value.reason is Reason.NOT_A_PICTURE


async def test_without_ray_or_a_cluster_or_with_other_weights_there_it_is_said_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "gone").touch()
    with pytest.raises(TellPerson) as refused:
        async with joined(folder):
            pass
    assert "cluster at auto can be used" in said(refused.value)
    assert "no such weights" in said(refused.value)
    assert "ray.address" in said(refused.value)
    (folder / "gone").unlink()
    (folder / "other-readers").touch()
    with pytest.raises(TellPerson, match="other readers"):
        async with joined(folder):
            pass
    (folder / "other-readers").unlink()
    made = files(folder)
    await made.must_be_like(_Of(ModelSpec("fake", "none", 2, "00")))
    (folder / "changed").touch()
    with pytest.raises(TellPerson, match="weights or settings of fake in the cluster"):
        async with made.joined():
            pass
    (folder.parent / KNOWN).unlink()  # as where the folder could not be written to
    with pytest.raises(TellPerson, match="fleet-other-model"):
        async with made.joined():
            pass
    monkeypatch.setattr(cluster_files, "find_spec", lambda _: None)
    with pytest.raises(TellPerson) as refused:
        async with joined(folder):
            pass
    assert "pip install 'afterimage[fleet]'" in said(refused.value)


@pytest.mark.parametrize("form", ["{}:{}", "ray://{}:{}"])
async def test_where_nobody_listens_that_is_said_at_once(folder: Path, form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    with pytest.raises(TellPerson, match=f"{port}.*nobody answers there"):
        async with files(folder, address=form.format(host, port)).joined():
            pass


class _Of(Encoder):
    """A model that is known by this."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec, self.pixel_spec = spec, PixelSpec(SIZE)


async def test_runs_share_the_process_that_reaches_the_cluster_and_it_ends_with_the_last_one(folder: Path) -> None:
    made = files(folder)
    async with asyncio.timeout(DEADLINE_S):
        async with made.joined():
            first = made._remote
            async with made.joined():
                assert made._remote is first
            assert await ask(made, picture(1)) is not None
        assert first is not None
        assert not first.awake
        assert await ask(made, picture(1)) is None


async def test_a_file_waits_for_a_cluster_that_comes_back_and_not_for_one_that_stays_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults()
    async with joined(folder, faults) as made:
        (folder / "away").touch()
        waiting = asyncio.create_task(ask(made, picture(1)))
        await until(lambda: faults.in_a_row(CLUSTER_FAULT))
        (folder / "away").unlink()
        assert await waiting is not None
        assert not faults.in_a_row(CLUSTER_FAULT)
        (folder / "away").touch()
        monkeypatch.setattr(cluster_files, "HERE_S", 0.0)
        assert await ask(made, picture(1)) is None
        (folder / "away").unlink()
        back: list[EncodedFile | None] = []

        async def answered() -> bool:
            back.append(await ask(made, picture(1)))
            return back[-1] is not None

        await until(answered)
        assert not faults.in_a_row(CLUSTER_FAULT)


async def test_a_process_that_is_killed_over_a_file_costs_it_a_retry(folder: Path) -> None:
    async with joined(folder) as made:
        assert made._remote is not None
        assert made._remote.pid is not None
        kill(made._remote.pid)
        assert await ask(made, picture(1)) is not None
        assert made._remote.starts == 2


async def test_what_a_node_may_not_open_and_what_is_too_large_for_a_call_is_left_to_this_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults()
    async with joined(folder, faults) as made:
        (folder / "other-readers").touch()
        for _ in range(3):
            assert await ask(made, picture(1)) is None
        assert faults.count(CLUSTER_FAULT) == 1  # said once
        (folder / "other-readers").unlink()
        monkeypatch.setattr(cluster_files, "MOST_BYTES", len(GIF) - 1)
        assert await ask(made, GIF) is None
        assert await ask(made, picture(1)) is not None


@pytest.mark.parametrize("wrong", ["other-file", "wide", "infinite"])
async def test_an_answer_that_is_not_the_files_is_not_taken_and_this_machine_opens_it(folder: Path, wrong: str) -> None:
    faults = Faults()
    async with joined(folder, faults) as made:
        (folder / wrong).touch()
        for _ in range(3):
            assert await ask(made, picture(1)) is None
        assert faults.count(CLUSTER_FAULT) == 1  # said once
        (folder / wrong).unlink()
        assert await ask(made, picture(1)) is not None


@asynccontextmanager
async def world_with(tmp_path: Path, made: ClusterFiles) -> AsyncIterator[World]:
    """A server whose runs may use the cluster of the stand-in."""
    async with asyncio.timeout(DEADLINE_S), open_world(tmp_path) as world:
        world.encoder, world.cluster = Encoder(dimension=2), made
        async with world.db.transaction() as tx:
            world.model_id = await embeddings.model_id(tx, world.encoder.spec)
        yield world


async def test_only_the_run_that_is_asked_to_uses_the_cluster(tmp_path: Path, folder: Path) -> None:
    made = files(folder)
    async with world_with(tmp_path, made) as world, world.pipeline() as pipeline:
        count = world.fill(channels=1, messages=40)
        async with made.joined():
            await pipeline.run_guild(GUILD)
        assert not (folder / "opened").exists()
        assert world.encoder.encoded == count
        more = world.fill(channels=1, messages=40, start=1000)
        broken = world.cdn.add("broken.png", picture(7)[:60])
        world.history.post(1, 99_000, broken)
        progress = await pipeline.run_guild(GUILD, fleet=True)
        assert (progress.state, progress.embedded, progress.failed) == (State.DONE, more, 1)
        assert len((folder / "opened").read_text().splitlines()) == more
        assert world.encoder.encoded == count
        assert await world.count("SELECT count(*) FROM embeddings") == count + more
        assert await world.count("SELECT count(*) FROM pictures WHERE state = 'rejected' AND reason = 'truncated'") == 1
        last = world.fill(channels=1, messages=5, start=2000)
        await pipeline.run_guild(GUILD)
        assert world.encoder.encoded == count + last


async def test_a_run_is_cancelled_and_the_next_one_goes_on_with_every_picture_once(
    tmp_path: Path, folder: Path
) -> None:
    made = files(folder)
    async with world_with(tmp_path, made) as world, world.pipeline() as pipeline, made.joined():
        count = world.fill(channels=1, messages=100)
        (folder / "away").touch()
        running = asyncio.create_task(pipeline.run_guild(GUILD, fleet=True))
        await until(lambda: world.cdn.requests and made._away_s is not None)
        running.cancel()
        await asyncio.wait({running})
        (folder / "away").unlink()
        progress = await pipeline.run_guild(GUILD, fleet=True)
        assert progress.state is State.DONE
        assert await world.count("SELECT count(*) FROM embeddings") == count
        assert await world.count("SELECT count(DISTINCT picture_id) FROM embeddings") == count


async def test_a_run_whose_cluster_is_away_when_it_goes_on_is_done_here(tmp_path: Path, folder: Path) -> None:
    (folder / "gone").touch()
    async with world_with(tmp_path, files(folder)) as world, world.pipeline() as pipeline:
        count = world.fill(channels=1, messages=40)
        progress = await pipeline.run_guild(GUILD, fleet=True)
        assert (progress.state, world.encoder.encoded) == (State.DONE, count)
        assert world.faults.count(CLUSTER_FAULT)
