"""The journal: what was flushed is found by the next start, what is done is not, whatever a kill left of a line."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.database.journal import RESERVED_BYTES, Journal
from indexer.platforms import files
from tests.soak import example_count


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "removals.journal"


def left(path: Path) -> list[int]:
    """What the next start would find."""
    opened = Journal(path)
    try:
        return [what["n"] for what in opened.pending.values()]
    finally:
        opened.close()


async def test_what_is_flushed_is_found_and_what_is_done_is_not(path: Path) -> None:
    journal = Journal(path)
    numbers = [journal.add({"n": n}) for n in range(3)]
    await journal.flush()
    journal.done(numbers[1])
    await journal.flush()
    journal.close()  # as a kill would leave it
    assert left(path) == [0, 2]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_when_all_is_done_nothing_is_left_in_the_file(path: Path) -> None:
    journal = Journal(path)
    numbers = [journal.add({"n": n, "filler": "x" * 1000}) for n in range(500)]  # more than was reserved
    await journal.flush()
    assert path.stat().st_size > RESERVED_BYTES
    for number in numbers:
        journal.done(number)
    await journal.flush()
    journal.close()
    assert path.read_bytes() == b"\0" * RESERVED_BYTES
    assert left(path) == []


async def test_many_who_wait_share_one_fsync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    synced = 0
    fsync = os.fsync

    def count(handle: int) -> None:
        nonlocal synced
        synced += 1
        fsync(handle)

    monkeypatch.setattr(os, "fsync", count)

    async def add(n: int) -> None:
        journal.add({"n": n})
        await journal.flush()

    await asyncio.gather(*(add(n) for n in range(100)))
    journal.close()
    assert synced <= 2
    assert left(path) == list(range(100))


async def test_lines_that_could_not_be_written_are_written_with_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path)
    write_at = files.write_at

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_at", full)
    journal.add({"n": 1})
    await journal.flush()
    monkeypatch.setattr(files, "write_at", write_at)
    journal.add({"n": 2})
    await journal.flush()
    journal.close()
    assert left(path) == [1, 2]


@pytest.mark.soak
@settings(max_examples=example_count(100))
@given(st.lists(st.integers(0, 9), max_size=20), st.integers(0, 60), st.binary(max_size=30))
def test_a_torn_end_costs_only_what_was_never_promised(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], cut: int, rubbish: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "removals.journal"

    async def write() -> list[int]:
        journal = Journal(path)
        open_: dict[int, int] = {}
        for step in steps:  # a step closes what is open under its number, or opens it
            if step in open_:
                journal.done(open_.pop(step))
            else:
                open_[step] = journal.add({"n": step})
            await journal.flush()
        journal.close()
        return list(open_)

    before = asyncio.run(write())
    content = path.read_bytes().split(b"\0", 1)[0]
    torn = b'{"add":99,"what":{"n":99}}\n'[: min(cut, 26)] + rubbish.replace(b"\n", b"")
    with path.open("r+b") as file:
        file.seek(len(content))
        file.write(torn)
    assert left(path) == before
    assert left(path) == before  # what was torn has been cleared away

    async def go_on() -> None:
        journal = Journal(path)
        journal.add({"n": 7})
        await journal.flush()
        journal.close()

    asyncio.run(go_on())
    assert left(path) == [*before, 7]
