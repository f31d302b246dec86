"""Downloads over real sockets: they go on where they ended, and what is not the hub's is never used."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from indexer.encode import download as download_module
from indexer.encode import hub_download
from indexer.encode.download import NotDownloaded, download
from indexer.encode.hub_cache import why_damaged
from indexer.encode.hub_download import Broken, fetch_blob
from indexer.encode.weights_table import architecture, pretrained
from indexer.settings import ModelSettings
from sandbox.model import EXPORT
from sandbox.model import WEIGHTS as DEMO_WEIGHTS
from tests.encode.test_siglip import write_tokenizer
from tests.worlds.hub import Hub, open_hub

REPOSITORY = "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K"
WEIGHTS = f"{REPOSITORY}/open_clip_model.safetensors"
DATA = random.Random(1).randbytes(3_000_000)
MODEL = ModelSettings("ViT-B-32-256", "datacomp_s34b_b86k")
MULTILINGUAL = ModelSettings("ViT-B-32-SigLIP2-256", "webli")  # its tokenizer lies beside its weights


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_download, "_AGAIN_S", 0.01)


async def fetched(hub: Hub, folder: Path, data: bytes = DATA) -> Path:
    blob = folder / hashlib.sha256(data).hexdigest()
    address = f"{hub.address}/{REPOSITORY}/resolve/main/open_clip_model.safetensors"
    await asyncio.to_thread(fetch_blob, address, blob, len(data), "weights", lambda **_: None)
    return blob


async def test_a_file_is_fetched_whole(tmp_path: Path) -> None:
    async with open_hub({WEIGHTS: DATA}) as hub:
        blob = await fetched(hub, tmp_path)
        assert blob.read_bytes() == DATA
        assert list(tmp_path.iterdir()) == [blob]
        await fetched(hub, tmp_path)
        assert len(hub.ranges) == 1  # what is there is not fetched again


async def test_where_the_connection_breaks_it_goes_on(tmp_path: Path) -> None:
    async with open_hub({WEIGHTS: DATA}) as hub:
        hub.breaks_after = 1_234_567
        assert (await fetched(hub, tmp_path)).read_bytes() == DATA
        first, second = hub.ranges
        assert first == "bytes=0-"
        assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 1_234_567


async def test_a_server_without_ranges_costs_time_only(tmp_path: Path) -> None:
    async with open_hub({WEIGHTS: DATA}) as hub:
        hub.knows_ranges = False
        hub.breaks_after = 2_000_000
        assert (await fetched(hub, tmp_path)).read_bytes() == DATA


@pytest.mark.parametrize("left", [b"", DATA[:1000], b"x" * 1000, DATA + b"more"])
async def test_what_an_earlier_try_left_never_makes_a_wrong_file(tmp_path: Path, left: bytes) -> None:
    async with open_hub({WEIGHTS: DATA}) as hub:
        part = tmp_path / f"{hashlib.sha256(DATA).hexdigest()}.afterimage.part"
        part.write_bytes(left)
        if left.startswith(b"x"):
            with pytest.raises(Broken, match="checksum"):
                await fetched(hub, tmp_path)
        assert (await fetched(hub, tmp_path)).read_bytes() == DATA  # what was wrong is gone


async def test_other_bytes_than_the_hub_promised_are_refused(tmp_path: Path) -> None:
    async with open_hub({WEIGHTS: DATA}) as hub:
        hub.gives = b"\0" + DATA[1:]
        with pytest.raises(Broken, match="not what the hub has"):
            await fetched(hub, tmp_path)
        assert list(tmp_path.iterdir()) == []


async def test_a_hub_that_gives_nothing_is_given_up_and_what_came_stays(tmp_path: Path) -> None:
    async with open_hub({WEIGHTS: DATA}) as hub:
        address, blob = hub.address, tmp_path / hashlib.sha256(DATA).hexdigest()

        def fetch() -> None:
            fetch_blob(f"{address}/{REPOSITORY}/resolve/main/gone", blob, len(DATA), "weights", lambda **_: None)

        with pytest.raises(Broken, match="goes on where it ended"):
            await asyncio.to_thread(fetch)


@pytest.mark.parametrize("address", ["file://{}", "ftp://127.0.0.1{}", "{}", "FILE://{}"])
def test_a_place_that_is_not_of_the_web_is_not_opened(tmp_path: Path, address: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)
    blob = tmp_path / "cache" / hashlib.sha256(DATA).hexdigest()
    blob.parent.mkdir()
    with pytest.raises(Broken, match="not of the web"):
        fetch_blob(address.format(secret), blob, len(DATA), "weights", lambda **_: None)
    assert list(blob.parent.iterdir()) == []


@pytest.mark.parametrize("scheme", ["ftp", "file"])
async def test_a_redirect_does_not_lead_out_of_the_web(tmp_path: Path, scheme: str) -> None:
    calls: list[object] = []

    def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        writer.close()

    elsewhere = await asyncio.start_server(called, "127.0.0.1", 0)
    async with elsewhere, open_hub({WEIGHTS: DATA}) as hub:
        host, port = elsewhere.sockets[0].getsockname()[:2]
        hub.redirects_to = f"{scheme}://{host}:{port}/{tmp_path.name}"
        with pytest.raises(Broken, match="broke 5 times"):
            await fetched(hub, tmp_path)
    assert calls == []


def test_a_file_of_the_cache_is_held_to_its_name(tmp_path: Path) -> None:
    large, small = b"weights", b"a tokenizer"
    blobs = {
        hashlib.sha256(large).hexdigest(): large,
        hashlib.sha1(b"blob %d\0" % len(small) + small, usedforsecurity=False).hexdigest(): small,
    }
    for name, data in blobs.items():
        blob, link = tmp_path / name, tmp_path / f"link-{name[:4]}"
        blob.write_bytes(data)
        link.symlink_to(blob)
        assert why_damaged(link) == ""
        blob.write_bytes(data[:-1] + b"?")
        assert "other bytes" in why_damaged(link)
    (tmp_path / "weights.safetensors").write_bytes(b"any")
    assert why_damaged(tmp_path / "weights.safetensors") == ""


def answers(settings: ModelSettings, *, offline: bool) -> list[dict[str, Any]]:
    """What the process of a download would say, without what it says of its progress."""
    said: list[dict[str, Any]] = []
    cache_dir = None if settings.cache_dir is None else os.fspath(settings.cache_dir)
    given = {"name": settings.name, "pretrained": settings.pretrained, "cache_dir": cache_dir, "offline": offline}
    hub_download.answer(given, lambda **values: said.append(values))
    return [values for values in said if "progress" not in values]


def without_torch(folder: Path) -> Path:
    """A folder that makes a process end in which torch is imported."""
    (folder / "torch.py").write_text("raise SystemExit('torch was imported')")
    return folder


def open_clip_tokenizer(settings: ModelSettings) -> None:
    """Raises OSError where open_clip does not find it."""
    import open_clip

    open_clip.get_tokenizer(settings.name, cache_dir=str(settings.cache_dir))


@pytest.mark.xdist_group("torch")
async def test_a_killed_download_goes_on_without_torch_and_open_clip_finds_weights_and_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of it, in its own process, as `afterimage model download` asks for it."""
    told: list[str] = []
    settings = replace(MULTILINGUAL, cache_dir=tmp_path / "cache")
    repository = "timm/ViT-B-32-SigLIP2-256"
    write_tokenizer(tmp_path)
    tokenizer = {name: (tmp_path / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")}
    files = {f"{repository}/{name}": data for name, data in ({"open_clip_model.safetensors": DATA} | tokenizer).items()}
    async with open_hub(files) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        hub.holds_after = 2_000_000
        with monkeypatch.context() as changed:
            changed.syspath_prepend(without_torch(tmp_path))
            downloading = asyncio.create_task(download(settings, told.append))
            async with asyncio.timeout(100):
                await hub.held.wait()
                blobs = tmp_path / "cache" / f"models--{repository.replace('/', '--')}" / "blobs"
                part = blobs / f"{hashlib.sha256(DATA).hexdigest()}.afterimage.part"
                while not part.exists() or part.stat().st_size < 1_000_000:  # noqa: ASYNC110 -- of another process
                    await asyncio.sleep(0.02)
            downloading.cancel()
            await asyncio.wait([downloading])
            hub.holds_after = None
            found = await download(settings, told.append)
        assert hub.ranges[0] == "bytes=0-"
        assert int(hub.ranges[1].removeprefix("bytes=").removesuffix("-")) >= 1_000_000
        weights, *others = found.files
        assert found.damaged == ()
        assert weights.read_bytes() == DATA
        assert os.fspath(weights).endswith("open_clip_model.safetensors")
        assert {path.name: path.read_bytes() for path in others} == tokenizer
        assert any("of 3 MB" in line for line in told)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        await asyncio.to_thread(open_clip_tokenizer, settings)
        weights.resolve().write_bytes(DATA[:-1] + b"?")
        (done,) = await asyncio.to_thread(answers, settings, offline=True)  # it imports transformers
        assert done["done"]["files"] == [os.fspath(path) for path in found.files]
        (damage,) = done["done"]["damaged"]
        assert "other bytes" in damage
        (error,) = await asyncio.to_thread(answers, settings, offline=False)
        assert error == {"error": damage}


@pytest.mark.xdist_group("torch")
def test_what_a_download_knows_of_weights_and_tokenizers_is_what_open_clip_loads() -> None:
    import open_clip

    for name, tag in open_clip.list_pretrained():
        assert pretrained().get_pretrained_cfg(name, tag) == open_clip.get_pretrained_cfg(name, tag)
        assert architecture(name) == open_clip.get_model_config(name)
    assert pretrained()._has_safetensors is open_clip.pretrained._has_safetensors is True


@pytest.mark.parametrize(
    "settings",
    [
        ModelSettings(folder=EXPORT),
        ModelSettings(f"local-dir:{EXPORT}", ""),
        ModelSettings("afterimage-demo", str(DEMO_WEIGHTS)),
    ],
    ids=["folder", "local-dir", "checkpoint"],
)
async def test_a_model_that_lies_on_this_machine_is_not_looked_for_at_the_hub(settings: ModelSettings) -> None:
    """With model.folder set, the default model was downloaded: 1.5 GB that nothing uses."""
    with pytest.raises(NotDownloaded, match="nothing of it from the hub"):
        await download(settings, lambda _: None)


@pytest.mark.xdist_group("torch")
def test_without_a_hub_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (said,) = answers(ModelSettings(MODEL.name, MODEL.pretrained, cache_dir=tmp_path), offline=False)
    assert "refused" in said["error"]


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ('print(\'{"error": "the hub refused"}\', flush=True)', "^the hub refused$"),
        ("raise SystemExit('no room')", "ended with status 1: no room"),
    ],
)
async def test_what_the_process_says_of_a_failure_is_told(
    says: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_download.py").write_text(f"def main(arguments):\n    {says}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(download_module, "PROCESS", "failing_download")
    with pytest.raises(NotDownloaded, match=told):
        await download(MODEL, lambda _: None)
