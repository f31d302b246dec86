"""The long form of tests, `make soak`: AFTERIMAGE_SOAK=1 makes them try more, in parts that run beside each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pytest

SOAK: Final = bool(os.environ.get("AFTERIMAGE_SOAK"))

Test = TypeVar("Test", bound=Callable[..., Any])


def example_count(soak: int) -> int:
    """How many examples a property test draws: fewer outside of `make soak`. Each run draws others."""
    return soak if SOAK else max(10, soak // 3)


def tries(usual: int, soak: int, part: int) -> Callable[[Test], Test]:
    """Gives a test `numbers`: a range of the tries that it makes, `usual` of them or `soak`.

    More than `part` tries are cut into ranges of `part`, each a test of its own, so that processes share them.
    """
    count = soak if SOAK else usual
    ranges = [range(first, min(first + part, count)) for first in range(0, count, part)]

    def marked(test: Test) -> Test:
        numbered: Test = pytest.mark.parametrize("numbers", ranges, ids=lambda numbers: f"{numbers[0]}-{numbers[-1]}")(
            test
        )
        return pytest.mark.timeout(1200 if SOAK else 240)(pytest.mark.soak(numbered))  # type: ignore[no-any-return]  # pytest gives its marks no types

    return marked
