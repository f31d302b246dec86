"""One bot for all tests of a file: reading two servers takes longer than what each of them asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.worlds.api_world import ApiWorld, api_world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiWorld]:
    async with api_world(tmp_path_factory.mktemp("api") / "data") as world:
        yield world
