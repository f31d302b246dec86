"""The file of thumbnails: bounded, forgetful to the byte, and never worth more than making it anew."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.database.derived_file import CannotWrite, DerivedFile, FileStatus
from indexer.thumbnails.thumbnail_file import FILE_NAME, thumbnail_file

ROOM = 1_000_000


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[DerivedFile]:
    with closing(thumbnail_file(tmp_path, ROOM)) as file:
        yield file


def thumbnails(first: int, count: int, size: int = 9_000) -> dict[bytes, bytes]:
    """Bytes that nothing else has."""
    return {
        number.to_bytes(32, "big"): random.Random(number).randbytes(size + number % 700)
        for number in range(first, first + count)
    }


def left_of(folder: Path, made: dict[bytes, bytes]) -> list[bytes]:
    """Those of which any part is still in a file of the folder."""
    content = b"\0".join(path.read_bytes() for path in sorted(folder.iterdir()))
    return [
        key for key, data in made.items() if any(data[at : at + 16] in content for at in range(0, len(data) - 16, 64))
    ]


def test_what_was_put_is_there_after_the_file_was_closed(kept: DerivedFile, tmp_path: Path) -> None:
    made = thumbnails(0, 3)
    kept.put(made, 7)
    kept.close()
    assert kept.get([*made, b"x" * 32]) == made
    (first, *_) = made
    kept.put({first: b"another"}, 9)
    assert (kept.get([first]), kept.has(first), kept.has(b"x" * 32)) == ({first: b"another"}, True, False)
    assert kept.status().count == 3
    assert kept.status().oldest_ms == 7
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_nothing_makes_a_file_but_a_thumbnail(kept: DerivedFile, tmp_path: Path) -> None:
    assert (kept.get([b"x" * 32]), kept.digests(), kept.clear(None), kept.purge()) == ({}, [], 0, True)
    assert kept.status() == FileStatus(0, 0, None)
    assert kept.check() is None
    assert list(tmp_path.iterdir()) == []


def test_the_room_is_bounded_and_the_oldest_go_first(kept: DerivedFile) -> None:
    for first in range(0, 400, 8):
        kept.put(thumbnails(first, 8), first)
    numbers = sorted(int.from_bytes(key, "big") for key in kept.digests())
    assert numbers == list(range(numbers[0], 400))
    assert 60 < len(numbers) < 110
    assert kept.purge()  # the log is empty after it
    assert kept.status().bytes <= ROOM


def test_a_smaller_bound_gives_room_back(tmp_path: Path, kept: DerivedFile) -> None:
    kept.put(thumbnails(0, 80), 1)
    kept.close()
    with closing(thumbnail_file(tmp_path, ROOM // 4)) as smaller:
        assert smaller.purge()
        assert 0 < smaller.status().bytes <= ROOM // 4
        assert thumbnails(79, 1).keys() <= set(smaller.digests())


def test_a_deleted_one_leaves_no_byte(kept: DerivedFile, tmp_path: Path) -> None:
    """Rows of all sizes, written and deleted in turns, so that SQLite moves them between its pages."""
    gone: dict[bytes, bytes] = {}
    for round_ in range(6):
        for size in (40, 700, 3_000, 6_000):
            kept.put(thumbnails(10_000 * round_ + size, 4, size), 1)
        leaving = thumbnails(10_000 * round_ + 700, 4, 700) | thumbnails(10_000 * round_ + 3_000, 2, 3_000)
        kept.delete(list(leaving))
        gone |= leaving
    assert kept.purge()
    assert left_of(tmp_path, gone) == []
    stay = thumbnails(6_000, 4, 6_000)
    assert kept.get(stay) == stay
    kept.put(thumbnails(90_000, 1), 1)
    assert (kept.clear(None), left_of(tmp_path, stay), kept.digests()) == (6 * 16 - len(gone) + 1, [], [])


def test_a_reader_holds_a_purge_up_until_it_ends(kept: DerivedFile, tmp_path: Path) -> None:
    made = thumbnails(0, 4)
    kept.put(made, 1)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM thumbnails").fetchone()
        kept.delete(list(made))
        kept._connection.execute("PRAGMA busy_timeout = 1")  # type: ignore[union-attr]  # it is open
        assert not kept.purge()
    assert kept.purge()
    assert left_of(tmp_path, made) == []


def test_only_older_ones_are_cleared_where_that_is_said(kept: DerivedFile) -> None:
    old, new = thumbnails(0, 3), thumbnails(10, 2)
    kept.put(old, 100)
    kept.put(new, 200)
    assert kept.clear(200) == 3
    assert set(kept.digests()) == set(new)


@pytest.mark.parametrize("at", [0, 100, 5_000, 40_000])
def test_a_damaged_file_is_thrown_away_and_begun_anew(kept: DerivedFile, tmp_path: Path, at: int) -> None:
    made = thumbnails(0, 20)
    kept.put(made, 1)
    kept.close()
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * 16_384)
    assert kept.check() is not None
    with closing(thumbnail_file(tmp_path, ROOM, write=False)) as reader:
        reader.get(made)
    assert kept.check() is not None  # who only reads deletes nothing
    for sha256 in made:  # whether a read meets the damage or not, none raises
        kept.get([sha256])
    kept.digests()
    kept.put(made, 2)
    kept.purge()
    kept.put(made, 2)
    assert kept.get(made) == made
    assert kept.check() is None


def test_a_file_of_another_format_is_begun_anew(kept: DerivedFile, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("CREATE TABLE thumbnails (other TEXT)")
        other.execute("PRAGMA user_version = 99")
    with closing(thumbnail_file(tmp_path, ROOM, write=False)) as reader:
        assert reader.get([b"x" * 32]) == {}
    made = thumbnails(0, 1)
    kept.put(made, 1)
    assert kept.get(made) == made
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_killed_while_the_file_is_made_the_next_use_makes_it(
    kept: DerivedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Between the table and its format."""

        def __format__(self, spec: str) -> str:
            raise self

    with monkeypatch.context() as patched:
        patched.setattr(kept, "_shape", replace(kept._shape, version=Killed()))  # type: ignore[arg-type]  # it stands for a kill
        with pytest.raises(Killed):
            kept.put(thumbnails(0, 1), 1)
    made = thumbnails(0, 2)
    kept.put(made, 1)
    assert kept.get(made) == made


def test_a_log_that_was_left_without_its_file_goes_with_the_next_purge(kept: DerivedFile, tmp_path: Path) -> None:
    (tmp_path / f"{FILE_NAME}-wal").write_bytes(b"thumbnails of before")
    assert kept.purge()
    assert list(tmp_path.iterdir()) == []


def test_a_refused_write_costs_the_new_ones_alone(kept: DerivedFile) -> None:
    made = thumbnails(0, 2)
    kept.put(made, 1)
    kept._connection.execute("PRAGMA max_page_count = 10")  # type: ignore[union-attr]  # it is open; SQLITE_FULL is the disk's
    with pytest.raises(CannotWrite, match="cannot be written"):
        kept.put(thumbnails(10, 10), 1)
    assert kept.get(made) == made
