"""What costs too much is found before it is decoded, and what is sound beside its pixels costs no picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.errors import Reason, Rejected
from indexer.pictures import decode_cost, decode_memory
from indexer.pictures.decode_cost import jpeg_scans
from indexer.pictures.decode_memory import machine_memory, picture_memory, worker_memory
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.records.pictures import DecodedPicture, PixelSpec
from tests.worlds.picture_files import (
    KINDS,
    encoded,
    jpeg_of_scans,
    moving,
    png_chunk,
    png_header,
    png_with,
    scene,
)

SPEC = PixelSpec(64)
MIB = 1024**2


def decoded(data: bytes, memory_bytes: int = 512 * MIB) -> DecodedPicture:
    return decode_picture(data, SPEC, Limits(10**8, memory_bytes))


def reason_of(data: bytes, memory_bytes: int = 512 * MIB) -> Reason:
    with pytest.raises(Rejected) as caught:
        decoded(data, memory_bytes)
    return caught.value.reason


def same_as(data: bytes, sound: bytes) -> bool:
    return np.array_equal(decoded(data).frames[0], decoded(sound).frames[0])


def test_scans_are_counted_as_they_are_written() -> None:
    assert jpeg_scans(KINDS["jpeg"]) == 1
    assert jpeg_scans(KINDS["jpeg progressive"]) == 10
    assert jpeg_scans(jpeg_of_scans(50)) == 60
    with_thumbnail = encoded(scene(), "JPEG", exif=b"Exif\x00\x00" + KINDS["jpeg"][:8000])
    assert jpeg_scans(with_thumbnail) == 1


def test_a_jpeg_of_repeated_scans_is_refused_before_it_is_decoded() -> None:
    assert decoded(jpeg_of_scans(20)).width == 640
    assert reason_of(jpeg_of_scans(2000)) is Reason.TOO_MANY_PARTS


def test_scans_count_by_the_pixels_they_go_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_cost, "_MAX_SCAN_PIXELS", 640 * 640 * 30)
    assert decoded(jpeg_of_scans(20)).width == 640
    assert reason_of(jpeg_of_scans(21)) is Reason.TOO_MANY_PARTS


def test_a_jpeg_of_countless_segments_is_refused() -> None:
    jpeg = KINDS["jpeg"]
    assert reason_of(jpeg[:2] + b"\xff\xe5\x00\x02" * 20_000 + jpeg[2:]) is Reason.TOO_MANY_PARTS


@pytest.mark.parametrize("picture_format", ["GIF", "WEBP", "PNG"])
def test_an_animation_of_too_many_frames_is_refused_before_it_is_decoded(
    picture_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = moving([scene(40, 30, seed) for seed in range(12)], picture_format)
    monkeypatch.setattr(decode_cost, "_MAX_FRAMES", 12)
    assert decoded(data).frame_count == 12
    monkeypatch.setattr(decode_cost, "_MAX_FRAMES", 11)
    assert reason_of(data) is Reason.TOO_MANY_PARTS


def test_a_picture_of_one_column_is_refused_for_its_memory() -> None:
    """1 × 100,000,000 pixels took 1.7 GB: every row of Pillow's is a block of its own with a pointer to it."""
    assert reason_of(png_header(1, 100_000_000)) is Reason.TOO_MUCH_MEMORY
    assert picture_memory("PNG", "RGB", 1, 100_000_000) > 1024 * MIB
    assert picture_memory("PNG", "RGB", 10_000, 10_000) < 448 * MIB


def test_a_progressive_jpeg_is_counted_whole_though_it_is_decoded_small() -> None:
    data = encoded(scene(3000, 2000), "JPEG", progressive=True)
    assert decoded(data, 64 * MIB).width == 3000
    assert reason_of(data, 32 * MIB) is Reason.TOO_MUCH_MEMORY
    assert decoded(encoded(scene(3000, 2000), "JPEG"), 32 * MIB).width == 3000


