"""`afterimage backup` and `restore`: whole and consistent, or refused; never half a file, never half a folder."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bot import cli
from indexer.backup import backup_file, exchange, snapshot
from indexer.backup.backup_file import DATABASE
from indexer.backup.checked_tar import MANIFEST
from indexer.backup.make import Made, make, make_if_changed
from indexer.backup.restore import Restored, restore
from indexer.backup.verify import look_through
from indexer.database import journal, lock, unfinished
from indexer.database.database import FILE_NAME, open_database
from indexer.database.migrate import back_up
from indexer.errors import DiskFull, StorageError
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import OPTED_OUT, WORD, change, kept, rows
from tests.worlds.killed_child import run_and_kill

CONTENT = ("guilds", "channels", "users", "messages", "texts", "places", "pictures", "embeddings", "spans", "opt_outs")
REMOVAL = {"kind": "MessagesDeleted", "message_ids": [5]}


def go_on() -> None:
    """Nobody stops the work."""


def quietly(*_: object) -> None:
    """Nobody looks how far it is."""


def backed_up(data_dir: Path, target: Path) -> Made:
    return make(data_dir, target, go_on, quietly)


def restored(data_dir: Path, file: Path, *, replace: bool = False) -> Restored:
    return restore(data_dir, file, go_on, quietly, replace=replace)


def content(data_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: rows(data_dir, f"SELECT * FROM {table} ORDER BY 1, 2") for table in CONTENT}


def is_sound(data_dir: Path) -> bool:
    return look_through(data_dir, go_on, quietly).sound


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A kept folder, and a plain and a compressed backup of it."""
    folder = tmp_path_factory.mktemp("made")
    data_dir = kept(folder / "data")
    (data_dir / journal.FILE_NAME).write_bytes(b'{"add":3,"what":' + json.dumps(REMOVAL).encode() + b"}\n\0\0\0")
    for name in ("plain.tar", "small.tar.zst"):
        backed_up(data_dir, folder / name)
    return data_dir, folder / "plain.tar", folder / "small.tar.zst"


@pytest.mark.parametrize("which", [1, 2])
def test_a_backup_put_in_place_elsewhere_holds_the_same_and_is_sound(
    made: tuple[Path, Path, Path], tmp_path: Path, which: int
) -> None:
    file = made[which]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert sorted(path.name for path in file.parent.iterdir()) == ["data", "plain.tar", "small.tar.zst"]
    answer = restored(tmp_path / "data", file)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        FILE_NAME, journal.FILE_NAME, lock.FILE_NAME,
    ]  # fmt: skip
    assert content(tmp_path / "data") == content(made[0])
    assert is_sound(tmp_path / "data")
    assert answer.manifest is not None
    assert answer.manifest.counts["messages"] == len(content(made[0])["messages"])
    assert (answer.aside, answer.carried_over) == (None, None)
    assert journal.pending(tmp_path / "data" / journal.FILE_NAME) == [REMOVAL]


def test_the_parts_can_be_checked_by_hand(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    assert made[2].stat().st_size < made[1].stat().st_size
    with tarfile.open(made[1]) as tar:
        assert tar.getnames() == ["manifest.json", "database.sqlite3", "removals.json", "SHA256SUMS"]
        found = json.loads(tar.extractfile(MANIFEST).read())  # type: ignore[union-attr]  # the line above says that it is there
    assert {"format", "version", "schema", "created", "created_ms", "counts", "parts"} == set(found)


async def test_it_is_one_moment_of_a_database_that_is_written_all_the_time(tmp_path: Path) -> None:
    data_dir = await asyncio.to_thread(kept, tmp_path / "data")
    done = asyncio.Event()
    async with open_database(data_dir) as db:

        async def write() -> int:
            number = 0
            while not done.is_set():
                number += 1
                async with db.transaction() as tx:
                    await tx.execute_fetchall("INSERT INTO deletions VALUES (?)", (number,))
                    await tx.execute_fetchall("INSERT INTO audit_log (at_ms, action) VALUES (?, 'both')", (number,))
            return number

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write())
            for name in ("a.tar", "b.tar"):
                await asyncio.to_thread(backed_up, data_dir, tmp_path / name)
            done.set()
        assert writing.result() > 5
    counts = []
    for name in ("a", "b"):
        await asyncio.to_thread(restored, tmp_path / name, tmp_path / f"{name}.tar")
        assert await asyncio.to_thread(is_sound, tmp_path / name)
        ((first,), (second,)) = rows(
            tmp_path / name,
            "SELECT count(*) FROM deletions UNION ALL SELECT count(*) FROM audit_log WHERE action = 'both'",
        )
        assert first == second
        counts.append(int(str(first)))
    assert counts[0] < counts[1]


