"""The rows that a benchmark writes straight into SQLite are ones that the bot itself could have written."""

from __future__ import annotations

from pathlib import Path

from benchmarks.answers_world import fill, town
from indexer.database.database import open_database
from indexer.records.ids import GuildId
from indexer.records.pictures import ModelSpec
from indexer.store import embeddings, spans
from sandbox.server import open_sandbox


async def test_the_guild_of_bench_answers_fits_the_schema_and_counts_as_read(tmp_path: Path) -> None:
    made = town(60)
    spec = ModelSpec("bench", "none", made.vectors.vectors.shape[1], "00")
    async with open_sandbox(made.world) as sandbox, open_database(tmp_path) as db:
        async with db.transaction() as tx:
            await fill(tx, made, sandbox, await embeddings.model_id(tx, spec))
        async with db.reader() as connection:
            ((found,),) = await connection.execute_fetchall(
                "SELECT count(*) FROM embeddings JOIN places USING (picture_id)"
            )
            read = await spans.of_guild(connection, GuildId(made.guild.id))
            broken = await connection.execute_fetchall("PRAGMA foreign_key_check")
    assert found == 60
    assert set(read) == set(made.guild.channels)
    assert list(broken) == []
