"""What triggers keep of each channel stays true, whatever is stored, edited, moved, read again or deleted.

It is the colours of its places, and who has written in it.
"""

from __future__ import annotations

import random

import aiosqlite
import pytest

from indexer.database.database import Database
from indexer.records.colours import SAMPLES
from tests.worlds.random_changes import change_at_random

_COLOURS = "SELECT channel_id, message_id, place_id, colours FROM place_colours ORDER BY 1, 2, 3"
_COLOURS_ANEW = (
    "SELECT m.channel_id, p.message_id, p.place_id, c.colours FROM places p JOIN messages m USING (message_id)"
    " JOIN pictures c USING (picture_id) WHERE p.state = 'ready' AND c.colours IS NOT NULL ORDER BY 1, 2, 3"
)
_AUTHORS = "SELECT channel_id, author_id, messages FROM channel_authors ORDER BY 1, 2"
_AUTHORS_ANEW = "SELECT channel_id, author_id, count(*) FROM messages GROUP BY 1, 2 ORDER BY 1, 2"


async def _paint(tx: aiosqlite.Connection, rng: random.Random) -> None:
    """The pixels of a picture are read again; an earlier version would have had no colours for it."""
    colours = rng.choice([None, *[bytes([rng.randrange(180)]) * SAMPLES] * 3])
    await tx.execute("UPDATE pictures SET colours = ? WHERE picture_id % 3 = ?", (colours, rng.randrange(3)))


async def _fail(tx: aiosqlite.Connection, rng: random.Random) -> None:
    await tx.execute(
        "UPDATE places SET state = 'failed', reason = 'gone' WHERE place_id % 7 = ? AND state = 'ready'",
        (rng.randrange(7),),
    )


async def _move_author(tx: aiosqlite.Connection, rng: random.Random) -> None:
    await tx.execute(
        "UPDATE messages SET author_id = (SELECT min(user_id) FROM users) WHERE message_id = ?", (rng.randrange(1, 30),)
    )


async def _check(tx: aiosqlite.Connection) -> int:
    found = 0
    for kept, anew in ((_COLOURS, _COLOURS_ANEW), (_AUTHORS, _AUTHORS_ANEW)):
        rows = [tuple(row) for row in await tx.execute_fetchall(kept)]
        assert rows == [tuple(row) for row in await tx.execute_fetchall(anew)]
        found += len(rows)
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_colours_of_places_and_authors_of_channels_are_those_of_a_join(database: Database, seed: int) -> None:
    assert await change_at_random(database, seed, _check, also=[_paint, _paint, _fail, _move_author]) > 15
