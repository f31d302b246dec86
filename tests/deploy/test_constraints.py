"""Every version that set-up installs runs on the oldest Python that the README names."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
DEBIAN_12 = "3.11.2"  # the Python that Debian 12 comes with
PINNED = [line.split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line]


def test_every_pinned_version_takes_the_python_of_debian_12() -> None:
    wanted = {}
    for name, version in PINNED:
        try:
            found = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # of an extra that is not installed here
        if found["Version"] == version and found["Requires-Python"]:
            wanted[name] = found["Requires-Python"]
    assert len(wanted) > 50
    refused = {name: spec for name, spec in wanted.items() if not SpecifierSet(spec).contains(DEBIAN_12)}
    assert refused == {}


@pytest.mark.parametrize(("wants", "fits"), [(">=3.11", True), (">=3.11.5", False)])
def test_a_version_that_wants_a_newer_python_is_seen(wants: str, fits: bool) -> None:
    assert SpecifierSet(wants).contains(DEBIAN_12) is fits
