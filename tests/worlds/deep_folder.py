"""A folder whose innermost path is longer than the system allows."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "d" * 200
DEPTH = 30  # times 200 characters: no system takes a path of 6,000


def make_too_deep(folder: Path) -> str:
    """Makes folders of one name inside each other below `folder`; returns the name. Needs folders by descriptors."""
    at = os.open(folder, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir(NAME, dir_fd=at)
        below = os.open(NAME, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    return NAME
