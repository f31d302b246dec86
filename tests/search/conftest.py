"""A library of pictures to search in, on real SQLite and a real index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.storage.database import open_database
from tests.search.library import Library


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    async with open_database(tmp_path) as db:
        made = Library(db, tmp_path / "segments")
        await made.open()
        try:
            yield made
        finally:
            made.index.close()
