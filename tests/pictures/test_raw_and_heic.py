"""HEIC and camera raw files, in real locked-down workers: what they show, which way up, and what is wrong with some."""

from __future__ import annotations

import asyncio
import io
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.archives.exif import read_exif
from indexer.errors import Reason, Rejected
from indexer.hit_pictures import HitPictures, Shown
from indexer.pictures import extras
from indexer.pictures.decode_pool import Pool, PoolSettings
from indexer.pictures.decode_process import WorkerSettings
from indexer.pictures.extras import HEIC, RAW, Extra, installed, readers_version
from indexer.pictures.file_type import picture_format
from indexer.pictures.lockdown.seccomp import filter_program
from indexer.pictures.raw_type import raw_format
from indexer.records.ids import ChannelId, MessageId
from indexer.records.pictures import DecodedPicture, PixelSpec
from tests.worlds.picture_files import encoded, scene
from tests.worlds.raw_files import dng
from tests.worlds.waiting import DEADLINE_S

needs_heic = pytest.mark.skipif(not installed(HEIC), reason="pip install 'afterimage[heic]'")
needs_raw = pytest.mark.skipif(not installed(RAW), reason="pip install 'afterimage[raw]'")

SCENE = scene(600, 400)
WORKER = WorkerSettings(PixelSpec(64), 10_000_000, 1, 256 * 1024**2, nice=0)


def heic(turned: int = 1) -> bytes:
    """`turned`: as phones write it, an EXIF orientation that the decoder applies itself."""
    import pillow_heif

    picture = pillow_heif.from_pillow(SCENE)
    picture.info["original_orientation"] = turned
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Phone 7", turned
    picture.info["exif"] = exif.tobytes()
    picture.save(file, quality=85)
    return file.getvalue()


def decoded(*files: bytes, worker: WorkerSettings = WORKER) -> list[DecodedPicture | Rejected]:
    """What comes of each, one after the other in one worker."""

    async def all_of_them() -> list[DecodedPicture | Rejected]:
        pool = Pool(PoolSettings(worker, 1, 20.0, 60.0, 10))
        found: list[DecodedPicture | Rejected] = []
        try:
            for data in files:
                try:
                    found.append(await pool.decode(data, thumbnail=True))
                except Rejected as error:
                    found.append(error)
        finally:
            await pool.close()
        return found

    return asyncio.run(all_of_them())


def apart(picture: DecodedPicture | Rejected, shown: Image.Image) -> float:
    """Mean absolute difference of a thumbnail to what it should show, 0–255; the brightness of both is the same."""
    assert isinstance(picture, DecodedPicture)
    assert picture.thumbnail is not None
    size = picture.thumbnail.shape[1], picture.thumbnail.shape[0]
    first = picture.thumbnail.astype(float)
    other = np.asarray(shown.resize(size, Image.Resampling.BOX), float)
    return float(np.abs((first - first.mean()) / first.std() - (other - other.mean()) / other.std()).mean())


@needs_raw
def test_raw_files_are_shown_by_their_preview_or_developed() -> None:
    upright = SCENE.transpose(Image.Transpose.ROTATE_270)
    red = Image.new("RGB", (600, 400), (200, 20, 20))
    plain, turned, previewed, small = decoded(
        dng(SCENE),
        dng(SCENE, orientation=6),
        dng(red, orientation=6, preview=SCENE),
        dng(SCENE, preview=red.resize((90, 60))),
    )
    for picture, shown in ((plain, SCENE), (turned, upright), (previewed, upright), (small, SCENE)):
        assert apart(picture, shown) < 0.3
        assert isinstance(picture, DecodedPicture)
        assert (picture.format, (picture.width, picture.height)) == ("DNG", shown.size)
        assert picture.frames[0].shape == (64, 64, 3)


