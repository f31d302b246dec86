"""The version of this bot."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    try:
        return version("afterimage")
    except PackageNotFoundError:
        return "(from a folder, not installed)"
