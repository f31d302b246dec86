"""Writes many rows with one statement. Its triggers run as for single rows, and the stored rows are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aiosqlite

# SQLite takes 32,766 parameters. A prepared statement keeps some 100 bytes for each of them.
MOST_PARAMETERS: Final = 8_000


async def write(tx: aiosqlite.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Runs `sql` with `rows` in the place of its `:rows`, as `VALUES (…), (…)`. The rows have one length.

    Returns how many rows of the table it wrote.

    Before each statement that may write several rows, as a trigger does, SQLite makes FTS5 write what it holds in
    memory into a segment of its own (FTS5's xSavepoint). With a statement a row, these segments and merging them cost
    more than everything else (docs/adr/0001-sqlite-is-the-truth.md).
    """
    written = 0
    if not rows:
        return written
    at_once = MOST_PARAMETERS // len(rows[0])
    row = f"({', '.join('?' * len(rows[0]))})"
    for start in range(0, len(rows), at_once):
        part = rows[start : start + at_once]
        values = f"VALUES {', '.join([row] * len(part))}"
        cursor = await tx.execute(sql.replace(":rows", values), [value for found in part for value in found])
        written += cursor.rowcount
    return written
