"""Encoders in a real Ray of three nodes here: they die, their nodes die, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bot.app import operations
from bot.config.tables import Config
from bot.control.imports import imports
from bot.control.server import open_control
from indexer import service as service_file
from indexer.encode.cluster_encoder import ClusterEncoder, open_cluster_encoder
from indexer.encode.cluster_files import ClusterFiles
from indexer.encode.encoder import ModelEncoder, open_encoder, open_remote_encoder
from indexer.errors import ModelUnavailable, Reason, Rejected, TellPerson
from indexer.imports.archive_opener import open_archive
from indexer.jobs import JobState
from indexer.pictures.decoder import READERS_VERSION, open_decoder
from indexer.pictures.small_copy import webp
from indexer.platforms.processes import kill
from indexer.ports import Priority
from indexer.progress import State
from indexer.records.ids import GuildId
from indexer.records.pictures import EncodedFile, ModelSpec, Pixels, PixelSpec, Vectors
from indexer.reports import status
from indexer.service import open_service
from indexer.settings import DecodeSettings, ModelSettings, RaySettings, Settings
from indexer.store import embeddings
from indexer.supervisor import Faults
from tests.archives.test_import import write_export
from tests.worlds.commands_here import give_command
from tests.worlds.encoder import Encoder
from tests.worlds.exports import GUILD as GUILD_OF_EXPORT
from tests.worlds.model_child import SIZE
from tests.worlds.picture_files import encoded, long_one, moving, picture, png_header, scene
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.ray_nodes import Nodes, open_nodes
from tests.worlds.running_bot import noise, running, town
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


async def assert_each_embedded_once(world: World, pictures: int) -> None:
    assert await world.count("SELECT count(*) FROM embeddings") == pictures
    assert await world.count("SELECT count(DISTINCT picture_id) FROM embeddings") == pictures
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == pictures


def unit_length(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class UnitLength:
    """An encoder whose vectors can be stored: those of the stand-in, made as long as stored ones are."""

    def __init__(self, encoder: ClusterEncoder) -> None:
        self._encoder = encoder
        self.spec, self.pixel_spec, self.awake = encoder.spec, encoder.pixel_spec, True

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        return unit_length(await self._encoder.encode_pixels(frames, priority))

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        return unit_length(await self._encoder.encode_words(texts, priority))


async def test_in_mid_import_an_encoder_and_a_node_die_and_every_picture_is_embedded_once(
    tmp_path: Path, nodes: Nodes, weights: Path
) -> None:
    hold = weights / "cluster" / "hold"
    cluster = nodes.settings(min_replicas=2, max_replicas=2)
    async with open_world(tmp_path, decodes=False) as world, opened(tmp_path, weights, cluster) as encoder:
        world.settings = replace(world.settings, model=replace(model(weights), batch_size=4), ray=cluster)
        await world.use_model(UnitLength(encoder))
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
        await assert_each_embedded_once(world, pictures)
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


class UnitFiles(ClusterFiles):
    """Files in the cluster, by encoders with the stand-in for a model, whose vectors are made as long as stored ones
    are. `encoded` counts them."""

    def __init__(self, settings: Settings, readers: int = READERS_VERSION, faults: Faults | None = None) -> None:
        super().__init__(settings, readers, faults or Faults(), driver=DRIVER)
        self.encoded = 0

    async def encode(self, file: bytes, sha256: bytes, *, thumbnail: bool) -> EncodedFile | None:
        encoded = await super().encode(file, sha256, thumbnail=thumbnail)
        if encoded is None:
            return None
        self.encoded += 1
        return replace(encoded, vectors=unit_length(encoded.vectors))


def settings_of_files(data_dir: Path, weights: Path, cluster: RaySettings, **decode: Any) -> Settings:
    """Those of a bot whose own model runs here."""
    at_home = replace(model(weights), runtime="auto")
    return Settings(data_dir=data_dir, model=at_home, ray=cluster, decode=DecodeSettings(workers=1, **decode))


async def test_a_file_is_on_a_node_what_it_is_here_and_a_hostile_one_is_rejected_for_the_same_reason(
    tmp_path: Path, nodes: Nodes, weights: Path, reader_processes: None
) -> None:
    settings = settings_of_files(tmp_path, weights, nodes.settings(min_replicas=2, max_replicas=2), timeout_s=0.5)
    files, spec = UnitFiles(settings), PixelSpec(SIZE)
    moved = moving([scene(96, 64, seed) for seed in (1, 2, 3)], "GIF")
    sound = [picture(1), encoded(scene(300, 200), "JPEG"), encoded(scene(80, 60), "WEBP"), moved]
    hostile = [b"", b"<html>", picture(2)[:60], png_header(20_000, 20_000), await asyncio.to_thread(long_one)]
    async with asyncio.timeout(DEADLINE_S), open_decoder(settings.decode, spec) as here, files.joined():
        for data in sound:
            there = await files.encode(data, hashlib.sha256(data).digest(), thumbnail=True)
            assert there is not None
            local = await here.decode(data, thumbnail=True)
            assert local.thumbnail is not None
            assert there.picture == replace(local, frames=(), thumbnail=None)
            assert there.small_copy == webp(local.thumbnail)
            firsts = [int(frame[0, 0, 0]) for frame in local.frames]
            assert (there.vectors[:, 0] / there.vectors[:, 1]).round().tolist() == firsts
        reasons = []
        for data in hostile:
            with pytest.raises(Rejected) as refused_there:
                await files.encode(data, hashlib.sha256(data).digest(), thumbnail=False)
            with pytest.raises(Rejected) as refused_here:
                await here.decode(data)
            assert refused_there.value.reason is refused_here.value.reason
            reasons.append(refused_there.value.reason)
        assert reasons[-1] is Reason.TOO_SLOW  # the kernel has killed its reader, there and here
        sound_again = picture(3)
        assert await files.encode(sound_again, hashlib.sha256(sound_again).digest(), thumbnail=False) is not None
        other = UnitFiles(settings, READERS_VERSION + 1)
        with pytest.raises(TellPerson, match="the same version of Afterimage there"):
            async with other.joined():
                pass


async def test_in_mid_import_a_node_dies_and_every_file_is_embedded_in_the_cluster_once(
    tmp_path: Path, nodes: Nodes, weights: Path
) -> None:
    hold = weights / "cluster" / "hold"
    cluster = nodes.settings(min_replicas=2, max_replicas=2)
    async with asyncio.timeout(DEADLINE_S), open_world(tmp_path) as world:
        settings = settings_of_files(tmp_path, weights, cluster)
        world.settings = replace(world.settings, ray=cluster)
        world.cluster = files = UnitFiles(settings, faults=world.faults)
        async with world.db.transaction() as tx:
            world.model_id = await embeddings.model_id(tx, ModelSpec("fake", "none", 2, "00"))
        async with world.pipeline() as pipeline:
            pictures = world.fill(channels=2, messages=100)
            forget_work(weights)
            hold.touch()
            indexing = asyncio.create_task(pipeline.run_guild(GUILD, fleet=True))
            await until(lambda: len(at_work(weights)) == 2)
            await asyncio.to_thread(nodes.kill)
            hold.unlink()
            progress = await indexing
        await asyncio.to_thread(nodes.add)
        assert progress.state is State.DONE
        await assert_each_embedded_once(world, pictures)
        assert files.encoded == pictures
        assert world.encoder.encoded == 0  # this machine's model has had nothing to do


def variables(nodes: Nodes, weights: Path) -> dict[str, str]:
    """The configuration of somebody whose own model runs here, in the environment."""
    return {
        "AFTERIMAGE_MODEL_NAME": "fake",
        "AFTERIMAGE_MODEL_PRETRAINED": str(weights),
        "AFTERIMAGE_MODEL_STREAMS": "1",
        "AFTERIMAGE_DECODE_WORKERS": "1",
        "AFTERIMAGE_RAY_ADDRESS": nodes.address,
        "AFTERIMAGE_RAY_TOKEN_FILE": str(nodes.token_file),
        "AFTERIMAGE_RAY_CORES": "1",
        "AFTERIMAGE_RAY_MIN_REPLICAS": "2",
        "AFTERIMAGE_RAY_MAX_REPLICAS": "2",
    }


async def test_the_command_and_a_running_bot_import_by_the_cluster_when_they_are_told_to(
    tmp_path: Path, nodes: Nodes, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[UnitFiles] = []
    encoders: list[ModelEncoder] = []

    def files(settings: Settings, readers: int, faults: Faults) -> UnitFiles:
        made.append(UnitFiles(settings, readers, faults))
        return made[-1]

    @asynccontextmanager
    async def at_home(*arguments: Any, **named: Any) -> AsyncIterator[ModelEncoder]:
        async with open_encoder(*arguments, **named, worker=WORKER) as encoder:
            encoders.append(encoder)
            yield encoder

    monkeypatch.setattr(service_file, "ClusterFiles", files)
    monkeypatch.setattr(service_file, "open_encoder", at_home)
    settings = settings_of_files(tmp_path / "data", weights, nodes.settings(min_replicas=2, max_replicas=2))

    async def given(*words: str) -> str:
        done = await asyncio.to_thread(give_command, tmp_path, "import", *words, **variables(nodes, weights))
        assert done.returncode == 0, done.stderr
        return done.stdout

    await asyncio.to_thread(write_export, tmp_path / "export", 5)
    assert "5 pictures embedded now" in await given("export", "--fleet", "--quiet")
    assert made[0].encoded == 5
    assert encoders[0].starts == 0  # this machine has loaded no model
    opening = open_service(settings, None, open_archive=partial(open_archive, settings))
    async with opening as service, open_control(settings.data_dir, imports(service), 5.0):
        await asyncio.to_thread(write_export, tmp_path / "export", 8)
        assert "the running bot reads it now" in await given("export", "--fleet", "--quiet")
        await until(lambda: service.jobs.idle)
        (job,) = await service.jobs.recent(GuildId(GUILD_OF_EXPORT), 1)
        assert (job.state, job.scope.fleet, made[1].encoded) == (JobState.DONE, True, 3)
        async with service.db.reader() as connection:
            assert (await status.read(connection)).total.ready == 8


async def test_a_running_bot_reads_a_server_of_discord_by_the_cluster_when_the_command_says_so(
    tmp_path: Path, nodes: Nodes, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[UnitFiles] = []

    def files(settings: Settings, readers: int, faults: Faults) -> UnitFiles:
        made.append(UnitFiles(settings, readers, faults))
        return made[-1]

    monkeypatch.setattr(service_file, "ClusterFiles", files)
    used: list[Config] = []

    def with_cluster(config: Config) -> Config:
        cluster = nodes.settings(min_replicas=2, max_replicas=2)
        settings = settings_of_files(config.settings.data_dir, weights, cluster)
        used.append(replace(config, settings=replace(config.settings, model=settings.model, ray=cluster)))
        return used[-1]

    own = Encoder(dimension=2, size=SIZE)
    own.spec = ModelSpec("fake", "none", 2, "00")
    place = town(pictures=5, secrets=3)
    async with running(place.world, tmp_path / "data", with_cluster, own) as bot:
        async with open_control(bot.data_dir, operations(used[0], bot.service), 5.0):
            words = ("reindex", "--guild", "Town", "--fleet", "--quiet")
            done = await asyncio.to_thread(give_command, tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert "Town: indexing the whole server: done" in done.stdout
        assert "8 new pictures" in done.stdout
        (job,) = await bot.service.jobs.recent(GuildId(place.guild.id), 1)
        assert job.scope.fleet
        assert (made[0].encoded, own.encoded) == (8, 0)  # this machine's model has had nothing to do
        assert await bot.count("SELECT count(*) FROM embeddings") == 8
        place.pictures.post(place.member.user, "later", files=[noise(77)])
        await bot.embedded(9)
        assert (made[0].encoded, own.encoded) == (8, 1)  # what comes after the job, the bot embeds itself