def test_nothing_that_was_deleted_is_in_it(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    assert WORD.encode() in (data_dir / FILE_NAME).read_bytes()
    change(
        data_dir,
        "PRAGMA foreign_keys = ON",
        "PRAGMA secure_delete = OFF",
        f"DELETE FROM messages WHERE message_id = (SELECT message_id FROM texts WHERE content LIKE '%{WORD}%')",
    )
    assert WORD.encode() in (data_dir / FILE_NAME).read_bytes()
    backed_up(data_dir, tmp_path / "b.tar")
    assert WORD.encode() not in (tmp_path / "b.tar").read_bytes()


def overwrite(file: Path, at: float) -> None:
    """Changes one byte, at this share of the file."""
    data = bytearray(file.read_bytes())
    data[int(len(data) * at)] ^= 0x40
    file.write_bytes(data)


def cut(file: Path, at: float) -> None:
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * at)])


def replace_by(file: Path, data: bytes) -> None:
    file.write_bytes(data)


def with_manifest(file: Path, **changes: Any) -> None:
    """Writes the archive anew with another manifest."""
    with tarfile.open(file) as tar:
        parts = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # they are files
    parts[MANIFEST] = json.dumps({**json.loads(parts[MANIFEST]), **changes}).encode()
    with tarfile.open(file, "w") as tar:
        for name, data in parts.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


WRONG: dict[str, Callable[[Path], None]] = {
    "a byte of the manifest": lambda file: overwrite(file, 600 / file.stat().st_size),
    "a byte of the database": lambda file: overwrite(file, 0.5),
    "half of it is missing": lambda file: cut(file, 0.5),
    "the end is missing": lambda file: cut(file, 1 - 11_000 / file.stat().st_size),
    "it is empty": lambda file: cut(file, 0),
    "another program's archive": lambda file: replace_by(file, b"PK\x03\x04" + b"\0" * 4096),
    "a manifest that says something else": lambda file: with_manifest(file, counts={"messages": 1}),
    "a newer schema": lambda file: with_manifest(file, schema=9999),
    "a newer format": lambda file: with_manifest(file, format=9),
    "an unknown part": lambda file: with_manifest(file, parts=[{"name": "../x", "byte_count": 1, "sha256": ""}]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_whole_is_refused_before_anything_is_touched(
    made: tuple[Path, Path, Path], tmp_path: Path, wrong: str
) -> None:
    file, data_dir = tmp_path / "b.tar", kept(tmp_path / "data")
    file.write_bytes(made[1].read_bytes())
    WRONG[wrong](file)
    before = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.name != lock.FILE_NAME}
    with pytest.raises(StorageError, match=r"Nothing was changed|cannot be read|has no manifest|newer"):
        restored(data_dir, file, replace=True)
    after = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.name != lock.FILE_NAME}
    assert after == before


