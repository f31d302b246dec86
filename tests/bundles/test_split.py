"""`afterimage split`: the copy where a server was goes only after the new one was compared, and somebody said yes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot import cli
from bot.observability import terminal
from indexer.backup.verify import look_through
from indexer.bundles.storing import store
from indexer.records.ids import EVERYWHERE
from tests.worlds.bundled import installation, quietly, read, same, written
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import rows
from tests.worlds.records import message, picture

OTHER = (
    "INSERT INTO guilds (guild_id, name, added_ms) VALUES (2, 'Elsewhere', 0)",
    "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (20, 2, 'text', 'c')",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder `data` of a bot with two servers; both show one picture."""
    posts = [message(number, picture(str(number % 3))) for number in range(1, 7)]
    promised = written(
        "INSERT INTO opt_outs VALUES (0, 500, 1), (2, 501, 1)", "INSERT INTO spans VALUES (10, 0, 0, 9)",
        "UPDATE guilds SET consent = 1", "INSERT INTO deleted_here VALUES (9, 10)",
    )  # fmt: skip
    elsewhere = read(message(30, picture("1"), channel=20, guild=2))
    asyncio.run(installation(tmp_path / "data", read(*posts), written(*OTHER), elsewhere, promised, application_id=900))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def is_sound(data_dir: Path) -> bool:
    return look_through(data_dir, quietly, quietly).sound


def test_with_yes_the_server_moves_whole_and_nothing_of_others_goes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = same(folder / "data")
    assert cli.main(["split", "meadow", "new", "--yes", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("split", found)
    assert (found["messages"], found["deleted_here"]) == (6, True)
    new, old = same(folder / "new"), same(folder / "data")
    assert [row[0] for row in new["messages"]] == [1, 2, 3, 4, 5, 6]
    assert [row[0] for row in old["messages"]] == [30]
    assert new["spans"] == before["spans"]
    assert (len(new["embeddings"]), len(old["embeddings"])) == (3, 1)
    assert new["opt_outs"] == [(EVERYWHERE, 500)]
    assert old["opt_outs"] == before["opt_outs"]
    assert rows(folder / "new", "SELECT application_id FROM application") == [(900,)]
    assert rows(folder / "new", "SELECT consent FROM guilds") == [(1,)]
    assert is_sound(folder / "new")
    assert is_sound(folder / "data")


def test_without_a_yes_or_with_keep_the_copy_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = same(folder / "data")
    assert cli.main(["split", "1", "new", "--quiet"]) == 1  # nobody is there to be asked
    assert "--yes" in capsys.readouterr().err
    assert same(folder / "data") == before
    assert cli.main(["split", "1", "new", "--keep", "--quiet"]) == 0  # the same folder: it goes on
    assert "was kept" in capsys.readouterr().out
    assert same(folder / "data") == before


def test_a_person_who_says_yes_is_asked_once_the_copy_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "asks_a_person", lambda: True)
    monkeypatch.setattr(terminal, "answer_to", lambda _: "yes")
    assert cli.main(["split", "Meadow", "new", "--quiet"]) == 0
    assert "every row was compared. Its copy in" in capsys.readouterr().err
    assert [row[0] for row in same(folder / "data")["messages"]] == [30]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE texts SET content = 'other' WHERE message_id = 3", "1 messages are missing"),
        ("DELETE FROM embeddings WHERE embedding_id = 1", "1 embeddings are missing"),
        ("UPDATE places SET picture_id = 1 WHERE message_id = 2", "pictures in messages are missing"),
        ("DELETE FROM channels WHERE channel_id = 12", "1 channels are missing"),
        ("DELETE FROM deleted_here", "1 messages deleted by hand are missing"),
        ("DELETE FROM spans", "1 stretches of history are missing"),
        ("DELETE FROM opt_outs", "opt-outs are missing"),
    ],
)
def test_what_is_missing_in_the_new_folder_keeps_the_copy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], damage: str, said: str
) -> None:
    before = same(folder / "data")

    async def damaged(db: object, *values: object, **more: object) -> object:
        stored = await store(db, *values, **more)  # type: ignore[arg-type]  # as it was called
        async with db.transaction() as tx:  # type: ignore[attr-defined]  # the new folder's database
            await tx.execute_fetchall(damage)
        return stored

    monkeypatch.setattr("indexer.bundles.moving.store", damaged)
    assert cli.main(["split", "Meadow", "new", "--yes", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "Nothing was deleted" in err
    assert same(folder / "data") == before


def test_a_folder_with_another_server_or_another_bot_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(installation(folder / "theirs", application_id=901))
    assert cli.main(["split", "Meadow", "theirs", "--keep", "--quiet"]) == 1
    assert "application id 901" in capsys.readouterr().err
    asyncio.run(installation(folder / "full", written(*OTHER)))
    assert cli.main(["split", "Meadow", "full", "--keep", "--quiet"]) == 1
    assert "Elsewhere" in capsys.readouterr().err
