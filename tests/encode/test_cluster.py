"""Encoders in a real Ray of three nodes here: they die, their nodes die, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest

from indexer.encode.cluster_encoder import ClusterEncoder, open_cluster_encoder
from indexer.encode.encoder import open_remote_encoder
from indexer.errors import ModelUnavailable
from indexer.pictures.decoder import open_decoder
from indexer.platforms.processes import kill
from indexer.ports import Priority
from indexer.progress import State
from indexer.records.pictures import Pixels, Vectors
from indexer.settings import ModelSettings, RaySettings, Settings
from indexer.store import embeddings
from indexer.supervisor import Faults
from tests.worlds.model_child import SIZE
from tests.worlds.pipeline_world import GUILD, open_world
from tests.worlds.ray_nodes import Nodes, open_nodes
from tests.worlds.waiting import DEADLINE_S, until

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'afterimage[fleet]'"),
    pytest.mark.xdist_group("ray"),  # one cluster for all of them
]

DRIVER = "tests.worlds.cluster_driver"
WORKER = "tests.worlds.model_child"


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with open_nodes(2) as opened:
        yield opened


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ones for all tests, so that each finds the encoders of the one before."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "cluster").mkdir()
    return folder


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "indexer")
    return caplog


def model(weights: Path) -> ModelSettings:
    return ModelSettings(name="fake", pretrained=str(weights), runtime="ray", streams=1)


@asynccontextmanager
async def opened(data_dir: Path, weights: Path, cluster: RaySettings) -> AsyncIterator[ClusterEncoder]:
    """The encoder of a bot, once the cluster answers."""
    settings = Settings(data_dir=data_dir, model=model(weights), ray=cluster)
    async with (
        asyncio.timeout(DEADLINE_S),
        open_cluster_encoder(settings, Faults(), driver=DRIVER, worker=WORKER) as encoder,
    ):
        await until(lambda: encoder.state.here and encoder.state.encoders == cluster.min_replicas)
        yield encoder


def at_work(weights: Path) -> set[int]:
    """The model's processes that have begun with something, of those that are there."""
    found = {int(file.name.removeprefix("asked-")) for file in (weights / "cluster").glob("asked-*")}
    return {pid for pid in found if psutil.pid_exists(pid)}


def forget_work(weights: Path) -> None:
    for file in (weights / "cluster").glob("asked-*"):
        file.unlink()


class UnitLength:
    """An encoder whose vectors can be stored: those of the stand-in, made as long as stored ones are."""

    def __init__(self, encoder: ClusterEncoder) -> None:
        self._encoder = encoder
        self.spec, self.pixel_spec, self.awake = encoder.spec, encoder.pixel_spec, True

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        vectors = await self._encoder.encode_pixels(frames, priority)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


async def test_in_mid_import_an_encoder_and_a_node_die_and_every_picture_is_embedded_once(
    tmp_path: Path, nodes: Nodes, weights: Path
) -> None:
    hold = weights / "cluster" / "hold"
    cluster = nodes.settings(min_replicas=2, max_replicas=2)
    async with open_world(tmp_path, decodes=False) as world, opened(tmp_path, weights, cluster) as encoder:
        async with world.db.transaction() as tx:
            world.model_id = await embeddings.model_id(tx, encoder.spec)
        world.settings = replace(world.settings, model=replace(model(weights), batch_size=4), ray=cluster)
        world.encoder = UnitLength(encoder)  # type: ignore[assignment]  # both encode pictures
        async with open_decoder(world.settings.decode, encoder.pixel_spec) as world.decoder:
            pictures = world.fill(channels=2, messages=100)
            forget_work(weights)
            hold.touch()
            async with world.pipeline() as pipeline:
                indexing = asyncio.create_task(pipeline.run_guild(GUILD))
                await until(lambda: len(at_work(weights)) == 2)
                one = psutil.Process(min(at_work(weights))).parent()
                assert one is not None
                kill(one.pid)
                await asyncio.to_thread(nodes.kill)
                hold.unlink()
                progress = await indexing
        await asyncio.to_thread(nodes.add)
        assert progress.state is State.DONE
        assert await world.count("SELECT count(*) FROM embeddings") == pictures
        assert await world.count("SELECT count(DISTINCT picture_id) FROM embeddings") == pictures
        assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == pictures
        assert encoder.starts == 0  # this machine loaded no model


async def test_bots_share_the_encoders_and_get_the_vectors_of_their_own_pictures(
    tmp_path: Path, nodes: Nodes, weights: Path
) -> None:
    cluster = nodes.settings(min_replicas=2, max_replicas=2)
    async with opened(tmp_path, weights, cluster) as encoder, opened(tmp_path, weights, cluster) as other:
        forget_work(weights)
        frames = [np.full((SIZE, SIZE, 3), number % 13, np.uint8) for number in range(80)]
        ours, theirs = await asyncio.gather(encoder.encode_pixels(frames), other.encode_pixels(frames[::-1]))
        assert ours[:, 0].tolist() == [frame[0, 0, 0] for frame in frames]
        assert theirs[:, 0].tolist() == [frame[0, 0, 0] for frame in frames[::-1]]
        assert (await encoder.encode_words(["abc", "abcde"])).tolist() == [[3, 2], [5, 2]]
        assert (await other.encode_pixels(frames[:1], Priority.QUERY)).tolist() == [[0, 1]]
        assert len(at_work(weights)) == 2
        assert encoder.starts == other.starts == 0


async def test_without_the_token_nobody_gets_into_the_cluster(tmp_path: Path, nodes: Nodes, weights: Path) -> None:
    wrong = tmp_path / "token"
    wrong.write_text("another-token-with-enough-letters-in-it")
    for token_file in (wrong, tmp_path / "none"):
        with pytest.raises(ModelUnavailable, match=r"ray\.token_file"):
            async with open_remote_encoder(
                model(weights), nodes.settings(token_file=token_file), Faults(), worker=DRIVER
            ):
                pass
