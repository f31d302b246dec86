"""An open database of its own for each storage test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.storage.database import Database, open_database


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def database(data_dir: Path) -> AsyncIterator[Database]:
    async with open_database(data_dir) as opened:
        yield opened
