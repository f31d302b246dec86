"""A data folder that a bot has left: words, spans, opt-outs, embeddings, and sealed segments of most of them.

It is made once in each process of tests and copied for every test that changes one.
"""

from __future__ import annotations

import asyncio
import functools
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np

from indexer.clock import now_ms
from indexer.database.database import FILE_NAME, open_database
from indexer.records.ids import UserId
from indexer.settings import IndexSettings
from indexer.store import opt_outs
from indexer.vectors.index import VectorIndex
from tests.worlds.index_world import GUILD, World, open_world

PLACES = 600
SETTINGS = IndexSettings(seal_rows=256, threads=1)
OPTED_OUT = UserId(77)
WORD = "quetzalcoatlus"  # in the text of one message


def kept(data_dir: Path) -> Path:
    """The folder, which is a copy of the one that was made. Blocks; no event loop may run in this thread."""
    shutil.copytree(_made(), data_dir)
    return data_dir


def rows(data_dir: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    """What a query returns."""
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        return connection.execute(sql, values).fetchall()


def change(data_dir: Path, *statements: str) -> None:
    """Changes rows behind everybody's back."""
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@functools.cache
def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kept-folder-")) / "data"
    asyncio.run(_make(folder))
    return folder


async def _make(folder: Path) -> None:
    async with open_world(folder, SETTINGS) as world:
        await world.fill(np.random.default_rng(5), PLACES, moving=True)
        await _tell(world)
        await world.index.maintain(world.database)
        await world.fill(np.random.default_rng(6), 100)
        await _tell(world)
    async with open_database(folder) as db:
        index = VectorIndex(db.path, folder / "segments", SETTINGS)
        await index.maintain(db)
        index.close()


async def _tell(world: World) -> None:
    """Words, spans and opt-outs."""
    async with world.database.transaction() as tx:
        await tx.execute_fetchall(
            "INSERT INTO texts (message_id, content, file_names)"
            " SELECT message_id, 'ordinary words of message ' || message_id, 'a.png' FROM messages"
            " WHERE message_id NOT IN (SELECT message_id FROM texts)"
        )
        await tx.execute_fetchall(
            "UPDATE texts SET content = ? WHERE message_id = (SELECT max(message_id) FROM messages)",
            (f"a {WORD} flies",),
        )
        await tx.execute_fetchall(
            "INSERT OR IGNORE INTO spans (channel_id, origin_id, low, high)"
            " SELECT channel_id, 0, 0, (SELECT max(message_id) FROM messages) FROM channels WHERE guild_id = ?",
            (GUILD,),
        )
        await opt_outs.add(tx, OPTED_OUT)
        await tx.execute_fetchall(
            "INSERT INTO audit_log (at_ms, action, guild_id) VALUES (?, 'reindex.start', ?)", (now_ms(), GUILD)
        )