def test_all_workers_together_stay_within_a_quarter_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine in (8, 16, 64):
        monkeypatch.setattr(decode_memory, "machine_memory", lambda machine=machine: machine * 1024**3)
        for processes in (3, 4, 6):
            assert worker_memory(processes) * processes <= machine * 1024**3 / 4
    assert worker_memory(3) == 2 * 1024**3


def test_a_container_s_limit_is_the_machine_s_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = machine_memory()
    assert whole > 256 * MIB
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(decode_memory, "_limit_files", lambda: iter([tmp_path / "memory.max", tmp_path / "none"]))
    assert machine_memory() >= whole
    (tmp_path / "memory.max").write_text(f"{256 * MIB}\n")
    assert machine_memory() == 256 * MIB


# Broken beside the pixels


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt"])
def test_a_png_with_megabytes_of_text_is_a_picture(kind: bytes) -> None:
    text = zlib.compress(b"<mxfile/>" * 400_000)
    body = {
        b"zTXt": b"mxfile\x00\x00" + text,
        b"iTXt": b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + text,
        b"tEXt": b"mxfile\x00" + b"x" * 3_000_000,
    }[kind]
    assert same_as(png_with(png_chunk(kind, body)), encoded(scene(), "PNG"))


def test_a_png_keeps_its_own_name_and_size() -> None:
    data = png_with(png_chunk(b"tEXt", b"a\x00b"))
    picture = decoded(data)
    assert picture.byte_count == len(data)
    assert picture.sha256 != decoded(encoded(scene(), "PNG")).sha256


def test_a_png_with_a_colour_profile_that_unpacks_to_megabytes_is_a_picture() -> None:
    for length in (2 * MIB, 64 * MIB):
        profile = png_chunk(b"iCCP", b"x\x00\x00" + zlib.compress(bytes(length)))
        assert same_as(png_with(profile), encoded(scene(), "PNG"))


@pytest.mark.parametrize("kind", [b"eXIf", b"iCCP", b"gAMA", b"tIME", b"tEXt"])
def test_a_wrong_checksum_beside_the_pixels_costs_nothing(kind: bytes) -> None:
    broken = png_chunk(kind, b"MM\x00*\x00\x00\x00\x08\x00\x00", sound=False)
    assert same_as(png_with(broken), encoded(scene(), "PNG"))
    behind = encoded(scene(), "PNG")
    assert same_as(behind[:-12] + broken + behind[-12:], behind)


def test_a_wrong_checksum_of_what_is_seen_is_damage() -> None:
    data = encoded(scene(), "PNG")
    assert reason_of(data[:29] + b"\x00\x00\x00\x00" + data[33:]) is Reason.CORRUPT


def test_the_way_a_png_lies_and_what_is_transparent_in_it_are_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(scene(), "PNG", exif=exif)
    assert (decoded(turned[:33] + png_chunk(b"tEXt", b"a\x00b") + turned[33:]).width) == 480
    clear = encoded(Image.new("P", (80, 80)), "PNG", transparency=0)
    assert decoded(clear[:33] + png_chunk(b"tEXt", b"a\x00b") + clear[33:]).frames[0].min() == 255


@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk"])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_last_bytes_is_a_picture(kind: str, missing: int) -> None:
    data = KINDS[kind]
    assert data.endswith(b"\xff\xd9")
    picture = decoded(data[:-missing])
    assert np.array_equal(picture.frames[0], decoded(data).frames[0])
    assert picture.byte_count == len(data) - missing


@pytest.mark.parametrize("kind", ["jpeg", "jpeg progressive", "jpeg grey"])
@pytest.mark.parametrize("missing", [40, 400, 4000])
def test_a_jpeg_without_some_of_its_pixels_is_none(kind: str, missing: int) -> None:
    assert reason_of(KINDS[kind][:-missing]) is Reason.TRUNCATED


def test_a_png_of_countless_chunks_is_refused() -> None:
    countless = png_with(png_chunk(b"tEXt", b"") * 100_001)
    assert reason_of(countless) is Reason.TOO_MANY_PARTS
    assert struct.unpack(">I", countless[8:12]) == (13,)