@needs_raw
def test_a_raw_file_that_is_broken_is_rejected_and_the_next_one_is_read() -> None:
    whole = dng(SCENE, preview=SCENE.resize((90, 60)))
    wide = dng(SCENE).replace(struct.pack("<HHII", 256, 4, 1, 600), struct.pack("<HHII", 256, 4, 1, 60_000))
    cut, header, large, nothing, good = decoded(whole[: len(whole) // 2], whole[:600], wide, whole[:9], whole)
    for found in (cut, header, large, nothing):
        assert isinstance(found, Rejected), found
        assert found.reason in (Reason.TRUNCATED, Reason.CORRUPT, Reason.TOO_MANY_PIXELS)
    assert isinstance(good, DecodedPicture)


@needs_raw
def test_a_raw_file_stays_within_the_memory_of_its_worker() -> None:
    (found,) = decoded(dng(scene(2_400, 1_800)), worker=replace(WORKER, memory_bytes=16 * 1024**2))
    assert isinstance(found, Rejected)
    assert found.reason is Reason.TOO_MUCH_MEMORY


async def test_one_raw_file_at_a_time_is_in_memory_for_those_who_look() -> None:
    pictures = HitPictures(1_000)
    raw, other = [Shown(ChannelId(1), MessageId(2), "", f"/photos/a.{suffix}") for suffix in ("DNG", "png")]
    async with pictures.room(raw), pictures.room(other), pictures.room(other):
        waiting = asyncio.create_task(pictures.room(raw).__aenter__())
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
    await waiting


@needs_heic
def test_heic_files_are_shown_upright() -> None:
    plain, turned, cut = decoded(heic(), heic(6), heic()[:-2_000])
    assert apart(plain, SCENE) < 0.1
    assert isinstance(plain, DecodedPicture)
    assert (plain.format, plain.width, plain.height) == ("HEIC", 600, 400)
    assert isinstance(turned, DecodedPicture)
    assert isinstance(cut, Rejected)
    assert cut.reason in (Reason.TRUNCATED, Reason.CORRUPT)


@needs_heic
def test_heic_files_say_what_took_them() -> None:
    assert read_exif(io.BytesIO(heic())).camera == "Phone 7"


def test_raw_files_say_what_took_them_and_when() -> None:
    found = read_exif(io.BytesIO(dng(SCENE, make="Leica", taken="2020:02:03 04:05:06", orientation=6)))
    assert (found.camera, found.orientation) == ("Leica One", 6)
    assert found.taken_ms is not None


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    installed.cache_clear()
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    yield
    installed.cache_clear()


@pytest.mark.usefixtures("without_extras")
def test_without_its_extra_a_file_is_rejected_with_the_extras_name() -> None:
    box = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    for data, reason, extra in ((dng(SCENE), Reason.NEEDS_RAW, RAW), (box, Reason.NEEDS_HEIC, HEIC)):
        with pytest.raises(Rejected, match=rf"afterimage\[{extra.name}\]") as caught:
            picture_format(data)
        assert caught.value.reason is reason
    assert readers_version(1) == 1


def test_an_added_extra_is_another_version_of_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = set()
    for there in ((), (HEIC,), (RAW,), (HEIC, RAW)):

        def has(extra: Extra, there: tuple[Extra, ...] = there) -> bool:
            return extra in there

        monkeypatch.setattr(extras, "installed", has)
        versions.add(readers_version(1))
    assert len(versions) == 4


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (dng(SCENE), "DNG"),
        (dng(SCENE, dng_tags=False, make="NIKON CORPORATION", preview=SCENE), "NEF"),
        (dng(SCENE, dng_tags=False, make="SONY", preview=SCENE), "ARW"),
        (dng(SCENE, dng_tags=False, make="SONY"), "ARW"),
        (b"II\x2a\0\x10\0\0\0CR\x02\0", "CR2"),
        (encoded(SCENE, "TIFF"), None),
        (encoded(SCENE, "TIFF", tiffinfo={271: "SONY"}), None),
        (b"MM\0\x2a" + bytes(8), None),
        (b"II\x2a\0\xff\xff\xff\xff", None),
    ],
)
def test_raw_files_are_known_by_what_they_say(data: bytes, found: str | None) -> None:
    assert raw_format(data) == found


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_threads_are_allowed_only_where_they_are_asked_for(machine: str) -> None:
    assert len(filter_program(machine, threads=True)) == len(filter_program(machine)) + 2 * 8


_TRIES = """
import json, os, threading
from indexer.pictures.lockdown import seccomp
from indexer.platforms.linux import PR_SET_NO_NEW_PRIVS, prctl
prctl(PR_SET_NO_NEW_PRIVS, 1)
seccomp.enforce(threads=True)
thread = threading.Thread(target=int)
thread.start()
thread.join()
try:
    os.fork()
except OSError as error:
    os.write(1, str(error.errno).encode())
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the lock-down of processes is Linux's")
def test_a_worker_that_may_start_threads_can_start_no_process() -> None:
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", _TRIES], capture_output=True, cwd=root, timeout=DEADLINE_S, check=False)
    assert (run.stdout, run.stderr) == (b"1", b"")
