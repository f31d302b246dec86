"""What each channel's texts come to stays counted, whatever is stored, edited, moved or deleted."""

from __future__ import annotations

import aiosqlite
import pytest

from indexer.database.database import Database
from tests.worlds.random_changes import change_at_random

_COUNTED = "SELECT channel_id, texts, characters FROM channel_texts WHERE texts > 0 ORDER BY channel_id"
_ANEW = (
    "SELECT channel_id, count(*), sum(length(content) + length(file_names) + length(alt_texts))"
    " FROM messages JOIN texts USING (message_id) GROUP BY channel_id ORDER BY channel_id"
)


async def check(tx: aiosqlite.Connection) -> int:
    """Asserts that the counts are right; returns how many texts there are."""
    counted = [tuple(row) for row in await tx.execute_fetchall(_COUNTED)]
    assert counted == [tuple(row) for row in await tx.execute_fetchall(_ANEW)]
    return sum(texts for _, texts, _ in counted)


@pytest.mark.parametrize("seed", range(4))
async def test_counts_of_texts_are_those_of_a_count(database: Database, seed: int) -> None:
    assert await change_at_random(database, seed, check) > 10
