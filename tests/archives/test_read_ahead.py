"""The next page is read while the one before is stored, and nothing else changes."""

from __future__ import annotations

import threading

import pytest

from indexer.archives.read_ahead import Key, ReadAhead
from tests.worlds.waiting import until


class Source:
    """Remembers what was read; row 13 cannot be."""

    def __init__(self) -> None:
        self.read: list[Key] = []
        self.open = threading.Event()
        self.open.set()

    def __call__(self, key: Key) -> str:
        self.open.wait(10)
        self.read.append(key)
        if key[1] == 13:
            raise ValueError("damaged")
        return f"{key[0]}:{key[1]}"


async def test_the_following_page_is_there_before_it_is_asked_for() -> None:
    source, pages = Source(), ReadAhead[str]()
    assert await pages.get(source, (1, 20, 30), (1, 10, 20)) == "1:20"

    async def ahead() -> bool:
        return source.read == [(1, 20, 30), (1, 10, 20)]

    await until(ahead)
    assert await pages.get(source, (1, 10, 20), None) == "1:10"
    assert source.read == [(1, 20, 30), (1, 10, 20)]


async def test_what_cannot_be_read_is_told_when_it_is_asked_for_and_what_is_not_asked_for_is_dropped() -> None:
    source, pages = Source(), ReadAhead[str]()
    assert await pages.get(source, (1, 20, 30), (1, 13, 20)) == "1:20"
    with pytest.raises(ValueError, match="damaged"):
        await pages.get(source, (1, 13, 20), None)
    source.open.clear()
    asked = [pages.get(source, (channel, 20, 30), (channel, 10, 20)) for channel in range(2, 7)]
    source.open.set()
    assert [await page for page in asked] == [f"{channel}:20" for channel in range(2, 7)]
    assert len(pages._waiting) == 2
