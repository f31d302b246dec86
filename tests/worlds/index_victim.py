"""A process that writes, seals and compacts as fast as it can until it is killed, and records what was committed.

Its diary is a file of lines: what it is about to do, and what has been committed ("acknowledged").
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np

from indexer.database.database import FILE_NAME, Database, open_database
from indexer.settings import IndexSettings
from indexer.vectors.index import VectorIndex
from tests.worlds.index_world import (
    GUILD,
    Shown,
    message_id,
    unit,
    write_embeddings,
    write_places,
)

SETTINGS = IndexSettings(seal_rows=20, threads=1)
KEPT = 150  # from this number of places on, as many are deleted as are added


def run(folder: str, seed: int) -> None:
    """Runs until the process is killed."""
    asyncio.run(_run(Path(folder), seed))


async def _run(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    diary = os.open(folder / "diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with open_database(folder) as database:
        index = VectorIndex(folder / FILE_NAME, folder / "segments", SETTINGS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_write(database, diary, rng))
            tasks.create_task(_tidy(database, index, np.random.default_rng(seed + 1)))


async def _write(database: Database, diary: int, rng: np.random.Generator) -> None:
    async with database.reader() as connection:
        rows = await connection.execute_fetchall("SELECT place_id FROM places")
        ((last,),) = await connection.execute_fetchall("SELECT coalesce(max(seq), 0) FROM sqlite_sequence")
    places = [place for (place,) in rows]
    number = int(last) + 1
    while True:
        count = int(rng.integers(1, 30))
        fresh = [
            Shown(place, place, 100 + place % 4, 500, message_id(place)) for place in range(number, number + count)
        ]
        number += count
        _note(diary, "add", [shown.place for shown in fresh])
        async with database.transaction() as tx:
            await write_places(tx, GUILD, fresh)
            await write_embeddings(tx, [shown.picture for shown in fresh], unit(rng, count))
        _note(diary, "added", [shown.place for shown in fresh])
        places += [shown.place for shown in fresh]
        deleted = rng.choice(
            places, min(len(places), int(rng.integers(1, 30) * len(places) / KEPT)), replace=False
        ).tolist()
        _note(diary, "delete", deleted)
        async with database.transaction() as tx:
            await tx.executemany(
                "DELETE FROM messages WHERE message_id = ?", [(message_id(place),) for place in deleted]
            )
        _note(diary, "deleted", deleted)
        places = [place for place in places if place not in set(deleted)]
        await asyncio.sleep(0)


async def _tidy(database: Database, index: VectorIndex, rng: np.random.Generator) -> None:
    while True:
        await (index.compact if rng.random() < 0.3 else index.maintain)(database)
        await asyncio.sleep(0)


def _note(diary: int, verb: str, places: list[int]) -> None:
    os.write(diary, f"{verb} {' '.join(map(str, places))}\n".encode())