def test_a_compressed_one_that_is_cut_or_changed_is_refused(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    damages: tuple[Callable[[Path, float], None], ...] = (cut, overwrite)
    for damage in damages:
        file = tmp_path / f"{damage.__name__}.tar.zst"
        file.write_bytes(made[2].read_bytes())
        damage(file, 0.6)
        with pytest.raises(StorageError):
            restored(tmp_path / "data", file)
    assert not (tmp_path / "data" / FILE_NAME).exists()


def test_a_database_that_is_damaged_inside_a_whole_file_is_refused(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    ((root,),) = rows(data_dir, "SELECT rootpage FROM sqlite_master WHERE name = 'messages_by_author'")
    with (data_dir / FILE_NAME).open("r+b") as file:
        file.seek((int(str(root)) - 1) * 4096)
        file.write(b"\x55" * 4096)
    with pytest.raises(StorageError, match="damaged"):
        backed_up(data_dir, tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()
    plain = tmp_path / "upgrade.backup.sqlite3"
    plain.write_bytes((data_dir / FILE_NAME).read_bytes())
    with pytest.raises(StorageError, match="damaged"):
        restored(tmp_path / "other", plain)
    assert not (tmp_path / "other" / FILE_NAME).exists()


def test_the_copy_that_an_upgrade_leaves_is_a_backup_too(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        file = back_up(connection, data_dir / FILE_NAME, 11)
    restored(tmp_path / "other", file)
    assert content(tmp_path / "other") == content(data_dir)
    assert is_sound(tmp_path / "other")


def test_a_folder_in_use_or_with_a_database_is_refused(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    with pytest.raises(StorageError, match="has a database already"):
        restored(data_dir, made[1])
    code = (
        "import sys, pathlib; from indexer.database import lock\n"
        "with lock.hold(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, data_dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="is being written by process"):
            restored(data_dir, made[1], replace=True)
        holder.communicate()
    assert is_sound(data_dir)


def test_a_key_that_a_newer_version_has_limited_does_not_come_along(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    backed_up(data_dir, tmp_path / "b.tar")
    change(
        data_dir,
        "ALTER TABLE api_keys ADD COLUMN only_at_night INTEGER",
        "INSERT INTO api_keys (name, scope, sha256, created_ms, only_at_night)"
        " VALUES ('limited', 'read', zeroblob(32), 1, 1)",
    )
    restored(data_dir, tmp_path / "b.tar", replace=True)
    assert rows(data_dir, "SELECT 1 FROM api_keys") == []
    assert is_sound(data_dir)


def test_what_was_promised_after_the_backup_holds_after_it_was_put_in_place(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    key = "INSERT INTO api_keys (name, scope, sha256, created_ms) VALUES ('a key', 'read', zeroblob(32), 1)"
    change(data_dir, key, key)
    backed_up(data_dir, tmp_path / "b.tar")
    change(data_dir, "UPDATE api_keys SET revoked_ms = 5 WHERE key_id = 1")
    ((author,),) = rows(data_dir, "SELECT author_id FROM messages GROUP BY 1 ORDER BY count(*) LIMIT 1")
    ((deleted,),) = rows(data_dir, "SELECT message_id FROM messages WHERE author_id != ? LIMIT 1", author)
    ((written,),) = rows(data_dir, "SELECT count(*) FROM messages WHERE author_id = ?", author)
    change(
        data_dir,
        "PRAGMA foreign_keys = ON",
        f"INSERT INTO opt_outs VALUES (1, {author}, 5)",
        f"DELETE FROM messages WHERE author_id = {author}",
        f"INSERT INTO deletions VALUES ({deleted})",
    )
    former = content(data_dir)
    answer = restored(data_dir, tmp_path / "b.tar", replace=True)
    assert answer.carried_over is not None
    assert (answer.carried_over.opt_outs, answer.carried_over.deletions) == (1, 1)
    assert answer.carried_over.messages == int(str(written)) + 1
    assert rows(data_dir, "SELECT 1 FROM messages WHERE author_id = ? OR message_id = ?", author, deleted) == []
    assert rows(data_dir, "SELECT user_id FROM opt_outs ORDER BY 1") == [(OPTED_OUT,), (author,)]
    assert is_sound(data_dir)
    assert rows(data_dir, "SELECT revoked_ms FROM api_keys ORDER BY key_id") == [(5,), (None,)]
    restored(tmp_path / "other", tmp_path / "b.tar")
    assert rows(tmp_path / "other", "SELECT 1 FROM api_keys WHERE revoked_ms IS NULL") == []
    assert answer.aside is not None
    assert content(answer.aside) == former  # nothing was deleted
    assert list(answer.aside.glob("segments/*/*/*.segment"))


def test_the_commands_say_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    lowered: list[int] = []  # the process of the tests keeps its priority
    monkeypatch.setattr("bot.command_line.backup.lower_priority", lowered.append)
    assert cli.main(["backup", "b.tar.zst"]) == 0
    assert lowered == [10]
    assert "as of 20" in capsys.readouterr().out
    assert cli.main(["backup", "b.tar.zst"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert cli.main(["backup", "nowhere/b.tar"]) == 1
    assert "is no folder" in capsys.readouterr().err
    assert cli.main(["backup", "n" * 300]) == 1
    assert "name too long" in capsys.readouterr().err.lower()
    assert cli.main(["backup", "--json", "c.tar"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert_schema("backup", made)
    assert (made["file"], made["manifest"]["counts"]["guilds"]) == (str(tmp_path / "c.tar"), 1)
    assert cli.main(["restore", "--check", "b.tar.zst"]) == 0
    assert "is whole" in capsys.readouterr().out
    assert cli.main(["restore", "b.tar.zst"]) == 1
    assert "--replace" in capsys.readouterr().err
    assert cli.main(["restore", "b.tar.zst", "--replace", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("restore", found)
    assert cli.main(["restore", "--check", "b.tar.zst", "--json"]) == 0
    assert_schema("restore", json.loads(capsys.readouterr().out))
    assert found["carried_over"] == {"opt_outs": 0, "deletions": 0, "messages": 0}
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", "other")
    assert cli.main(["restore", "b.tar.zst"]) == 0
    out, err = capsys.readouterr()
    assert "the backup is in place" in out
    assert "no former database could be read" in err
    assert cli.main(["verify"]) == 0


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(DiskFull, match="MB are free"):
        make_if_changed(data_dir, tmp_path / "b.tar", go_on, quietly, keep_free=free)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_a_killed_backup_left_goes_before_its_room_is_missed(tmp_path: Path) -> None:
    data_dir, left = kept(tmp_path / "data"), tmp_path / ".afterimage-backup-killed"
    left.mkdir()
    for name in ("lock", "pages.sqlite3"):
        (left / name).write_bytes(b"texts of members")
    with pytest.raises(DiskFull, match="MB are free"):
        make_if_changed(data_dir, tmp_path / "b.tar", go_on, quietly, keep_free=10**15)
    assert not left.exists()


async def test_killed_in_the_middle_no_half_file_has_a_backups_name(tmp_path: Path) -> None:
    await asyncio.to_thread(kept, tmp_path / "data")
    await run_and_kill("killed_backup", tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2, left
    assert left[0].startswith(".afterimage-backup-")
    await asyncio.to_thread(backed_up, tmp_path / "data", tmp_path / "b.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "data"]


async def test_killed_while_files_are_exchanged_the_folder_says_to_give_the_command_again(tmp_path: Path) -> None:
    data_dir = await asyncio.to_thread(kept, tmp_path / "data")
    await asyncio.to_thread(backed_up, data_dir, tmp_path / "b.tar")
    before = await asyncio.to_thread(content, data_dir)
    await asyncio.to_thread(change, data_dir, "INSERT INTO opt_outs VALUES (0, 4711, 5)")
    await run_and_kill("killed_restore", tmp_path)
    assert not (data_dir / FILE_NAME).exists()
    for write in (True, False):
        with pytest.raises(StorageError, match=r"afterimage restore .*b\.tar"):
            async with open_database(data_dir, write=write):
                pass
    answer = await asyncio.to_thread(restored, data_dir, tmp_path / "b.tar")
    assert answer.carried_over is not None
    assert answer.carried_over.opt_outs == 1  # read from the database that was moved aside before the kill
    assert unfinished.read(data_dir) is None
    assert await asyncio.to_thread(is_sound, data_dir)
    after = await asyncio.to_thread(content, data_dir)
    assert {**after, "opt_outs": None} == {**before, "opt_outs": None}


def test_killed_before_the_database_itself_was_moved_its_log_and_its_journal_still_count(tmp_path: Path) -> None:
    data_dir, half = kept(tmp_path / "data"), tmp_path / "half"
    backed_up(data_dir, tmp_path / "b.tar")
    aside = half / "replaced-1"
    aside.mkdir(parents=True)
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        connection.execute("INSERT INTO opt_outs VALUES (0, 4711, 5)")
        connection.commit()
        shutil.copy(data_dir / FILE_NAME, half)  # while the log has what is newest
        shutil.copy(data_dir / f"{FILE_NAME}-wal", aside)
    journal.write(aside / journal.FILE_NAME, [REMOVAL])
    unfinished.note(half, unfinished.Exchange("afterimage restore b.tar", aside.name))
    answer = restored(half, tmp_path / "b.tar")
    assert answer.carried_over is not None
    assert (answer.carried_over.opt_outs, answer.aside) == (1, aside)
    assert journal.pending(half / journal.FILE_NAME) == [REMOVAL]
    assert rows(aside, "SELECT 1 FROM opt_outs WHERE user_id = 4711") == [(1,)]


def test_leftovers_of_a_database_that_is_gone_are_never_put_beside_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with the new database in place, before the note went."""
    backed_up(kept(tmp_path / "data"), tmp_path / "b.tar")
    other = tmp_path / "other"
    other.mkdir()
    (other / f"{FILE_NAME}-wal").write_bytes(b"of a database that is gone")
    with monkeypatch.context() as patched:
        patched.setattr(unfinished, "done", lambda _: None)
        restored(other, tmp_path / "b.tar")
    exchange.move_back(other)
    assert not (other / f"{FILE_NAME}-wal").exists()
    restored(other, tmp_path / "b.tar")
    assert is_sound(other)


def test_a_reading_of_the_journal_belongs_to_the_moment_of_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody carries a removal out between the reading of the journal and the beginning of the copy."""
    data_dir = kept(tmp_path / "data")
    path = data_dir / journal.FILE_NAME
    journal.write(path, [REMOVAL])
    read = journal.pending
    looks = iter([0, 1])

    def pending(path: Path) -> Any:
        found = read(path)
        if next(looks, None) == 0:
            change(data_dir, "INSERT INTO deletions VALUES (5)")
            path.write_bytes(b"\0" * 100)
        return found

    monkeypatch.setattr(snapshot, "pending", pending)
    backed_up(data_dir, tmp_path / "b.tar")
    restored(tmp_path / "other", tmp_path / "b.tar")
    assert rows(tmp_path / "other", "SELECT message_id FROM deletions") == [(5,)]
    assert not (tmp_path / "other" / journal.FILE_NAME).exists()


def test_what_zstd_expands_is_read_in_pieces(made: tuple[Path, Path, Path]) -> None:
    """A part that says a size beyond ours is refused, however small the file is."""
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(made[2].read_bytes())) as stream:
        assert stream.read(100).startswith(MANIFEST.encode())
    assert backup_file.read_manifest(made[2]).part(DATABASE) is not None
