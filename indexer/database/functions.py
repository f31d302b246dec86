"""Functions of our own that SQL may call, on every connection that searches."""

from __future__ import annotations

import sqlite3

from indexer.records.colours import shows


def add_functions(connection: sqlite3.Connection) -> None:
    """`shows_colours(pictures.colours, wanted)`: as `indexer.records.colours.shows`. Blocks for microseconds."""
    connection.create_function("shows_colours", 2, shows, deterministic=True)
