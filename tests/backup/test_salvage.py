"""`afterimage salvage`: whatever pages are overwritten, the rest is kept, sound, and claims nothing that is lost."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli
from indexer.backup.salvage import Salvaged, salvage_in_thread, without
from indexer.backup.verify import look_through
from indexer.database import lock
from indexer.database.database import FILE_NAME
from indexer.errors import StorageError
from tests.worlds.encoder import Encoder
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import OPTED_OUT, change, kept, rows
from tests.worlds.running_bot import indexed, running, town, with_auto_start
from tests.worlds.tables import Tables
from tests.worlds.waiting import until_equals

PAGE = 4096


def salvaged(data_dir: Path) -> Salvaged:
    return salvage_in_thread(data_dir, lambda: None, lambda *_: None)


def overwrite(data_dir: Path, pages: list[int], content: bytes = b"\x55") -> None:
    with (data_dir / FILE_NAME).open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write((content * PAGE)[:PAGE])


def root(data_dir: Path, name: str) -> int:
    ((number,),) = rows(data_dir, "SELECT rootpage FROM sqlite_master WHERE name = ?", name)
    assert isinstance(number, int)
    return number


def leaves(data_dir: Path, name: str) -> list[int]:
    """The leaf pages of a table, which has one floor above them, in the order of their rows."""
    data = (data_dir / FILE_NAME).read_bytes()
    return children(data[(root(data_dir, name) - 1) * PAGE :][:PAGE], 0)


def children(page: bytes, start: int) -> list[int]:
    """The pages below an interior page of a table, whose header is at `start`."""
    assert page[start] == 5
    count = int.from_bytes(page[start + 3 : start + 5])
    pointers = range(start + 12, start + 12 + 2 * count, 2)
    cells = [int.from_bytes(page[at : at + 2]) for at in pointers]
    return [*(int.from_bytes(page[cell : cell + 4]) for cell in cells), int.from_bytes(page[start + 8 : start + 12])]


def count(data_dir: Path, table: str) -> int:
    ((number,),) = rows(data_dir, f"SELECT count(*) FROM {table}")
    assert isinstance(number, int)
    return number


def assert_sound(data_dir: Path) -> None:
    assert look_through(data_dir, lambda: None, lambda *_: None).faults == []


def content(data_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    tables = (
        "guilds",
        "channels",
        "users",
        "messages",
        "texts",
        "places",
        "pictures",
        "embeddings",
        "frames",
        "spans",
        "opt_outs",
    )
    return {table: rows(data_dir, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}


def test_a_sound_database_comes_out_as_it_was(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    result = salvaged(data_dir)
    assert (result.lossless, result.reread, result.opt_outs_in_doubt) == (True, 0, False)
    assert content(data_dir) == before
    assert_sound(data_dir)
    ((found,),) = rows(data_dir, "SELECT count(*) FROM words WHERE words MATCH 'quetzalcoatlus'")
    assert found == 1


def test_texts_of_pictures_are_not_new_to_saved_searches(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    ((guild, author, picture),) = rows(
        data_dir,
        "SELECT guild_id, author_id, picture_id FROM places JOIN messages USING (message_id, guild_id) LIMIT 1",
    )
    change(
        data_dir,
        f"INSERT INTO picture_texts (picture_id, kind, body) VALUES ({picture}, 'ocr', 'gate 17')",
        f"INSERT INTO saved_searches VALUES (1, {guild}, {author}, 'mine', 'gate', 0, NULL, NULL, NULL, NULL)",
        f"INSERT INTO saved_notices (saved_id, guild_id, after_id, language) VALUES (1, {guild}, 0, 'en')",
    )
    assert salvaged(data_dir).lossless
    assert (count(data_dir, "picture_texts"), count(data_dir, "saved_notices")) == (1, 1)
    assert count(data_dir, "new_pictures") == 0


@pytest.mark.parametrize("seed", range(4))
def test_pages_overwritten_anywhere_cost_little_and_nothing_lost_is_claimed(tmp_path: Path, seed: int) -> None:
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    pages = (data_dir / FILE_NAME).stat().st_size // PAGE
    chosen = random.Random(seed)
    overwrite(data_dir, chosen.sample(range(2, pages + 1), 12), chosen.choice((b"\0", b"\x55", b"\x0d\x05")))
    digest = hashlib.sha256((data_dir / FILE_NAME).read_bytes()).digest()
    result = salvaged(data_dir)
    assert_sound(data_dir)
    assert result.aside is not None
    assert hashlib.sha256((result.aside / FILE_NAME).read_bytes()).digest() == digest, "the damaged file is not written"
    after = content(data_dir)
    assert set(after["embeddings"]) <= set(before["embeddings"])
    # A page holds some hundred embeddings of 16 dimensions, or as many pictures, without which they are of no use.
    assert len(after["embeddings"]) >= len(before["embeddings"]) - 12 * 120
    assert result.tables["embeddings"].kept == len(after["embeddings"])
    read = rows(data_dir, "SELECT channel_id, low, high FROM spans")
    lost = {row[0]: row for row in before["messages"]}.keys() - {row[0] for row in after["messages"]}
    channel_of = {row[0]: row[2] for row in before["messages"]}
    assert not [m for m in lost if any(c == channel_of[m] and low <= m <= high for c, low, high in read)]  # type: ignore[operator]  # they are numbers


def test_a_page_above_others_costs_no_embedding(tmp_path: Path) -> None:
    """SQLite finds none of the embeddings then. Their own pages are known by the shape of their rows."""
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    overwrite(data_dir, [root(data_dir, "embeddings"), root(data_dir, "pictures")])
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("SELECT vector FROM embeddings").fetchall()
    result = salvaged(data_dir)
    assert content(data_dir) == before
    assert (result.tables["embeddings"].kept, result.tables["embeddings"].gaps) == (len(before["embeddings"]), 1)
    assert_sound(data_dir)


def test_without_its_first_page_nothing_is_lost(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    overwrite(data_dir, [1], b"\0")
    assert salvaged(data_dir).reread == 0
    assert content(data_dir) == before


def test_without_any_schema_the_rows_are_known_by_their_shape(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    overwrite(data_dir, [1, *children((data_dir / FILE_NAME).read_bytes()[:PAGE], 100)], b"\0")
    result = salvaged(data_dir)
    after = content(data_dir)
    assert result.reread is None
    assert after["spans"] == []
    big = ("messages", "texts", "places", "pictures", "embeddings", "channels")
    assert {name: after[name] for name in big} == {name: before[name] for name in big}
    assert_sound(data_dir)


def test_lost_messages_are_read_again_and_their_embeddings_stay(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    overwrite(data_dir, [leaves(data_dir, "messages")[2]])
    result = salvaged(data_dir)
    after = content(data_dir)
    assert 0 < len(before["messages"]) - len(after["messages"]) < 200
    assert after["embeddings"] == before["embeddings"]
    assert after["pictures"] == before["pictures"]
    assert result.reread == len(before["spans"])
    assert len(after["spans"]) == 2 * len(before["spans"])
    assert_sound(data_dir)


def test_lost_places_and_words_are_read_again(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    before = content(data_dir)
    overwrite(data_dir, [leaves(data_dir, "places")[1], leaves(data_dir, "texts")[3]])
    salvaged(data_dir)
    after = content(data_dir)
    assert [row[0] for row in after["messages"]] == [row[0] for row in before["messages"]]
    read = rows(data_dir, "SELECT channel_id, low, high FROM spans")

    def is_read(message: object, channel: object) -> bool:
        return any(c == channel and low <= message <= high for c, low, high in read)  # type: ignore[operator]  # they are numbers

    channel_of = {row[0]: row[2] for row in before["messages"]}
    places = {row[0] for row in after["places"]}
    changed = {row[1] for row in before["places"] if row[0] not in places}
    changed |= {row[0] for row in set(before["texts"]) - set(after["texts"])}
    assert len(changed) > 20
    assert not [message for message in changed if is_read(message, channel_of[message])]
    unchanged = channel_of.keys() - changed
    assert sum(is_read(message, channel_of[message]) for message in unchanged) > len(unchanged) * 0.9
    assert_sound(data_dir)


def test_opt_outs_come_back_from_the_audit_log(tmp_path: Path) -> None:
    data_dir = kept(tmp_path / "data")
    change(
        data_dir,
        "INSERT INTO audit_log (at_ms, action, guild_id, actor_id, detail) VALUES"
        " (5, 'privacy.forget', NULL, 77, '{\"user\": 77}'), (6, 'privacy.forget', 1, 88, '{\"user\": 88}'),"
        " (7, 'privacy.forget', 1, 99, '{\"user\": 99}'), (7, 'privacy.forget', NULL, 99, '{\"user\": 99}'),"
        " (7, 'privacy.forget', 2, 99, '{\"user\": 99}'), (8, 'privacy.return', 1, 99, '{}')",
    )
    overwrite(data_dir, [root(data_dir, "opt_outs")])
    result = salvaged(data_dir)
    assert rows(data_dir, "SELECT guild_id, user_id FROM opt_outs ORDER BY 2") == [(0, OPTED_OUT), (1, 88), (2, 99)]
    assert not result.opt_outs_in_doubt
    shutil.rmtree(data_dir)
    kept(data_dir)
    overwrite(data_dir, [root(data_dir, "opt_outs"), root(data_dir, "audit_log")])
    assert salvaged(data_dir).opt_outs_in_doubt


def test_what_only_the_log_has_is_kept(tmp_path: Path) -> None:
    """A bot that was killed: its last changes are in the write-ahead log, and nowhere else."""
    source, data_dir = kept(tmp_path / "source"), tmp_path / "data"
    with closing(sqlite3.connect(source / FILE_NAME)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE texts SET content = 'only in the log'")
        connection.commit()
        connection.execute("INSERT INTO deletions VALUES (4711)")
        connection.commit()
        data_dir.mkdir()
        for path in source.glob(f"{FILE_NAME}*"):
            shutil.copy(path, data_dir)
    with (data_dir / f"{FILE_NAME}-wal").open("ab") as file:
        file.write(b"\x55" * 9_000)  # torn
    (data_dir / f"{FILE_NAME}-shm").unlink()
    assert salvaged(data_dir).lossless
    assert rows(data_dir, "SELECT DISTINCT content FROM texts") == [("only in the log",)]
    assert rows(data_dir, "SELECT * FROM deletions") == [(4711,)]
    assert_sound(data_dir)


@pytest.mark.parametrize("damage", [b"", b"\0" * PAGE * 50, b"no database at all, but a text" * 999])
def test_where_nothing_can_be_read_nothing_is_changed(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(damage)
    with pytest.raises(StorageError, match="restore a backup"):
        salvaged(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == damage
    assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, lock.FILE_NAME}


@pytest.mark.parametrize(
    ("gaps", "pieces"),
    [
        ([], [(0, 99)]),
        ([(200, 300)], [(0, 99)]),
        ([(10, 19)], [(0, 9), (20, 99)]),
        ([(30, 39), (10, 19), (15, 20)], [(0, 9), (21, 29), (40, 99)]),
        ([(-5, 3), (90, 500)], [(4, 89)]),
        ([(-5, 500)], []),
    ],
)
def test_a_span_without_its_gaps(gaps: list[tuple[int, int]], pieces: list[tuple[int, int]]) -> None:
    assert without((0, 99), gaps) == pieces


def test_the_command_says_what_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = kept(tmp_path / "data")
    overwrite(data_dir, [leaves(data_dir, "messages")[1]])
    monkeypatch.chdir(tmp_path)
    assert cli.main(["salvage"]) == 0
    out = capsys.readouterr().out
    assert "1 stretches unreadable" in out
    assert "the bot reads what is missing from Discord anew" in out
    assert cli.main(["verify", "--quiet"]) == 0
    capsys.readouterr()
    assert cli.main(["salvage", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("salvage", found)
    assert (found["lossless"], found["tables"]["guilds"]) == (True, {"kept": 1, "refused": 0, "gaps": 0})


async def test_the_bot_reads_anew_what_is_missing_and_embeds_nothing_twice(tmp_path: Path) -> None:
    data_dir, place = tmp_path / "data", town()
    async with indexed(place, data_dir) as bot:
        before = await Tables(bot.service.db).rows()
    number = await asyncio.to_thread(root, data_dir, "messages")
    await asyncio.to_thread(overwrite, data_dir, [number])
    await asyncio.to_thread(salvaged, data_dir)
    assert await asyncio.to_thread(count, data_dir, "messages") == 0
    deleted = next(iter(place.pictures.messages()))
    deleted.delete()  # nobody must keep anything of it
    encoder = Encoder()
    async with running(place.world, data_dir, with_auto_start, encoder) as bot:
        await bot.embedded(7)
        await until_equals(7, lambda: bot.count("SELECT count(*) FROM places WHERE state = 'ready'"))
        after = await Tables(bot.service.db).rows()
    assert encoder.encoded == 0
    assert after["messages"] == [row for row in before["messages"] if row[0] != deleted.id]
    assert set(after["pictures"]) < set(before["pictures"])
    assert_sound(data_dir)
