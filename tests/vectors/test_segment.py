"""One sealed segment: FAISS's own format, truly mapped, and whatever is wrong with the file is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.vectors import segment_writer
from indexer.vectors.columns import Bytes, as_vectors
from indexer.vectors.segment import HEADER_BYTES, Damaged, Record, Segment, header
from indexer.vectors.segment_writer import Listing, Long, arrange
from tests.soak import example_count
from tests.worlds.index_world import unit


def listing(rng: np.random.Generator, places: int, pictures: int, top: int = 2**40) -> Listing:
    return Listing(
        rng.permutation(places) + rng.integers(1, top + 1),
        rng.integers(1, pictures + 1, places) + top,
        rng.integers(10**17, 10**17 + 5, places),
        rng.integers(10**18, 10**18 + 70_000, places),
        np.sort(rng.integers(10**18, 2 * 10**18, places)),
        rng.integers(0, 64, places),
    )


def vectors_of(pictures: Long, dimension: int) -> Bytes:
    """A vector that its picture id determines."""
    rows = [np.random.default_rng(int(picture)).standard_normal(dimension).astype("<f2") for picture in pictures]
    return np.array(rows, "<f2").reshape(len(rows), dimension).view(np.uint8)


def sealed(path: Path, places: Listing, dimension: int) -> Record:
    return segment_writer.write(path, arrange(places), dimension, lambda ids: vectors_of(ids, dimension), lambda: None)


@given(
    seed=st.integers(0, 2**32 - 1),
    places=st.integers(1, 60),
    pictures=st.integers(1, 60),
    dimension=st.sampled_from([1, 3, 8, 16, 33]),
    top=st.sampled_from([1, 2**20, 2**40]),
)
@settings(max_examples=example_count(soak=60), deadline=None)
def test_a_segment_gives_back_exactly_what_was_sealed(
    tmp_path_factory: pytest.TempPathFactory, seed: int, places: int, pictures: int, dimension: int, top: int
) -> None:
    path = tmp_path_factory.mktemp("segment") / "one.segment"
    given_places = listing(np.random.default_rng(seed), places, pictures, top)
    record = sealed(path, given_places, dimension)
    segment = Segment(path, record, dimension)
    assert segment.verify(lambda: False)
    assert record.places == places
    assert record.byte_count == path.stat().st_size
    want = {
        tuple(row) for row in zip(*(getattr(given_places, name).tolist() for name in Listing.__slots__), strict=True)
    }
    got = set()
    for rows, owner in ((segment.primary, np.arange(record.vectors)), (segment.extra, segment.owner)):
        got |= set(
            zip(
                rows.place.tolist(),
                segment.pictures[owner].tolist(),
                segment.channels.ids(rows.channel).tolist(),
                segment.authors.ids(rows.author).tolist(),
                rows.message.tolist(),
                rows.flags.tolist(),
                strict=True,
            )
        )
    assert got == want
    assert (segment.vectors == vectors_of(segment.pictures.astype(np.int64), dimension)).all()
    order = list(zip(segment.primary.channel.tolist(), segment.primary.message.tolist(), strict=True))
    assert order == sorted(order)
    assert len(set(segment.pictures.tolist())) == record.vectors
    asked = np.concatenate([segment.pictures.astype(np.int64), [0, -5, 2**62]])
    assert segment.vector_rows(asked).tolist() == [*range(record.vectors), -1, -1, -1]
    all_places = np.concatenate([segment.primary.place, segment.extra.place]).astype(np.int64)
    assert segment.place_rows(all_places).tolist() == list(range(places))
    extras, which = segment.extras_of(np.arange(record.vectors)[::-1])
    assert sorted(extras.tolist()) == list(range(len(segment.owner)))
    assert (segment.owner[extras] == record.vectors - 1 - which).all()


@given(seed=st.integers(0, 2**32 - 1), dimension=st.sampled_from([2, 16, 100, 512]))
@settings(max_examples=example_count(soak=20), deadline=None)
def test_codes_are_as_near_to_the_vectors_as_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int, dimension: int
) -> None:
    path = tmp_path_factory.mktemp("segment") / "one.segment"
    segment = Segment(path, sealed(path, listing(np.random.default_rng(seed), 50, 50), dimension), dimension)
    codes = segment.codes
    assert codes is not None
    steps = codes.bytes.astype(np.float64) - 128
    assert np.abs(steps).max() <= 127
    assert np.linalg.norm(steps, axis=1).max() <= codes.reach
    distance = as_vectors(segment.vectors).astype(np.float64) - codes.centre - steps * codes.step
    assert np.linalg.norm(distance, axis=1).max() <= codes.residual


def test_the_file_begins_with_what_faiss_itself_writes(tmp_path: Path) -> None:
    dimension, count = 24, 37
    path = tmp_path / "one.segment"
    record = sealed(path, listing(np.random.default_rng(1), count, 10**6), dimension)
    ours = Segment(path, record, dimension)
    theirs = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    theirs.add(as_vectors(ours.vectors))
    faiss.write_index(theirs, str(tmp_path / "faiss"))
    written = (tmp_path / "faiss").read_bytes()
    assert path.read_bytes()[: len(written)] == written
    assert header(count, dimension) == written[:HEADER_BYTES]


def test_faiss_maps_the_file_and_finds_the_same(tmp_path: Path) -> None:
    dimension = 32
    path = tmp_path / "one.segment"
    segment = Segment(path, sealed(path, listing(np.random.default_rng(2), 300, 10**6), dimension), dimension)
    mapped = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    query = unit(np.random.default_rng(3), 1, dimension)
    _, rows = mapped.search(query, 5)
    assert rows[0].tolist() == np.argsort(-(as_vectors(segment.vectors) @ query[0]))[:5].tolist()


SMAPS = """
import os, re, sys
import numpy as np, faiss
from pathlib import Path
from indexer.vectors.kernels import load
from indexer.vectors.segment import Record, Segment
def anonymous():
    return int(re.search(r"^Anonymous:\\s+(\\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.M).group(1))
path, *numbers, dimension = sys.argv[1:]
kernels = load()
kernels.half(np.zeros((9, 2 * int(dimension)), np.uint8), np.ones(int(dimension), np.float32), 3)  # what it costs once
before = anonymous()
segment = Segment(Path(path), Record(1, "one", *map(int, numbers)), int(dimension))
for _ in range(3):
    kernels.half(segment.vectors, np.ones(int(dimension), np.float32), 20)
    kernels.first_pass(segment.codes, segment.codes.bytes, np.ones(int(dimension), np.float32), 20)
assert segment.verify(lambda: False)
print(anonymous() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel's own account of memory")
def test_an_opened_segment_is_mapped_and_not_loaded(tmp_path: Path) -> None:
    dimension, count = 256, 40_000
    path = tmp_path / "one.segment"
    rng = np.random.default_rng(4)
    rows = rng.integers(0, 100, (count, 2 * dimension), np.uint8)
    places = listing(rng, count, 2**50)
    record = segment_writer.write(path, arrange(places), dimension, lambda ids: rows[: len(ids)], lambda: None)
    assert record.byte_count > 30_000_000
    numbers = (record.vectors, record.places, record.byte_count, record.table_crc, record.vectors_crc)
    ran = subprocess.run(
        [sys.executable, "-c", SMAPS, str(path), *map(str, numbers), str(dimension)],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert int(ran.stdout) < 3_000  # kB of 30 MB


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    dimension = 8
    path = tmp_path / "one.segment"
    record = sealed(path, listing(np.random.default_rng(5), 12, 9), dimension)
    clean = path.read_bytes()
    for position in range(len(clean)):
        flipped = bytearray(clean)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            sound = Segment(path, record, dimension).verify(lambda: False)
        except Damaged:
            sound = False
        assert not sound, position


@pytest.mark.parametrize("length", [0, 1, 15, 80, 81, 97, 500, -1])
def test_a_cut_file_is_noticed(tmp_path: Path, length: int) -> None:
    path = tmp_path / "one.segment"
    record = sealed(path, listing(np.random.default_rng(6), 12, 9), 8)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(Damaged, match="bytes instead of"):
        Segment(path, record, 8)


def test_a_missing_file_a_folder_and_a_longer_file_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.segment"
    record = sealed(path, listing(np.random.default_rng(7), 12, 9), 8)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(Damaged, match="bytes instead of"):
        Segment(path, record, 8)
    path.unlink()
    with pytest.raises(Damaged, match="No such file"):
        Segment(path, record, 8)
    path.mkdir()
    with pytest.raises(Damaged):
        Segment(path, record, 8)


def test_a_file_of_another_dimension_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.segment"
    record = sealed(path, listing(np.random.default_rng(8), 12, 9), 8)
    with pytest.raises(Damaged):
        Segment(path, record, 4)
