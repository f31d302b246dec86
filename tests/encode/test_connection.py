"""How it is told that a cluster cannot be joined."""

from __future__ import annotations

import pytest

from indexer.encode.on_ray.connection import reason_of


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ray client connection timeout", "ray client connection timeout"),
        ("Could not read the version.\nCheck the address.", "Could not read the version"),
        (
            "Initialization failure from server:\nTraceback …\nRuntimeError: Version mismatch.\n",
            "RuntimeError: Version mismatch",
        ),
        ("", "ConnectionError"),
    ],
)
def test_the_line_that_says_what_went_wrong_is_told(text: str, reason: str) -> None:
    assert reason_of(ConnectionError(text)) == reason
