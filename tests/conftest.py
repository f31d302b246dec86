"""What every test gets: a guard that fails it when its event loop was blocked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.loop_guard import LoopGuard


@pytest.fixture(autouse=True)
def loop_guard() -> Iterator[LoopGuard]:
    """Fails the test when one callback kept an event loop for longer than `loop_guard.BOUND_S`."""
    with LoopGuard().watching() as guard:
        yield guard
    if guard.blocks:
        pytest.fail("the event loop was blocked:\n" + "\n".join(guard.blocks), pytrace=False)
