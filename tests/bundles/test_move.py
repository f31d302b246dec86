"""`afterimage move`: into a folder that has other servers; never lost, never twice, promises of both folders hold."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli
from bot.control.imports import imports
from bot.control.server import open_control
from indexer.backup.verify import look_through
from indexer.bundles import content, departure
from indexer.bundles.bundle_file import extract
from indexer.bundles.departure import Departure
from indexer.bundles.gather import Selection
from indexer.bundles.storing import store
from indexer.database import journal, lock
from indexer.database.database import FILE_NAME
from indexer.database.functions import add_functions
from indexer.errors import StorageError
from indexer.service import open_service
from indexer.settings import DecodeSettings, Settings
from tests.soak import SOAK
from tests.worlds.bundled import exported, quietly, same
from tests.worlds.commands_here import give_command
from tests.worlds.empty_history import EmptyHistory
from tests.worlds.encoder import Encoder
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import rows
from tests.worlds.moved_server import (
    COUNT,
    DELETED,
    DELETED_LATER,
    ELSEWHERE,
    FROM_ARCHIVE,
    HARBOUR,
    LEAVING,
    MANAGER,
    MEADOW,
    MEMBER,
    OPTED_OUT,
    OPTED_OUT_THERE,
    WATCHED,
    copied,
    kept,
    make,
)
from tests.worlds.waiting import DEADLINE_S

TRIES = 60 if SOAK else 3
MOVED = [number for number in range(1, COUNT + 1) if number != DELETED_LATER] + [FROM_ARCHIVE]
SAVED_ANOTHER = (
    "INSERT INTO saved_searches (guild_id, user_id, name, question, created_ms)"
    f" VALUES ({MEADOW}, {MEMBER}, 'another', 'n', 9)"
)
OF_MEADOW = "SELECT message_id FROM messages WHERE guild_id = 1 ORDER BY 1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("world"))


@pytest.fixture
def folder(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(copied(world, tmp_path))
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(tmp_path / "a"))
    return tmp_path


def written_into(data_dir: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection, connection:
        add_functions(connection)
        for statement in ("PRAGMA foreign_keys = ON", *statements):
            connection.execute(statement)


def of_members(world: Path) -> dict[str, list[tuple[object, ...]]]:
    """What members of Meadow kept, as it must come: nothing of who left, and nothing of the message that is deleted."""
    before = kept(world / "a", MEADOW)
    before["saved"] = [row for row in before["saved"] if row[0] in (MEMBER, MANAGER)]
    before["watched"] = [row for row in before["watched"] if row[0] in (MEMBER, MANAGER)]
    before["to be told"] = [row for row in before["to be told"] if row[2] != DELETED_LATER]
    assert [len(found) for found in before.values()] == [3, 3, 2, 3, 2, 3]
    return before


def assert_moved(folder: Path, world: Path) -> None:
    """Whole there, gone here, promises in both, and what other servers have is as it was."""
    old, new = same(folder / "a"), same(folder / "b")
    before, there = same(world / "a"), same(world / "b")
    assert [found for (found,) in rows(folder / "b", OF_MEADOW)] == MOVED
    assert [row[0] for row in new["messages"]] == [*MOVED, 230]  # 231: of an author whose wish came along
    assert [row[0] for row in old["messages"]] == [130]  # 131 went for its author's wish, which `b` knew
    assert [row for row in new["messages"] if row[1] == MEADOW] == [
        row for row in before["messages"] if row[1] == MEADOW and row[0] in MOVED
    ]
    assert [row for row in new["places"] if row[0] not in MOVED] == [row for row in there["places"] if row[0] == 230]
    assert [row for row in new["places"] if row[0] in MOVED] == [row for row in before["places"] if row[0] in MOVED]
    shown = {row[2] for row in new["places"]}
    assert {row[0] for row in new["embeddings"]} == shown
    assert len(new["embeddings"]) == len(shown)  # none twice
    assert new["tags"] == before["tags"]
    assert new["picture_texts"] == before["picture_texts"]
    assert new["spans"] == before["spans"]
    assert new["deleted_here"] == before["deleted_here"]
    assert rows(folder / "b", "SELECT consent FROM guilds WHERE guild_id = 1") == [(1,)]
    everywhere = {(0, OPTED_OUT), (0, OPTED_OUT_THERE), (0, LEAVING)}
    assert set(new["opt_outs"]) == set(old["opt_outs"]) == everywhere
    assert [row["kind"] for row in journal.pending(folder / "a" / journal.FILE_NAME)] == ["OptedOut", "MessagesDeleted"]
    assert {(DELETED,), (DELETED_LATER,)} <= set(new["deletions"])
    assert (DELETED,) in old["deletions"]
    assert kept(folder / "b", MEADOW) == of_members(world)
    assert not any(kept(folder / "a", MEADOW).values())
    assert kept(folder / "a", ELSEWHERE) == kept(world / "a", ELSEWHERE)
    assert kept(folder / "b", HARBOUR) == kept(world / "b", HARBOUR)
    assert departure.unfinished(folder / "a") == []
    assert not list(folder.glob("*/.afterimage-*"))
    for name in ("a", "b"):
        assert look_through(folder / name, quietly, quietly).faults == []


def test_a_server_moves_whole_into_a_folder_that_has_others(
    folder: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["move", "meadow", "--to", "b", "--yes", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("move", found)
    assert (found["messages"], found["deleted_here"], found["name"]) == (len(MOVED), True, "Meadow")
    assert_moved(folder, world)
    assert cli.main(["move", "Meadow", "--to", "b", "--yes"]) == 1  # it is not here any more
    assert "Elsewhere" in capsys.readouterr().err


def test_nobody_is_asked_twice_and_without_a_yes_nothing_goes(
    folder: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet"]) == 1
    assert "--yes" in capsys.readouterr().err
    assert same(folder / "a") == same(world / "a")
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet", "--yes"]) == 0
    assert_moved(folder, world)


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
@pytest.mark.timeout(1200 if SOAK else 240)
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_there_twice(world: Path, tmp_path: Path) -> None:
    copied(world, tmp_path)
    seed = random.randrange(1 << 30)
    run = subprocess.run(
        [sys.executable, "-m", "tests.worlds.killed_move", str(tmp_path), str(TRIES), str(seed)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=20 * DEADLINE_S,
    )
    told = [line.split() for line in run.stdout.decode().splitlines()]
    assert len(told) == TRIES + 1
    assert sum(int(kills) for kills, _ in told) > 0, "the moments were after the end"
    for number in range(TRIES):
        assert_moved(tmp_path / str(number), world)


def test_what_is_left_of_a_server_that_was_being_deleted_deletes_nothing_where_it_went(
    folder: Path, world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Killed(BaseException):
        pass

    async def killed(*_: object, **__: object) -> None:
        written_into(folder / "a", f"DELETE FROM messages WHERE message_id IN (2, {FROM_ARCHIVE})")
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("indexer.bundles.moving.forget_guild", killed)
        with pytest.raises(Killed):
            cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"])
    assert cli.main(["move", "Meadow", "--to", "c", "--yes", "--quiet"]) == 1
    assert f"finish that first (`afterimage move 1 --to {folder / 'b'}`)" in capsys.readouterr().err
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(folder / "b"))
    assert cli.main(["move", "Meadow", "--to", "a", "--yes", "--quiet"]) == 1
    assert "is on its way" in capsys.readouterr().err
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(folder / "a"))
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet"]) == 0  # it was agreed to before
    assert "had the server already" in capsys.readouterr().out
    assert_moved(folder, world)


def test_a_bot_that_runs_on_the_folder_that_it_leaves_is_named_and_nothing_moves(
    folder: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock.hold(folder / "a") as holder:
        assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 1
    said = capsys.readouterr().err
    assert f"process {holder.pid}" in said
    assert "start the bot with shards that do not have the server" in said
    with lock.hold(folder / "b"):
        assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 1
    assert f"{folder / 'b'} is being written by process {holder.pid}" in capsys.readouterr().err
    assert same(folder / "a") == same(world / "a")
    assert same(folder / "b") == same(world / "b")


async def test_a_bot_that_runs_on_the_folder_that_it_goes_to_takes_it_in(folder: Path, world: Path) -> None:
    settings = Settings(data_dir=folder / "b", decode=DecodeSettings(workers=1))
    async with (
        open_service(settings, EmptyHistory(), Encoder()) as service,
        open_control(folder / "b", imports(service), 5.0),
    ):
        done = await asyncio.to_thread(
            give_command, folder, "move", "Meadow", "--to", "b", "--yes", "--quiet", AFTERIMAGE_DATA_DIR="a"
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{len(MOVED)} messages" in done.stdout
    await asyncio.to_thread(assert_moved, folder, world)


def test_the_source_answers_until_everything_was_compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[tuple[object, ...]]] = []

    def noted(data_dir: Path, gone: Departure) -> None:
        seen.append(rows(data_dir, OF_MEADOW))
        seen.append(rows(gone.folder, OF_MEADOW))

    monkeypatch.setattr("indexer.bundles.moving.departure.note", noted)
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 0
    here, there = seen
    assert len(here) == COUNT + 1  # with one that is only to be deleted
    assert len(there) == len(MOVED)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE texts SET content = 'other' WHERE message_id = 3", "1 messages are missing"),
        ("DELETE FROM embeddings", "embeddings are missing"),
        ("DELETE FROM opt_outs", "opt-outs are missing"),
        ("DELETE FROM deletions WHERE message_id = 90", "1 deletions are missing"),
        ("DELETE FROM messages WHERE message_id = 60", "1 messages are missing"),
        ("DELETE FROM picture_texts", "1 texts of pictures are missing"),
        ("DELETE FROM arrivals", "Saved searches and watched pictures did not come"),
    ],
)
def test_what_is_missing_where_it_went_keeps_it_where_it_was(
    folder: Path,
    world: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: str,
    said: str,
) -> None:
    async def damaged(db: object, *values: object, **more: object) -> object:
        stored = await store(db, *values, **more)  # type: ignore[arg-type]  # as it was called
        async with db.transaction() as tx:  # type: ignore[attr-defined]  # the database where it goes
            await tx.execute_fetchall(damage)
        return stored

    monkeypatch.setattr("indexer.bundles.moving.store", damaged)
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 1
    assert said in capsys.readouterr().err
    assert same(folder / "a") == same(world / "a")


@pytest.mark.parametrize(
    ("inserted", "said"),
    [
        ("saved_searches WHEN new.name = 'a picture'", "1 saved searches would be missing"),
        ("saved_notices", "2 notices of saved searches"),
        ("saved_matches", "3 pictures that members are to be told of"),
        ("saved_told", "2 pictures that members are to be told of"),
        (f"watched_pictures WHEN new.added_by = {MEMBER}", "1 watched pictures"),
        ("watched_matches", "2 matches of watched pictures"),
        ("new_pictures", "3 new pictures that were not looked at"),
    ],
)
def test_what_members_keep_comes_whole_or_stays_where_it_was(
    folder: Path, world: Path, capsys: pytest.CaptureFixture[str], inserted: str, said: str
) -> None:
    written_into(folder / "b", f"CREATE TRIGGER lost BEFORE INSERT ON {inserted} BEGIN SELECT RAISE(IGNORE); END")
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 1
    assert said in capsys.readouterr().err
    assert kept(folder / "a", MEADOW) == kept(world / "a", MEADOW)
    written_into(folder / "b", "DROP TRIGGER lost")
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 0
    assert_moved(folder, world)


def test_what_was_told_there_after_a_move_that_was_killed_is_not_told_again(folder: Path, world: Path) -> None:
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet"]) == 1  # nobody said yes
    written_into(
        folder / "b",
        f"DELETE FROM saved_searches WHERE guild_id = {MEADOW} AND user_id = {MANAGER}",
        "INSERT INTO saved_told SELECT saved_id, place_id FROM saved_matches",
        "DELETE FROM saved_matches",
        "DELETE FROM watched_matches WHERE watch_id IN (SELECT watch_id FROM watched_pictures WHERE guild_id = 1)",
        "DELETE FROM new_pictures",
        SAVED_ANOTHER,
    )
    there = kept(folder / "b", MEADOW)
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet", "--yes"]) == 0
    assert kept(folder / "b", MEADOW) == there


def test_what_happened_in_the_folder_meanwhile_goes_along_with_the_next_try(folder: Path, world: Path) -> None:
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet"]) == 1
    written_into(folder / "b", "DELETE FROM new_pictures", "UPDATE arrivals SET at_ms = 1420070400000")  # id 1 is later
    gone = f"DELETE FROM saved_searches WHERE guild_id = {MEADOW} AND user_id = {MEMBER} AND name = 'cats'"
    written_into(
        folder / "a",
        gone,
        f"DELETE FROM watched_pictures WHERE watch_id = {WATCHED}",
        SAVED_ANOTHER,
    )
    expected = kept(folder / "a", MEADOW)
    assert cli.main(["move", "Meadow", "--to", "b", "--quiet", "--yes"]) == 0
    found = kept(folder / "b", MEADOW)
    for name in ("saved", "to be told", "told", "watched", "found", "new"):
        wanted = [row for row in expected[name] if row[0] not in (LEAVING, OPTED_OUT_THERE)]
        assert found[name] == wanted, name


def test_a_copy_that_is_kept_has_nothing_that_members_saved(folder: Path, world: Path) -> None:
    assert cli.main(["split", "Meadow", "c", "--keep", "--quiet"]) == 0
    assert not any(kept(folder / "c", MEADOW).values())
    assert kept(folder / "a", MEADOW) == kept(world / "a", MEADOW)


def test_a_bundle_has_nothing_that_members_saved(folder: Path) -> None:
    exported(folder / "a", folder / "meadow.bundle", Selection((MEADOW,)))
    extract(folder / "meadow.bundle", folder / "content", quietly, quietly)
    with closing(sqlite3.connect(folder / "content")) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == set(content.TABLES)
    assert b"words 3" in (folder / "content").read_bytes()
    assert b"in cats" not in (folder / "content").read_bytes()


def test_what_the_other_folder_must_not_store_or_has_newer_is_no_difference(folder: Path) -> None:
    written_into(
        folder / "b",
        "INSERT INTO deletions VALUES (7)",
        "INSERT INTO opt_outs VALUES (1, 100, 1)",
        "UPDATE embeddings SET vector = zeroblob(8) WHERE picture_id IN (SELECT picture_id FROM places"
        " WHERE message_id = 230)",
    )
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 0
    assert rows(folder / "b", OF_MEADOW) == []  # all of one author, who wants nothing stored there
    assert rows(folder / "a", OF_MEADOW) == []


def test_an_embedding_that_another_server_has_made_anew_stays(folder: Path) -> None:
    ours = "picture_id IN (SELECT picture_id FROM places WHERE message_id = 230)"
    written_into(folder / "b", f"UPDATE embeddings SET vector = zeroblob(8) WHERE {ours}")
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 0
    assert [found for (found,) in rows(folder / "b", OF_MEADOW)] == MOVED
    assert rows(folder / "b", f"SELECT vector FROM embeddings WHERE {ours}") == [(bytes(8),)]


def test_wrong_destinations_are_refused_and_change_nothing(
    folder: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["move", "Meadow", "--to", "a", "--yes"]) == 1
    assert "Name the other one" in capsys.readouterr().err
    assert cli.main(["move", "Meadow"]) == 1
    assert "--to FOLDER" in capsys.readouterr().err
    written_into(folder / "b", "UPDATE application SET application_id = 901")
    assert cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]) == 1
    assert "application id 901" in capsys.readouterr().err
    assert same(folder / "a") == same(world / "a")


def test_a_note_that_cannot_be_read_stops_what_would_rely_on_it(tmp_path: Path) -> None:
    gone = Departure(MEADOW, "Meadow", tmp_path / "b")
    departure.note(tmp_path, gone)
    assert departure.unfinished(tmp_path) == [gone]
    assert departure.of(tmp_path, MEADOW) == gone
    (tmp_path / "departed-1.json").write_text("{")
    with pytest.raises(StorageError, match="departed-1"):
        departure.unfinished(tmp_path)
    departure.done(tmp_path, MEADOW)
    assert departure.unfinished(tmp_path) == []
