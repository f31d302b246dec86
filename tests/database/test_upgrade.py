"""A data folder that an earlier version wrote opens in this one, and nothing that it held is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from indexer.backup.verify import look_through
from indexer.database import migrate
from indexer.database.database import FILE_NAME, open_database
from indexer.query.query import Query
from indexer.records.hits import Filter, Floor
from indexer.records.ids import GuildId
from indexer.reports.status import read
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, Settings
from tests.worlds.bundled import quietly
from tests.worlds.encoder import Encoder
from tests.worlds.kept_folder import rows
from tests.worlds.running_bot import noise
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


# What 0.1.0's own code left, a bot on a sandbox's server; written_by_0_1_0.md says how.
WRITTEN_BY_0_1_0 = Path(__file__).with_name("written_by_0_1_0.tar.xz")
KEPT = {
    "messages": "SELECT message_id, guild_id, channel_id, author_id, content, file_names FROM messages"
    " JOIN texts USING (message_id) ORDER BY 1",
    "places": "SELECT message_id, ordinal, sha256, p.link FROM places p JOIN pictures USING (picture_id)"
    " WHERE p.state = 'ready' ORDER BY 1, 2",
    "pictures": "SELECT sha256, width, height, format, byte_count FROM pictures WHERE state = 'ready' ORDER BY 1",
    "embeddings": "SELECT sha256, name, pretrained, dimension, fingerprint, vector FROM embeddings"
    " JOIN pictures USING (picture_id) JOIN models USING (model_id) ORDER BY 1",
    "spans": "SELECT channel_id, low, high FROM spans ORDER BY 1, 2",
    "opt_outs": "SELECT guild_id, user_id FROM opt_outs ORDER BY 1, 2",
    "jobs": "SELECT guild_id, state FROM jobs ORDER BY 1",
}


def kept_rows(data_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    return {what: rows(data_dir, sql) for what, sql in KEPT.items()}


async def found(service: Service, data_dir: Path, **asked: object) -> list[str]:
    """What the messages say that a question finds in the folder's server, best first."""
    ((guild_id,),) = await asyncio.to_thread(rows, data_dir, "SELECT guild_id FROM guilds")
    channels = frozenset(channel.id for channel in await service.reports.channels(GuildId(int(str(guild_id)))))
    query = Query(GuildId(int(str(guild_id))), Filter(channels), **asked)  # type: ignore[arg-type]  # fields of a query
    result = await service.searcher.search(await service.searcher.prepare(query))
    assert result.floor is Floor.INDEX
    return [hit.excerpt for hit in result.hits]


async def test_a_data_folder_of_0_1_0_keeps_every_row_and_is_searched(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with tarfile.open(WRITTEN_BY_0_1_0) as archive:
        archive.extractall(data_dir)  # noqa: S202 -- our own; Python 3.11.2 knows no filter
    before = await asyncio.to_thread(kept_rows, data_dir)
    assert (len(before["messages"]), len(before["embeddings"]), len(before["opt_outs"])) == (24, 22, 1)
    async with open_service(Settings(data_dir=data_dir, decode=DecodeSettings(workers=1)), None, Encoder()) as service:
        assert await asyncio.to_thread(kept_rows, data_dir) == before
        picture = await service.decoder.decode(noise(3).data)
        (first, *_) = await found(service, data_dir, frames=picture.frames)
        assert first in ("picture number 3", "number 3 again")
        assert "picture number 4" in await found(service, data_dir, words='picture "number 4"', phrases=("number 4",))
        of_the_model = "SELECT count(*) FROM embeddings WHERE model_id = ?"
        assert await Tables(service.db).count(of_the_model, service.model_id) == 22  # so none has to be made again
        status = await service.status()
        assert (status.schema, status.total.messages) == (len(migrate.shipped()), 24)
        assert (status.total.ready, status.total.pending) == (23, 1)  # what it could not read is tried once more
    assert len(migrate.backups(data_dir / FILE_NAME)) == 1
    assert (await asyncio.to_thread(look_through, data_dir, quietly, quietly)).faults == []
