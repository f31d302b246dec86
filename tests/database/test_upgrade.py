"""A data folder that an earlier version wrote opens in this one, and nothing that it held is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indexer.database import migrate
from indexer.database.database import FILE_NAME, open_database
from indexer.reports.status import read
from tests.worlds.tables import Tables

# What each schema takes from the first with an index on, as the bot stored it then: two messages with pictures, one
# embedded and one waiting, a finished job, a member who wants to be forgotten.
ROWS = """
INSERT INTO guilds (guild_id, name, consent, added_ms) VALUES (1, 'Town', 1, 0);
INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (2, 1, 'text', 'photos');
INSERT INTO users (user_id, name) VALUES (3, 'Ada');
INSERT INTO messages (message_id, guild_id, channel_id, author_id, checked_ms)
    VALUES (40, 1, 2, 3, 5), (41, 1, 2, 3, 5);
INSERT INTO texts (message_id, content, file_names) VALUES (40, 'a red bicycle', 'bike.png'), (41, 'two cats', '');
INSERT INTO pictures (picture_id, sha256, width, height, format, byte_count, state)
    VALUES (6, zeroblob(32), 40, 30, 'PNG', 900, 'ready');
INSERT INTO places (message_id, guild_id, ordinal, picture_id, source, link, state)
    VALUES (40, 1, 0, 6, 'attachment', 'https://cdn.discordapp.com/attachments/2/40/bike.png', 'ready'),
           (41, 1, 0, NULL, 'attachment', 'https://cdn.discordapp.com/attachments/2/41/cats.png', 'pending');
INSERT INTO spans (channel_id, low, high) VALUES (2, 0, 41);
INSERT INTO jobs (guild_id, scope, state, created_ms, updated_ms) VALUES (1, '{"kind": "server"}', 'done', 1, 2);
INSERT INTO opt_outs (guild_id, user_id, at_ms) VALUES (0, 9, 1);
INSERT INTO models (model_id, name, pretrained, dimension, fingerprint) VALUES (1, 'ViT-B-32-256', 'here', 2, 'f');
INSERT INTO embeddings (picture_id, model_id, vector) VALUES (6, 1, x'003c0000');
"""
WITH_AN_INDEX, WITH_ORIGINS = 2, 9  # from the latter on spans name where they were read


@pytest.mark.parametrize("schema", range(WITH_AN_INDEX, WITH_ORIGINS))
async def test_what_an_earlier_version_stored_is_all_there_after_the_upgrade(tmp_path: Path, schema: int) -> None:
    path = tmp_path / FILE_NAME
    migrate.migrate(path, migrate.shipped()[:schema])
    with closing(sqlite3.connect(path)) as file, file:
        file.executescript(ROWS)
    async with open_database(tmp_path) as db, db.reader() as connection:
        status = await read(connection)
        (town,) = status.guilds
        jobs = {state: count for state, count in town.jobs.items() if count}
        assert (town.name, town.consent, jobs) == ("Town", True, {"done": 1})
        counts = town.counts
        assert (counts.messages, counts.ready, counts.pending, counts.embeddings) == (2, 1, 1, 1)
        assert status.schema == len(migrate.shipped())
        tables = Tables(db)
        assert await tables.count("SELECT rowid FROM words WHERE words MATCH 'bicycle'") == 40
        assert await tables.count("SELECT count(*) FROM opt_outs WHERE guild_id = 0 AND user_id = 9") == 1
        assert await tables.count("SELECT high FROM spans WHERE channel_id = 2 AND low = 0") == 41
        assert await tables.count("SELECT count(*) FROM embeddings WHERE vector = x'003c0000'") == 1
        assert list(await connection.execute_fetchall("PRAGMA foreign_key_check")) == []
