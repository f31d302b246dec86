"""Every way to scan gives the same pictures in the same order, and none a row outside the filter."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, MessageId, UserId, ms_snowflake, snowflake_ms
from indexer.records.messages import PlaceFlag
from indexer.vectors import filter as filtering
from indexer.vectors import kernels as kernel_module
from indexer.vectors import scan, segment_writer
from indexer.vectors.columns import Floats, Ints, Part, as_vectors, score, slack
from indexer.vectors.filter import Picked, Run, compile_filter, plan, plans
from indexer.vectors.kernels import Kernels, load
from indexer.vectors.memtable import FrameListing, Memtable
from indexer.vectors.segment import Segment
from indexer.vectors.segment_writer import Listing, arrange
from tests.soak import example_count

DIMENSION = 16
SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def kernels() -> Kernels:
    loaded = load()
    assert loaded is not None
    return loaded


def unit_rows(rng: np.random.Generator, count: int, dimension: int = DIMENSION, *, distinct: int = 10**9) -> Floats:
    """Unit rows with a common direction; of `distinct` different ones only, the rest are equal to the last bit."""
    rows = rng.standard_normal((min(count, distinct), dimension)).astype(np.float32)
    rows[:, 0] += 1.5
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    chosen: Floats = rows[rng.integers(0, len(rows), count)] if distinct < count else rows
    return chosen


def as_bytes(rows: Floats) -> np.ndarray:
    return rows.astype("<f2").view(np.uint8)


def a_listing(rng: np.random.Generator, count: int, pictures: int) -> Listing:
    """`count` places of up to `pictures` pictures in 7 channels; some share a message."""
    message = np.array([ms_snowflake(1_600_000_000_000 + int(ms)) for ms in rng.integers(0, 10_000, count)], np.int64)
    return Listing(
        np.arange(1, count + 1),
        rng.integers(1, pictures + 1, count),
        rng.integers(100, 107, count),
        rng.zipf(1.5, count) % 5 + 500,
        message,
        rng.integers(0, 4, count),
    )


def a_filter(rng: np.random.Generator, listing: Listing) -> Filter:
    def maybe(value: object, share: float = 0.35) -> object:
        return value if rng.random() < share else None

    after = snowflake_ms(int(rng.choice(listing.message))) if rng.random() < 0.35 else None
    return Filter(
        frozenset(ChannelId(int(number)) for number in rng.choice(range(100, 109), rng.integers(1, 10), replace=False)),
        frozenset(UserId(int(number)) for number in rng.choice(range(500, 507), 2)) if maybe(1) else None,
        after,
        snowflake_ms(int(rng.choice(listing.message))) if rng.random() < 0.35 else None,
        PlaceFlag(int(rng.integers(4))) if maybe(1) else PlaceFlag(0),
        PlaceFlag(int(rng.integers(4))) if maybe(1) else PlaceFlag(0),
        MessageId(int(rng.choice(listing.message))) if maybe(1) else None,
    )


def inside(listing: Listing, allowed: Filter) -> Ints:
    """[n] which places the filter lets through, worked out place by place."""
    return np.array(
        [
            channel in allowed.channels
            and (allowed.authors is None or author in allowed.authors)
            and (allowed.after_ms is None or snowflake_ms(message) >= allowed.after_ms)
            and (allowed.before_ms is None or snowflake_ms(message) < allowed.before_ms)
            and flags & allowed.require == allowed.require
            and not flags & allowed.exclude
            and message != allowed.not_message
            for channel, author, message, flags in zip(
                listing.channel.tolist(), listing.author.tolist(), listing.message.tolist(), listing.flags.tolist(),
                strict=True,
            )
        ],
        np.bool_,
    )  # fmt: skip


Moving = tuple[Ints, Floats]  # further frames: the picture of each, ascending, and its vector
NOTHING_MOVES: Moving = (np.empty(0, np.int64), np.empty((0, DIMENSION), np.float32))


def sealed_part(path: Path, listing: Listing, vectors: Floats, moving: Moving = NOTHING_MOVES) -> Part:
    """`vectors` are by picture id."""
    shown = np.flatnonzero(np.isin(moving[0], listing.picture))
    record = segment_writer.write(
        path,
        arrange(listing).with_frames(shown, moving[0][shown]),
        vectors.shape[1],
        lambda ids: as_bytes(vectors[ids]),
        lambda: None,
        lambda ids: as_bytes(moving[1][ids]),
    )
    return Part(Segment(path, record, vectors.shape[1]))


def tail_part(listing: Listing, vectors: Floats, moving: Moving = NOTHING_MOVES) -> Part:
    tail = Memtable(vectors.shape[1])
    for at in np.array_split(np.arange(len(listing)), 3):
        shown = np.isin(moving[0], listing.picture[at])
        frames = FrameListing(moving[0][shown], as_bytes(moving[1][shown]))
        tail.add(listing.take(at), as_bytes(vectors[listing.picture[at]]), frames)
    return tail.part()


COSTS = {
    "as measured": {},
    "runs only": {"RUN_NS": 0},
    "bitmaps only": {"RUN_NS": 10**9, "STRETCH_ROW_NS": 0, "PICKED_ROW_NS": 10**6},
    "gathering only": {"RUN_NS": 10**9, "PICKED_ROW_NS": -(10**6)},
}


@pytest.mark.soak
@given(seed=SEED, count=st.integers(1, 300), costs=st.sampled_from(sorted(COSTS)), channels=st.sampled_from([0, 8]))
@settings(max_examples=example_count(150), deadline=None)
def test_a_plan_covers_exactly_the_vectors_that_the_filter_allows(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, costs: str, channels: int
) -> None:
    rng = np.random.default_rng(seed)
    listing = a_listing(rng, count, max(count // 2, 1))
    vectors = unit_rows(rng, count + 1)
    parts = [
        sealed_part(tmp_path_factory.mktemp("scan") / "one.segment", listing, vectors),
        tail_part(listing, vectors),
    ]
    dead = listing.place[rng.random(count) < rng.choice([0, 0.02, 0.5])]
    allowed = a_filter(rng, listing)
    want = inside(listing, allowed) & ~np.isin(listing.place, dead)
    for part in (part.without(part.block.place_rows(dead)) for part in parts):
        terms = compile_filter(part.block, allowed)
        if terms is None:
            assert not want.any()
            continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(filtering, "BISECTED_CHANNELS", channels)
            for name, value in COSTS[costs].items():
                patch.setattr(filtering, name, value)
            made = plan(part, terms)
        assert made.places == int(want.sum())
        rows = np.concatenate([_rows(piece) for piece in made.pieces] or [np.empty(0, np.int64)])
        assert len(set(rows.tolist())) == len(rows)
        assert set(part.block.pictures[rows].tolist()) == set(listing.picture[want].tolist())


def _rows(piece: filtering.Piece) -> Ints:
    if isinstance(piece, Run):
        return np.arange(piece.start, piece.stop)
    if isinstance(piece, Picked):
        return piece.rows
    assert piece.count == np.count_nonzero(piece.mask)
    return piece.start + np.flatnonzero(piece.mask)


PATHS: dict[str, dict[str, int]] = {
    "float16": {"FIRST_PASS_ROWS": 10**9},
    "bytes first": {"FIRST_PASS_ROWS": 1, "FIRST_PASS_SHARE": 0},
    "threads": {"THREADED_ROWS": 8, "FIRST_PASS_ROWS": 10**9},
    "bytes first, threads": {"THREADED_ROWS": 8, "FIRST_PASS_ROWS": 1, "FIRST_PASS_SHARE": 0},
    "all, then dropped": {"ALMOST_ALL": 0, "FIRST_PASS_ROWS": 10**9},
    "bytes of all, then dropped": {"ALMOST_ALL": 0, "FIRST_PASS_ROWS": 1, "FIRST_PASS_SHARE": 0},
    "bitmaps however full": {"ALMOST_ALL": 2},
    "gathered in bites": {"GATHER_ROWS": 7, "FIRST_PASS_ROWS": 40, "FIRST_PASS_SHARE": 1},
}


@pytest.mark.soak
@given(
    seed=SEED,
    count=st.integers(1, 1500),
    distinct=st.sampled_from([1, 3, 100, 10**6]),
    k=st.sampled_from([1, 5, 40]),
    path=st.sampled_from(sorted(PATHS)),
    costs=st.sampled_from(sorted(COSTS)),
    scattered=st.booleans(),
    moving_share=st.sampled_from([0.0, 0.1, 1.0]),
)
@settings(max_examples=example_count(200), deadline=None)
def test_every_path_finds_exactly_the_best_and_all_that_tie(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    count: int,
    distinct: int,
    k: int,
    path: str,
    costs: str,
    scattered: bool,
    moving_share: float,
) -> None:
    rng = np.random.default_rng(seed)
    listing = a_listing(rng, count, count)
    vectors = unit_rows(rng, count + 1, distinct=distinct)
    split = int(rng.integers(0, count + 1))
    owners = np.sort(rng.integers(1, count + 1, int(3 * count * moving_share)))
    moving = (owners, unit_rows(rng, len(owners), distinct=distinct) if len(owners) else NOTHING_MOVES[1])
    folder = tmp_path_factory.mktemp("scan")
    parts = [
        sealed_part(folder / "one.segment", listing.take(slice(0, split)), vectors, moving) if split else None,
        tail_part(listing.take(slice(split, None)), vectors, moving) if split < count else None,
    ]
    allowed = (
        a_filter(rng, listing) if scattered else Filter(frozenset(ChannelId(number) for number in range(100, 107)))
    )
    query = unit_rows(rng, 1)[0] if rng.random() < 0.5 else vectors[rng.integers(len(vectors))].copy()
    query *= np.float32(rng.choice([0.1, 1, 7]))
    pairs = [(part, terms) for part in parts if part and (terms := compile_filter(part.block, allowed))]
    loaded = load()
    assert loaded is not None
    with pytest.MonkeyPatch.context() as patch:
        for name, value in PATHS[path].items():
            patch.setattr(scan, name, value)
        for name, value in COSTS[costs].items():
            patch.setattr(filtering, name, value)
        top = scan.best(scan.Tools(loaded, 2), *plans(pairs), query, k, map)
    pictures = np.unique(listing.picture[inside(listing, allowed)])
    scores = score(as_bytes(vectors[pictures]), query) if len(pictures) else np.empty(0, np.float32)
    for picture, value in zip(moving[0], score(as_bytes(moving[1]), query), strict=True):
        at = np.flatnonzero(pictures == picture)
        scores[at] = np.maximum(scores[at], value)
    floor = np.sort(scores)[-k] if len(scores) >= k else -np.inf
    want = {(int(picture), float(value)) for picture, value in zip(pictures, scores, strict=True) if value >= floor}
    assert set(zip(top.pictures.tolist(), top.scores.tolist(), strict=True)) == want
    assert top.scores.tolist() == sorted(top.scores.tolist(), reverse=True)


@given(seed=SEED, count=st.integers(1, 200), dimension=st.sampled_from([1, 5, 8, 16, 17, 64, 512]))
@settings(max_examples=example_count(soak=80), deadline=None)
def test_a_row_scores_the_same_to_the_last_bit_in_any_company(seed: int, count: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    rows = as_bytes(unit_rows(rng, count, dimension))
    query = unit_rows(rng, 1, dimension)[0]
    together = score(rows, query)
    chosen = rng.permutation(count)[: max(count // 3, 1)]
    assert score(rows[chosen], query).tobytes() == together[chosen].tobytes()
    picture = int(chosen[0])
    assert score(rows[picture : picture + 1], query).tobytes() == together[picture : picture + 1].tobytes()
    shifted = np.empty(rows.nbytes + 81, np.uint8)
    shifted[81:] = rows.reshape(-1)
    assert score(shifted[81:].reshape(rows.shape), query).tobytes() == together.tobytes()


@given(
    seed=SEED,
    count=st.integers(1, 400),
    dimension=st.sampled_from([1, 5, 16, 17, 48, 512, 768]),
    length=st.floats(0.01, 30),
)
@settings(max_examples=example_count(soak=80), deadline=None)
def test_no_approximate_score_is_further_off_than_its_bound(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, dimension: int, length: float
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit_rows(rng, count + 1, dimension)
    if rng.random() < 0.5:  # a dimension that towers over the others, as CLIP's do
        vectors[:, -1] += 3
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    listing = Listing(*(np.arange(1, count + 1) for _ in range(6)))
    block = sealed_part(tmp_path_factory.mktemp("scan") / "one.segment", listing, vectors).block
    loaded = load()
    assert loaded is not None
    assert block.codes is not None
    query = unit_rows(rng, 1, dimension)[0] * np.float32(length)
    true = as_vectors(block.vectors).astype(np.float64) @ query.astype(np.float64)
    bound = slack(dimension, float(np.linalg.norm(query)))
    assert np.abs(score(block.vectors, query) - true).max() <= bound
    scores, rows = loaded.half(block.vectors, query, count)
    assert len(rows) == count
    assert np.abs(scores - true[rows]).max() <= bound
    scores, rows, error = loaded.first_pass(block.codes, block.codes.bytes, query, count)
    assert len(rows) == count
    assert np.abs(scores - true[rows]).max() <= error


def test_a_mask_keeps_faiss_from_every_other_row(kernels: Kernels) -> None:
    rng = np.random.default_rng(1)
    rows = as_bytes(unit_rows(rng, 500))
    for share in (0, 0.01, 0.5, 1):
        mask = rng.random(500) < share
        _, found = kernels.half(rows, unit_rows(rng, 1)[0], 500, mask)
        assert sorted(found.tolist()) == np.flatnonzero(mask).tolist()


def test_rows_that_a_damaged_file_turned_into_nonsense_are_no_answer(kernels: Kernels, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    vectors = unit_rows(rng, 40).astype(np.float16)
    vectors[7], vectors[9, 3] = np.nan, np.inf
    listing = a_listing(rng, 39, 10**6)
    listing = Listing(listing.place, np.arange(1, 40), *(getattr(listing, name) for name in Listing.__slots__[2:]))
    tail = Memtable(DIMENSION)
    tail.add(listing, vectors[1:].view(np.uint8))
    part = tail.part()
    terms = compile_filter(part.block, Filter(frozenset(ChannelId(number) for number in range(100, 107))))
    assert terms is not None
    top = scan.best(scan.Tools(kernels), [part.block], [plan(part, terms)], unit_rows(rng, 1)[0], 100, map)
    assert sorted(top.pictures.tolist()) == sorted(set(range(1, 40)) - {7, 9})


def test_nothing_to_scan_is_nothing_found(kernels: Kernels) -> None:
    top = scan.best(scan.Tools(kernels), [], [], np.ones(4, np.float32), 3, map)
    assert len(top.pictures) == len(top.scores) == len(top.rows) == 0


@pytest.mark.parametrize("scan_of", ["half", "first_pass"])
def test_a_faiss_that_scans_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch, scan_of: str) -> None:
    assert kernel_module._load() is not None
    right = getattr(Kernels, scan_of)

    def wrong(*args: Any) -> Any:
        scores, *rest = right(*args)
        return scores[::-1] + 1, *rest

    monkeypatch.setattr(Kernels, scan_of, wrong)
    assert kernel_module._load() is None


def test_a_faiss_without_views_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", types.ModuleType("faiss"))
    assert kernel_module._load() is None


def test_loading_faiss_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    kernel_module._load()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    monkeypatch.delenv("OMP_NUM_THREADS")
    kernel_module._load()
    assert "OMP_NUM_THREADS" not in os.environ
