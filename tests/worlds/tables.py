"""The contents of an index's tables, to be counted and compared."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.database.database import Database

# The rows that are equal after two equal crawls. Row ids and times of checks are left out.
_ROWS = {
    "messages": "SELECT message_id, channel_id, author_id, edited_ms FROM messages ORDER BY 1",
    "texts": "SELECT message_id, content, file_names, alt_texts FROM texts ORDER BY 1",
    "places": "SELECT message_id, ordinal, link, p.state, p.reason, sha256, p.flags FROM places p"
    " LEFT JOIN pictures USING (picture_id) ORDER BY 1, 2",
    "pictures": "SELECT sha256, width, height, format, p.state, vector FROM pictures p"
    " LEFT JOIN embeddings USING (picture_id) ORDER BY 1",
    "spans": "SELECT channel_id, low, high FROM spans ORDER BY 1, 2",
    "channels": "SELECT channel_id, parent_id, kind, name, age_restricted, archived, parked_reason"
    " FROM channels ORDER BY 1",
}


@dataclass
class Tables:
    """An open database, read as a test reads it."""

    db: Database

    async def count(self, sql: str, *values: object) -> int:
        """The number that a query returns."""
        async with self.db.reader() as connection:
            ((number,),) = await connection.execute_fetchall(sql, values)
        return int(number)

    async def rows(self) -> dict[str, list[tuple[object, ...]]]:
        async with self.db.reader() as connection:
            return {name: [tuple(row) for row in await connection.execute_fetchall(sql)] for name, sql in _ROWS.items()}
