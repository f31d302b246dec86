"""One bot for all tests of a file: reading two servers takes longer than what each of them asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from unittest import mock

import pytest
import pytest_asyncio

from indexer.ingest import pipeline
from tests.worlds.api_world import ApiWorld, api_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiWorld]:
    with mock.patch.object(pipeline, "HOUSEKEEPING_S", 0.5):  # what is to be tried again is tried at once, not in 30 s
        async with api_world(tmp_path_factory.mktemp("api") / "data") as world:
            yield world
