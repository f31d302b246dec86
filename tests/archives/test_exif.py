"""What files say of themselves, and what nonsense in them does: nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.archives.exif import read_exif
from indexer.records.exif import EARTH_KM, Exif, Near, Position
from tests.soak import example_count
from tests.worlds.photographs import CAPE_TOWN, MUNICH, photograph
from tests.worlds.picture_files import picture

SAID: dict[str, Any] = {
    "taken": "2011:08:02 14:03:09",
    "offset": "+02:00",
    "make": "Canon",
    "model": "Canon EOS 5D Mark II",
    "lens": "EF50mm f/1.8 II",
    "place": CAPE_TOWN,
    "orientation": 6,
}
TAKEN_MS = 1_312_286_589_000  # 12:03:09 UTC


def of(data: bytes) -> Exif:
    return read_exif(BytesIO(data))


@pytest.fixture
def in_nepal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if sys.platform != "win32":
        monkeypatch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
        monkeypatch.undo()
        time.tzset()
    else:
        pytest.skip("a process cannot change its time zone there")


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_says_the_same(picture_format: str) -> None:
    found = of(photograph(1, picture_format, **SAID))
    assert (found.taken_ms, found.camera, found.lens) == (TAKEN_MS, "Canon EOS 5D Mark II", "EF50mm f/1.8 II")
    # AVIF turns its picture by a property of its own.
    assert found.orientation == (1 if picture_format == "AVIF" else 6)
    assert found.position is not None
    assert (found.position.latitude, found.position.longitude) == pytest.approx(CAPE_TOWN, abs=1e-4)


def test_a_time_without_an_offset_is_local_time(in_nepal: None) -> None:
    assert of(photograph(1, taken="2011:08:02 17:48:09")).taken_ms == TAKEN_MS


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", ""])
def test_a_clock_that_was_never_set_says_nothing(taken: str) -> None:
    assert of(photograph(1, taken=taken)).taken_ms is None


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D850", "NIKON D850"),
        ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        ("", "Hipstamatic", "Hipstamatic"),
        ("", "", ""),
    ],
)
def test_a_camera_is_named_as_people_name_it(make: str, model: str, camera: str) -> None:
    assert of(photograph(1, make=make, model=model)).camera == camera


def test_a_place_that_is_all_zeros_is_none() -> None:
    assert of(photograph(1, place=(0.0, 0.0))).position is None


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"II\x2a\x00", b"not a picture at all", picture(1)])
def test_a_file_without_exif_says_nothing(data: bytes) -> None:
    assert of(data) == Exif()


@cache
def whole_files() -> list[bytes]:
    return [photograph(1, picture_format, **SAID) for picture_format in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]


@given(st.data())
@settings(max_examples=example_count(soak=450), deadline=None)
def test_damaged_files_never_raise(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(whole_files())))
    places = st.integers(0, min(len(whole), 900) - 1)
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        whole[at] = value
    cut = data.draw(st.integers(0, len(whole)))
    found = of(bytes(whole[: cut or len(whole)]))
    assert found.position is None or abs(found.position.latitude) <= 90


def test_distances_are_those_of_the_earth() -> None:
    munich, cape_town = Position(*MUNICH), Position(*CAPE_TOWN)
    apart = sum((a - b) ** 2 for a, b in zip(munich.vector, cape_town.vector, strict=True)) ** 0.5
    assert Near(munich, 9_140).chord < apart < Near(munich, 9_180).chord  # 9,160 km by the great circle
    across = Position(10.0, 179.999), Position(10.0, -179.999)
    near = sum((a - b) ** 2 for a, b in zip(across[0].vector, across[1].vector, strict=True)) ** 0.5
    assert near < Near(across[0], 0.3).chord
    assert Near(munich, 4 * EARTH_KM).chord == pytest.approx(2.0)
