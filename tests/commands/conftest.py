"""A bot that has indexed a town: `bot` and `place`. A module that needs another town gives a `place` of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worlds.running_bot import Running, Town, indexed, town


@pytest.fixture
def place() -> Town:
    return town()


@pytest.fixture
async def bot(place: Town, tmp_path: Path) -> AsyncIterator[Running]:
    async with indexed(place, tmp_path / "data") as running:
        yield running
