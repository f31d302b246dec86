"""Files of Discord History Tracker, in the shape that it makes (schemas 9 to 11), and files that only look so."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from indexer.archives.export import ExportArchive
from indexer.errors import LinkExpired
from indexer.records.ids import ChannelId, GuildId
from tests.worlds.exports import opened, reasons
from tests.worlds.picture_files import picture

SCHEMA = """
CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, display_name TEXT, avatar_url TEXT, discriminator TEXT);
CREATE TABLE servers (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, icon_hash TEXT);
CREATE TABLE channels (id INTEGER PRIMARY KEY NOT NULL, server INTEGER NOT NULL, name TEXT NOT NULL, parent_id INTEGER,
    position INTEGER, topic TEXT, nsfw INTEGER);
CREATE TABLE messages (message_id INTEGER PRIMARY KEY NOT NULL, sender_id INTEGER NOT NULL, channel_id INTEGER NOT NULL,
    text TEXT NOT NULL, timestamp INTEGER NOT NULL);
CREATE TABLE attachments (attachment_id INTEGER NOT NULL PRIMARY KEY NOT NULL, name TEXT NOT NULL, type TEXT,
    normalized_url TEXT NOT NULL, download_url TEXT, size INTEGER NOT NULL, width INTEGER, height INTEGER);
