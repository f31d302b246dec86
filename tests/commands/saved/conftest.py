"""One bot for all tests of a file. Each test takes members of its own, so that no test sees what another one saved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest
import pytest_asyncio

from sandbox.members import Person
from tests.worlds.running_bot import Running, Town, indexed, town

Newcomer = Callable[[], Person]


@pytest.fixture(scope="module")
def place() -> Town:
    return town(pictures=20, secrets=2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(place: Town, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with indexed(place, tmp_path_factory.mktemp("saved") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def newcomer(bot: Running, place: Town) -> Newcomer:
    """Makes a member of the server who has done nothing yet."""
    numbers = count(1)

    def join() -> Person:
        return bot.person(place.guild.join(place.world.user(f"newcomer{next(numbers)}")))

    return join
