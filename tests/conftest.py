"""What every test gets: a guard that fails it when its event loop was blocked, and property tests without a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from indexer.database.database import Database, open_database
from tests.loop_guard import LoopGuard
from tests.worlds.library import Library

# Hypothesis's own clocks speak of the machine: on a fresh one the first text is drawn after it has made its tables of
# Unicode (2 s beside other work), which it takes for a slow test. pytest's timeout is the bound.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def loop_guard() -> Iterator[LoopGuard]:
    """Fails the test when one callback kept an event loop for longer than `loop_guard.BOUND_S`."""
    with LoopGuard().watching() as guard:
        yield guard
    if guard.blocks:
        pytest.fail("the event loop was blocked:\n" + "\n".join(guard.blocks), pytrace=False)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def database(data_dir: Path) -> AsyncIterator[Database]:
    """An open database of its own."""
    async with open_database(data_dir) as opened:
        yield opened


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    """A library of pictures to search in, on real SQLite and a real index."""
    async with open_database(tmp_path) as db:
        made = Library(db, tmp_path / "segments")
        await made.open()
        try:
            yield made
        finally:
            made.index.close()
