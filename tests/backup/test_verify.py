"""`afterimage verify`: a sound folder is sound, and each kind of fault is found and named."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import cli
from indexer.backup.verify import Verification, look_through
from indexer.database import unfinished
from indexer.database.database import FILE_NAME, open_database
from indexer.errors import StorageError
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import PLACES, change, kept, rows


def looked(data_dir: Path) -> Verification:
    return look_through(data_dir, lambda: None, lambda *_: None)


def segment(data_dir: Path) -> Path:
    return max(data_dir.glob("segments/*/*/*.segment"), key=lambda path: path.stat().st_size)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes((byte[0] ^ 0xFF,)))


def test_a_sound_folder_is_sound_and_its_rows_are_counted(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    before = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    found = looked(data_dir)
    assert (found.faults, found.sound) == ([], True)
    assert found.counts["places"] == PLACES + 100
    assert [finding.kind for finding in found.notes] == ["waiting"]
    assert found.notes[0].count > 0
    (data_dir / "replaced-20260101T000000Z").mkdir()
    assert [(finding.kind, finding.count) for finding in looked(data_dir).notes][1:] == [("former-databases", 1)]
    (data_dir / "replaced-20260101T000000Z").rmdir()
    after = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and "-shm" not in path.name}
    assert {path: data for path, data in after.items() if data} == {path: data for path, data in before.items() if data}


def damage_vectors(data_dir: Path) -> None:
    flip(segment(data_dir), 500)


def cut_short(data_dir: Path) -> None:
    path = segment(data_dir)
    os.truncate(path, path.stat().st_size - 1)


def remove_segment(data_dir: Path) -> None:
    segment(data_dir).unlink()


def lose_log_lines(data_dir: Path) -> None:
    change(data_dir, "DELETE FROM index_log")


def change_embeddings_unseen(data_dir: Path) -> None:
    change(
        data_dir,
        "DROP TRIGGER index_embedding_update",
        "UPDATE embeddings SET vector = (SELECT vector FROM embeddings WHERE picture_id = 2) WHERE picture_id = 1",
    )


def change_frames_unseen(data_dir: Path) -> None:
    change(
        data_dir,
        "DROP TRIGGER index_frame_update",
        "UPDATE frames SET vector = (SELECT vector FROM embeddings WHERE picture_id = 2)"
        " WHERE frame_id = (SELECT min(frame_id) FROM frames)",
    )


def lose_frames_unseen(data_dir: Path) -> None:
    change(
        data_dir,
        "DROP TRIGGER index_frame_delete",
        "DELETE FROM frames WHERE picture_id = (SELECT min(picture_id) FROM frames)",
    )


def shorten_a_frame(data_dir: Path) -> None:
    change(data_dir, "UPDATE frames SET vector = x'0000' WHERE frame_id = 1")


def move_places_unseen(data_dir: Path) -> None:
    change(data_dir, "DROP TRIGGER index_message_update", "UPDATE messages SET author_id = 500 WHERE author_id != 500")


def delete_places_unseen(data_dir: Path) -> None:
    change(
        data_dir,
        "PRAGMA foreign_keys = ON",
        "DROP TRIGGER index_place_delete",
        "DELETE FROM places WHERE place_id = 7",
    )


def shorten_an_embedding(data_dir: Path) -> None:
    change(data_dir, "UPDATE embeddings SET vector = x'0000' WHERE picture_id = 1")


def orphan_a_place(data_dir: Path) -> None:
    change(data_dir, "DELETE FROM channels WHERE channel_id = 101")


def lose_a_word(data_dir: Path) -> None:
    change(data_dir, "DELETE FROM words_docsize WHERE id = (SELECT min(message_id) FROM texts)")


def list_a_word_too_many(data_dir: Path) -> None:
    change(data_dir, "INSERT INTO words_docsize (id, sz) VALUES (1, x'00')")


def overwrite_a_page(data_dir: Path) -> None:
    path = data_dir / FILE_NAME
    ((root,),) = rows(data_dir, "SELECT rootpage FROM sqlite_master WHERE name = 'messages_by_author'")
    with path.open("r+b") as file:
        file.seek((int(str(root)) - 1) * 4096)
        file.write(b"\x55" * 4096)


def no_database_at_all(data_dir: Path) -> None:
    (data_dir / FILE_NAME).write_bytes(b"not a database" * 1000)


def newer(data_dir: Path) -> None:
    change(data_dir, "PRAGMA user_version = 9999")


def interrupt_an_exchange(data_dir: Path) -> None:
    unfinished.note(data_dir, unfinished.Exchange("afterimage restore b.tar", "replaced-1"))


@pytest.mark.parametrize(
    ("damage", "kinds"),
    [
        (damage_vectors, {"segment-damaged"}),
        (cut_short, {"segment-damaged"}),
        (remove_segment, {"segment-damaged"}),
        (lose_log_lines, {"segment-missing"}),
        (change_embeddings_unseen, {"segment-differing"}),
        (change_frames_unseen, {"segment-differing"}),
        (lose_frames_unseen, {"segment-differing"}),
        (shorten_a_frame, {"frame-length"}),
        (move_places_unseen, {"segment-differing"}),
        (delete_places_unseen, {"segment-surplus"}),
        (shorten_an_embedding, {"embedding-length"}),
        (orphan_a_place, {"foreign-keys"}),
        (lose_a_word, {"words"}),
        (list_a_word_too_many, {"words"}),
        (overwrite_a_page, {"integrity"}),
        (no_database_at_all, {"database"}),
        (newer, {"schema"}),
        (interrupt_an_exchange, {"unfinished"}),
    ],
)
def test_each_kind_of_fault_is_found(tmp_path: Path, damage: Callable[[Path], None], kinds: set[str]) -> None:
    data_dir = kept(tmp_path / "data")
    damage(data_dir)
    found = looked(data_dir)
    assert {finding.kind for finding in found.faults} == kinds


async def test_it_works_beside_a_writer(tmp_path: Path) -> None:
    data_dir = await asyncio.to_thread(kept, tmp_path / "data")
    async with open_database(data_dir) as db, db.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM messages WHERE channel_id = 101")
        found = await asyncio.to_thread(looked, data_dir)
        assert (found.faults, found.counts["places"]) == ([], PLACES + 100)


def test_the_command_says_what_it_found_and_its_exit_code_is_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = kept(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["verify"]) == 0
    assert capsys.readouterr().out.endswith("sound: everything fits together\n")
    remove_segment(data_dir)
    orphan_a_place(data_dir)
    assert cli.main(["verify", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert "FAULT: " in out
    assert "No such file or directory: the bot makes it anew" in out
    assert "afterimage salvage" in out
    assert cli.main(["verify", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert_schema("verify", found)
    assert (found["sound"], {fault["kind"] for fault in found["faults"]}) == (
        False,
        {"segment-damaged", "foreign-keys"},
    )
    assert cli.main(["verify", "--config", str(tmp_path / "none.toml")]) == 1
    with pytest.raises(StorageError, match="There is no database"):
        looked(tmp_path)