CREATE TABLE message_embeds (message_id INTEGER NOT NULL, json TEXT NOT NULL,
    FOREIGN KEY (message_id) REFERENCES messages (message_id) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE message_edit_timestamps (message_id INTEGER PRIMARY KEY NOT NULL, edit_timestamp INTEGER NOT NULL);
CREATE TABLE message_replied_to (message_id INTEGER PRIMARY KEY NOT NULL, replied_to_id INTEGER NOT NULL);
CREATE TABLE message_attachments (message_id INTEGER NOT NULL, attachment_id INTEGER NOT NULL,
    PRIMARY KEY (message_id, attachment_id));
CREATE TABLE download_metadata (normalized_url TEXT NOT NULL PRIMARY KEY, download_url TEXT NOT NULL, status INTEGER NOT NULL,
    type TEXT, size INTEGER);
CREATE TABLE download_blobs (normalized_url TEXT NOT NULL PRIMARY KEY, blob BLOB NOT NULL);
CREATE INDEX embeds_message_ix ON message_embeds(message_id);
"""  # noqa: E501 -- the tracker writes its schema in such lines
LINK = "https://cdn.discordapp.com/attachments/11/{}/cat.png"
FIRST = 866666666666666666


def tracker(path: Path, version: str = "11", schema: str = SCHEMA) -> Path:
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(schema)
        rows: dict[str, list[tuple[Any, ...]]] = {
            "metadata": [("version", version)],
            "users": [(1, "ada", "Ada", None, None), (2, "bo", None, None, "0")],
            "servers": [(813, "Lower Wickham", "SERVER", None), (900, "bo", "DM", None)],
            "channels": [(381, 813, "photos", None, 1, None, 0), (382, 900, "bo", None, None, None, None)],
            "messages": [(FIRST + at, 1 + at % 2, 381 + (at == 3), f"message {at}", 0) for at in range(4)],
            "message_edit_timestamps": [(FIRST + 1, 1_626_699_930_000)],
            "attachments": [
                (22, "cat.png", "image/png", LINK.format(22), LINK.format(22) + "?ex=1&is=1&hm=1", 40, 24, 20),
                (23, "cat.png", None, LINK.format(23), LINK.format(23) + "?ex=1&is=1&hm=1", 40, None, None),
            ],
            "message_attachments": [(FIRST, 22), (FIRST + 1, 23)],
            "message_embeds": [(FIRST + 2, json.dumps(EMBED)), (FIRST + 2, "no JSON"), (FIRST + 9, "{}")],
            "download_blobs": [(LINK.format(22), picture(1))],
        }
        for table, found in rows.items():
            db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})", found)
    return path


EMBED = {
    "type": "rich",
    "title": ["formatted"],
    "description": "a dog",
    "image": {"url": "https://elsewhere.example/dog.png", "width": 10, "height": 12},
    "fields": [],
}


async def check(archive: ExportArchive, path: Path) -> None:
    assert reasons(archive) == []
    assert {guild.id: guild.name for guild in archive.survey.guilds.values()} == {
        GuildId(813): "Lower Wickham",
        GuildId(0): "Direct messages",
    }
    third, second, first = await archive.page(ChannelId(381))
    assert (first.author_name, second.author_name, first.content) == ("Ada", "bo", "message 0")
    assert (first.edited_ms, second.edited_ms) == (None, 1_626_699_930_000)
    (saved,) = first.pictures
    assert (saved.link, saved.path) == (LINK.format(22), f"{path}#{LINK.format(22)}")
    assert await archive.picture(saved) == picture(1)
    with pytest.raises(LinkExpired):
        await archive.picture(second.pictures[0])
    (embedded,) = third.pictures
    assert (embedded.link, embedded.alt_text, embedded.width) == ("https://elsewhere.example/dog.png", "", 10)
    counts = archive.survey.counts[GuildId(813)]
    assert (counts.messages, counts.pictures, counts.saved, counts.dead, counts.elsewhere) == (3, 3, 1, 1, 1)
    assert [found.content for found in await archive.page(ChannelId(382))] == ["message 3"]


async def test_a_file_comes_in_by_name_whatever_it_is_called_and_from_a_folder(tmp_path: Path) -> None:
    named = tracker(tmp_path / "history")
    await check(opened(named), named)
    (tmp_path / "folder").mkdir()
    inside = tracker(tmp_path / "folder" / "history.dht", "9")
    (tmp_path / "folder" / "notes.db").write_bytes(b"something else")
    with closing(sqlite3.connect(tmp_path / "folder" / "music.sqlite")) as db, db:
        db.execute("CREATE TABLE songs (name TEXT)")
    await check(opened(tmp_path / "folder"), inside)


def test_the_file_is_left_as_it_was(tmp_path: Path) -> None:
    file = tracker(tmp_path / "history.dht")
    before = file.read_bytes()
    opened(file)
    assert file.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.name != "spool"] == ["history.dht"]


@pytest.mark.parametrize("version", ["8", "12", "many"])
def test_another_version_is_told_what_to_do(tmp_path: Path, version: str) -> None:
    assert reasons(opened(tracker(tmp_path / "history.dht", version))) == ["archive-tracker-version"]


@pytest.mark.parametrize(
    "forged",
    [
        "CREATE VIEW messages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n;",
        "CREATE VIRTUAL TABLE messages USING fts5(message_id, sender_id, channel_id, text, timestamp);",
    ],
    ids=["view", "virtual"],
)
def test_a_table_that_runs_its_makers_code_is_refused(tmp_path: Path, forged: str) -> None:
    file = tmp_path / "history.dht"
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(SCHEMA.replace("CREATE TABLE messages", "CREATE TABLE other") + forged)
        db.execute("INSERT INTO metadata VALUES ('version', '11')")
    assert reasons(opened(file)) == ["archive-tracker-forged"]


def test_other_databases_and_damaged_ones_are_named(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "music")) as db, db:
        db.execute("CREATE TABLE songs (name TEXT)")
    assert reasons(opened(tmp_path / "music")) == ["archive-no-tracker"]
    whole = tracker(tmp_path / "history.dht").read_bytes()
    (tmp_path / "cut.dht").write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert reasons(opened(tmp_path / "cut.dht")) == ["archive-unreadable"]


def test_messages_of_channels_that_the_file_does_not_know_are_counted(tmp_path: Path) -> None:
    file = tracker(tmp_path / "history.dht")
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("DELETE FROM channels WHERE id = 382")
    archive = opened(file)
    assert [str(problem.reason) for problem in archive.problems.kept] == ["archive-no-channel (count=1)"]
