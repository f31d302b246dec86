"""The processes that open pictures are what this room tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.worlds.readers_here import readers_in_processes


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[None]:
    with readers_in_processes():
        yield
