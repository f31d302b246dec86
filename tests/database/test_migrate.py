"""The schema comes into being, grows, and survives being killed at every statement of it."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from indexer.database import migrate
from indexer.database.migrate import Migration
from indexer.errors import StorageError
from tests.soak import SOAK

FIRST = Migration(1, "0001_first.sql", "CREATE TABLE kept (a INTEGER);\nINSERT INTO kept VALUES (7);\n")
SECOND = Migration(2, "0002_second.sql", "-- why; because\nALTER TABLE kept ADD COLUMN b TEXT;\n")
THIRD = Migration(3, "0003_third.sql", "CREATE TABLE more (c);\nCREATE TABLE more (c);\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "afterimage.sqlite3"


def pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def test_the_shipped_schema_is_ours_and_whole(path: Path) -> None:
    newest = migrate.migrate(path)
    assert newest == len(migrate.shipped()) == pragma(path, "user_version")
    assert pragma(path, "application_id") == migrate.APPLICATION_ID
    migrate.check(path)
    assert migrate.backups(path) == []


def test_each_shipped_migration_says_why() -> None:
    for step in migrate.shipped():
        assert step.script.startswith(f"-- {step.number:04d}: "), step.name
        assert "-- Why: " in step.script, step.name


def test_a_current_database_is_left_alone(path: Path) -> None:
    migrate.migrate(path)
    before = path.read_bytes()
    migrate.migrate(path)
    assert path.read_bytes() == before


def test_an_upgrade_keeps_a_readable_copy_of_what_was(path: Path) -> None:
    migrate.migrate(path, [FIRST])
    migrate.migrate(path, [FIRST, SECOND])

    (backup,) = migrate.backups(path)
    assert pragma(path, "user_version") == 2
    assert pragma(backup, "user_version") == 1
    assert backup.name.startswith("afterimage.v0001.")
    assert backup.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == [(7,)]
    assert sorted(entry.name for entry in path.parent.iterdir()) == [path.name, backup.name]


def test_a_backup_holds_what_was_still_in_the_write_ahead_log(path: Path) -> None:
    migrate.migrate(path, [FIRST])
    with closing(sqlite3.connect(path)) as reader, closing(sqlite3.connect(path)) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM kept").fetchall()
        writer.execute("INSERT INTO kept VALUES (8)")
        writer.commit()
        migrate.migrate(path, [FIRST, SECOND])
    (backup,) = migrate.backups(path)
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT a FROM kept ORDER BY a").fetchall() == [(7,), (8,)]


def test_only_the_last_three_backups_are_kept_and_all_can_be_discarded(path: Path) -> None:
    migrate.migrate(path, [FIRST])
    with closing(sqlite3.connect(path)) as connection:
        made = [migrate.back_up(connection, path, 1) for _ in range(5)]
    assert migrate.backups(path) == made[2:]
    assert migrate.discard_backups(path) == 3
    assert migrate.backups(path) == []


def test_an_unfinished_backup_is_swept_away(path: Path) -> None:
    migrate.migrate(path)
    leftover = path.with_name("afterimage.v0001.20260101T000000000000Z.backup.unfinished")
    leftover.write_text("half")
    migrate.migrate(path)
    assert not leftover.exists()


def test_a_failing_migration_leaves_the_schema_before_it(path: Path) -> None:
    migrate.migrate(path, [FIRST])
    with pytest.raises(StorageError, match="as it was before the failed step"):
        migrate.migrate(path, [FIRST, SECOND, THIRD])
    assert pragma(path, "user_version") == 2
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'more'").fetchall() == []


def test_a_migration_that_would_leave_orphans_is_refused(path: Path) -> None:
    orphaning = Migration(
        1, "0001_orphans.sql", "CREATE TABLE a (x INTEGER PRIMARY KEY, y REFERENCES a);\nINSERT INTO a VALUES (1, 2);\n"
    )
    with pytest.raises(StorageError, match="without what they refer to"):
        migrate.migrate(path, [orphaning])
    assert pragma(path, "user_version") == 0


def test_a_newer_schema_is_refused_and_untouched(path: Path) -> None:
    migrate.migrate(path, [FIRST, SECOND])
    before = path.read_bytes()
    for refuse in (migrate.migrate, migrate.check):
        with pytest.raises(StorageError, match="schema 2, this version of Afterimage knows 1"):
            refuse(path, [FIRST])
    assert path.read_bytes() == before


def test_an_older_schema_cannot_be_read_beside_a_bot_and_says_what_to_do(path: Path) -> None:
    migrate.migrate(path, [FIRST])
    with pytest.raises(StorageError, match="Start the bot once"):
        migrate.check(path, [FIRST, SECOND])


def test_a_database_of_another_program_is_refused_and_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="another program"):
        migrate.migrate(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look like one " * 40, b"\0" * 4096])
def test_a_file_that_is_no_database_is_refused_and_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StorageError, match="not a database, or a damaged one"):
        migrate.migrate(path)
    assert path.read_bytes() == content


def test_a_path_that_cannot_be_opened_is_not_called_damaged(path: Path) -> None:
    path.mkdir()
    for use in (migrate.migrate, migrate.check):
        with pytest.raises(StorageError, match="permissions"):
            use(path)


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    migrate.migrate(path)
    migrate.check(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be created"):
        migrate.migrate(tmp_path / "absent" / "afterimage.sqlite3")


def test_a_statement_without_its_semicolon_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="without its semicolon"):
        list(migrate.statements("CREATE TABLE a (b);\nCREATE TABLE c (d)\n"))
    assert list(migrate.statements("CREATE TABLE a (b);\n-- the end\n")) == ["CREATE TABLE a (b);"]


# Each number of statements after which a process is killed is a run of its own of all that it migrates. `make soak`
# runs all migrations for each, from a new file and from an old one. `make test` takes two migrations at a time, and of
# each two one number in eight, others in each run.
STRIDE = 1 if SOAK else 8
NEWEST = len(migrate.shipped())
SPANS = [(0, NEWEST), (1, NEWEST)] if SOAK else [(start, min(start + 2, NEWEST)) for start in range(NEWEST)]


@pytest.mark.soak
def test_a_process_killed_at_any_statement_goes_on_where_it_was(tmp_path: Path) -> None:
    spans = [(*span, random.randint(1, STRIDE)) for span in SPANS]
    print("spans", spans)
    memory = Path("/dev/shm")  # noqa: S108 -- a kill is no power cut, and fsync would be most of the time
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        run = subprocess.run(
            [sys.executable, "-m", "tests.worlds.killed_migration", folder, json.dumps(spans), str(STRIDE)],
            capture_output=True,
            text=True,
            check=False,
            timeout=250,
        )
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    for start, end, _ in spans:
        kills = [kill for kill in told if kill["start"] == start]
        final = kills[-1]
        assert [kill["killed"] for kill in kills] == [True] * (len(kills) - 1) + [False]
        assert {start, end} <= {kill["version_after_kill"] for kill in kills} <= set(range(start, end + 1))
        for kill in kills:
            assert kill["version"] == end, kill
            assert kill["schema"] == final["schema"], kill
            assert kill["integrity"] == "ok", kill
            assert kill["guilds"] == (1 if start else 0), kill
            assert kill["leftovers"] == [], kill
            if start:
                assert kill["backups"] >= 1, kill
    assert {kill["version_after_kill"] for kill in told if kill["killed"]} >= set(range(NEWEST))
