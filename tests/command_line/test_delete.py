"""`afterimage delete` and `undelete`: counted, asked, carried out, taken back; alone and beside a bot."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conftest import Run
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import change, rows
from tests.worlds.person_at_terminal import Person
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.searchable_folder import GUILD_NAME, Folder, running_bot

pytestmark = pytest.mark.xdist_group("searching")  # one process makes the folder


@pytest.fixture
def own(folder: Folder, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A copy of the folder, which the test may change; commands are given in it. The export stays where it is."""
    shutil.copytree(folder.root / "data", tmp_path / "data")
    shutil.copy(folder.root / "config.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def given(run: Run, name: str, *arguments: str) -> tuple[int, Any]:
    """Exit code and answer of the command, held against its schema."""
    code, out, _ = run(name, *arguments, "--json")
    answer = json.loads(out)
    assert_schema(name, answer)
    return code, answer


def messages(own: Folder) -> int:
    ((count,),) = rows(own.root / "data", "SELECT count(*) FROM messages")
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("bot", [False, True], ids=["alone", "beside a bot"])
async def test_what_is_meant_is_counted_and_deleted_once(own: Folder, run: Run, bot: bool) -> None:
    def work() -> None:
        code, planned = given(run, "delete", "in:photos", "after:2000", "--dry-run")
        assert (code, planned) == (0, {"messages": 8, "pictures": 8, "deleted": 0, "dry_run": True})
        assert messages(own) == 8
        code, done = given(run, "delete", '"formula"', "--yes")
        assert (code, done["deleted"], done["pictures"]) == (0, 1, 1)
        code, done = given(run, "delete", "after:2000", "--yes")
        assert (code, done["deleted"], messages(own)) == (0, 7, 0)
        assert given(run, "delete", "after:2000", "--yes")[0] == 1

    async with running_bot(own) if bot else nullcontext():
        await asyncio.to_thread(work)


def test_an_archive_brings_nothing_back_until_it_is_taken_back(own: Folder, folder: Folder, run: Run) -> None:
    export = str(folder.root / "export")
    assert given(run, "delete", "after:2000", "--yes")[1]["deleted"] == 8
    assert run("import", export)[0] in (0, 1)
    assert messages(own) == 0
    assert given(run, "undelete", "in:photos", "before:2001")[0] == 1
    assert given(run, "undelete", "in:photos")[1] == {"messages": 8}
    assert run("import", export)[0] == 0
    assert messages(own) == 8


@pytest.mark.parametrize("bot", [False, True], ids=["alone", "beside a bot"])
async def test_an_imported_server_goes_whole_with_its_archive(own: Folder, run: Run, bot: bool) -> None:
    def work() -> None:
        code, planned = given(run, "delete", "--collection", GUILD_NAME, "--dry-run")
        assert (code, planned["server"], planned["messages"], messages(own)) == (0, GUILD_NAME, 8, 8)
        assert given(run, "delete", "--collection", GUILD_NAME.upper(), "--yes")[1]["deleted"] == 8
        assert run("delete", "--collection", GUILD_NAME, "--yes")[0] == 1
        for table in ("guilds", "channels", "messages", "places", "pictures", "embeddings", "origins", "spans"):
            assert rows(own.root / "data", f"SELECT count(*) FROM {table}") == [(0,)], table

    async with running_bot(own) if bot else nullcontext():
        await asyncio.to_thread(work)


def test_an_empty_collection_goes_too(own: Folder, run: Run) -> None:
    assert given(run, "delete", "after:2000", "--yes")[1]["deleted"] == 8
    code, out, _ = run("delete", "--collection", GUILD_NAME, "--yes")
    assert (code, "are deleted" in out) == (0, True)
    assert rows(own.root / "data", "SELECT count(*) FROM guilds") == [(0,)]


def test_a_person_must_type_delete(own: Folder, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, code, left in (("yes\n", 1, 8), ("delete\n", 0, 7)):
        ours, theirs = pseudo_terminal()
        with os.fdopen(theirs) as terminal:
            monkeypatch.setattr("sys.stdin", terminal)
            threading.Thread(target=os.write, args=(ours, typed.encode())).start()
            assert run("delete", '"formula"')[0] == code
        os.close(ours)
        assert messages(own) == left


@pytest.mark.parametrize("words", [("after:2000",), ("--collection", GUILD_NAME)])
def test_another_number_than_was_confirmed_is_not_deleted(
    own: Folder, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def delete_another() -> None:
        change(own.root / "data", "DELETE FROM messages WHERE message_id = (SELECT max(message_id) FROM messages)")

    monkeypatch.setattr("sys.stdin", Person("delete", delete_another))
    code, out, err = run("delete", *words)
    assert (code, out, messages(own)) == (1, "", 7)
    assert "You confirmed 8, and now 7 are meant" in err


def test_what_cannot_be_meant_is_one_line(own: Folder, run: Run) -> None:
    for arguments in (
        ("delete",),
        ("delete", "--yes"),
        ("delete", "-formula", "--yes"),
        ("delete", "after:2000"),
        ("delete", "--collection", GUILD_NAME),
        ("delete", "cat", "--collection", GUILD_NAME, "--yes"),
        ("delete", "--collection", "nobody's", "--yes"),
        ("delete", "in:#nowhere", "--yes"),
        ("undelete", "from:ada"),
        ("undelete", "words"),
    ):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (1, "", 1), (arguments, err)
    assert messages(own) == 8
