"""One bot for all tests of a file, because to index a server takes longer than what each test asks.

These tests ask, and leave behind nothing that another one would see. Those that close a channel or post a picture have
a bot of their own and lie in the folder above.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.worlds.running_bot import Running, Town, indexed, town


@pytest.fixture(scope="module")
def place() -> Town:
    return town(pictures=24, secrets=2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(place: Town, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with indexed(place, tmp_path_factory.mktemp("asked") / "data") as running:
        yield running
