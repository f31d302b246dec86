"""What every test gets: a guard that fails it when its event loop was blocked, and property tests without a clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.loop_guard import LoopGuard

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
