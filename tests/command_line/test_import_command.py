"""`afterimage import` as a person and a program use it: a pipe, a terminal, Ctrl-C, kill -9, a running bot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bot.command_line.import_archive import Asked, _handed_over
from bot.config.tables import Config
from bot.control.handler import Tell, Values
from bot.control.server import open_control
from indexer.database.database import FILE_NAME, open_database
from indexer.encode import cluster_files
from indexer.reports import status
from indexer.reports.status import Counts
from indexer.settings import Settings
from tests.archives.test_import import FILES, write_export
from tests.worlds.bot_child import opened
from tests.worlds.child_bot import child, child_at
from tests.worlds.commands_here import give_command
from tests.worlds.exports import document, message
from tests.worlds.json_schemas import assert_schema
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.waiting import DEADLINE_S, until


async def said(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """What the command says in the process of the tests."""
    with mock.patch("indexer.service.open_encoder", opened):
        done = await asyncio.to_thread(give_command, folder, "import", *arguments, AFTERIMAGE_DECODE_WORKERS="1")
    return done.returncode, done.stdout, done.stderr


async def counts(folder: Path) -> Counts:
    async with open_database(folder / "data", write=False) as db, db.reader() as connection:
        return (await status.read(connection)).total


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    await asyncio.to_thread(write_export, tmp_path / "export", 5)
    return tmp_path


async def test_three_words_bring_an_export_in_and_a_dry_run_stores_nothing(folder: Path) -> None:
    code, out, err = await said(folder, "--dry-run", "export")
    assert (code, err) == (0, "")
    assert "Lower Wickham: 1 channels, 5 messages" in out
    assert "5 pictures: 5 saved in files" in out
    assert not (folder / "data").exists()
    code, out, _ = await said(folder, "export")
    assert code == 0
    assert "5 pictures embedded now; 0.0% of those at hand were known already" in out
    code, out, _ = await said(folder, "export", "--json", "--quiet")
    found: dict[str, Any] = json.loads(out)
    assert_schema("import", found)
    assert found["imported"] == [
        {"id": "81384788765712384", "messages": 0, "embedded": 0, "hit_rate": 1.0, "vanished": 0, "failures": {}}
    ]
    assert found["guilds"][0] == {
        "id": "81384788765712384", "name": "Lower Wickham", "channels": 1, "messages": 5, "pictures": 5, "saved": 5,
        "missing": 0, "refused": 0, "live": 0, "dead": 0, "elsewhere": 0,
    }  # fmt: skip
    assert (found["problems"], found["problem_count"], found["handed_over"]) == ([], 0, False)


async def test_an_export_that_has_not_changed_is_not_read_again(folder: Path) -> None:
    assert (await said(folder, "export", "--quiet"))[0] == 0
    code, out, _ = await said(folder, "export", "--quiet")
    assert code == 0
    assert "nothing has changed since it was imported, so it was not read again" in out
    await asyncio.to_thread(write_export, folder / "export", 6)
    code, out, _ = await said(folder, "export", "--quiet")
    assert "1 pictures embedded now" in out
    (folder / "export" / FILES / "cat-9.png").write_bytes(b"<html>")  # no document: the export is the same
    assert "not read again" in (await said(folder, "export", "--quiet"))[1]


async def test_a_folder_of_pictures_is_imported_by_name_and_after_that_without(folder: Path) -> None:
    code, out, _ = await said(folder, "export", "--as", "Photos", "--dry-run")
    assert code == 0
    assert "Photos: 1 folders" in out
    assert "5 pictures: 5 of them new or changed; 0 that were there before are gone" in out
    code, out, _ = await said(folder, "export", "--as", "Photos", "--json", "--quiet")
    (brought,) = json.loads(out)["imported"]
    assert (brought["messages"], brought["embedded"], brought["vanished"]) == (5, 5, 0)
    (folder / "export" / FILES / "cat-0.png").unlink()
    code, out, _ = await said(folder, "export", "--quiet")
    assert code == 0
    assert "4 pictures: 0 of them new or changed; 1 that were there before are gone" in out
    code, _, err = await said(folder, "nowhere", "--as", "Photos")
    assert code == 1
    assert "nowhere is no folder." in err


async def test_where_no_cluster_can_be_had_nothing_begins_and_it_is_said_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_files, "find_spec", lambda _: None)
    code, out, err = await said(folder, "export", "--fleet")
    assert (code, out) == (1, "")
    assert "--fleet needs Ray, which is not installed here: pip install 'afterimage[fleet]'" in err
    assert (await counts(folder)).messages == 0
    code, out, _ = await said(folder, "export", "--quiet")
    assert "5 pictures embedded now" in out


async def test_of_two_archives_of_one_server_each_says_what_it_brought(folder: Path) -> None:
    await asyncio.to_thread(write_export, folder / "newer", 8)
    code, out, _ = await said(folder, "export", "newer", "--quiet")
    assert code == 0
    assert [int(line.split()[0]) for line in out.splitlines() if "embedded now" in line] == [5, 3]


async def test_what_cannot_be_read_is_named_and_the_exit_code_says_whether_anything_could(folder: Path) -> None:
    data = document([message(1), message(2)])
    (folder / "export" / "cut.json").write_bytes(data[: data.index(b"message 2")])
    code, out, _ = await said(folder, "--dry-run", "export", "gone.json")
    assert code == 0
    place = data.index(b'"id": "866666666666668666"') - 8
    assert f"! {folder}/export/cut.json, byte {place:,}: The file ends in the middle." in out
    assert f"! {folder}/gone.json: There is no such file or folder." in out
    code, out, _ = await said(folder, "gone.json")
    assert code == 1
    assert "nothing here is an export" in out
    code, _, err = await said(folder, "export", "--media", "nowhere")
    assert code == 1
    assert f"{folder}/nowhere is no folder." in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("how", "what"), [("SIGKILL", ["export"]), ("SIGINT", ["export"]), ("SIGKILL", ["export", "--as", "Photos"])]
)
async def test_killed_or_interrupted_in_the_middle_it_goes_on_where_it_was(
    tmp_path: Path, how: str, what: list[str]
) -> None:
    """An export, and the same pictures as a collection."""
    total = 40
    await asyncio.to_thread(write_export, tmp_path / "export", total)
    (tmp_path / "config.toml").write_text("[model]\nbatch_size = 1\n")
    variables = {"CHILD_WAITS": "1", "CHILD_FREE": "9"}
    async with child(tmp_path, "import", *what, "--quiet", **variables) as command:

        async def some() -> bool:
            assert command.runs, "it ended before it could be interrupted"
            try:
                with closing(sqlite3.connect(f"file:{tmp_path}/data/{FILE_NAME}?mode=ro", uri=True)) as connection:
                    rows = connection.execute("SELECT count(*) FROM places WHERE state = 'ready'").fetchall()
                return rows > [(3,)]
            except sqlite3.OperationalError:  # the database is just being made
                return False

        await until(some)
        command.send_signal(signal.Signals[how])
        assert await command.ended() == (130 if how == "SIGINT" else -signal.Signals[how])
    if how == "SIGINT":
        assert "the same command goes on from there" in command.said
        assert "Traceback" not in command.said
    before = await counts(tmp_path)
    assert 3 < before.ready < total
    code, out, _ = await said(tmp_path, *what, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["imported"][0]["embedded"] == total - before.embeddings
    assert (await counts(tmp_path)).ready == total


async def test_a_terminal_gets_a_bar_and_names_act_on_nothing(folder: Path) -> None:
    data = document([message(1)], guild={"id": "5", "name": "\x1b[31mred\u202e"}, channel={"id": "6"})
    (folder / "export" / "red.json").write_bytes(data)
    ours, theirs = pseudo_terminal()

    def read() -> bytes:
        try:
            return os.read(ours, 65536)
        except OSError:  # the other end is closed
            return b""

    async with child_at(theirs, folder, "import", "export", TERM="xterm", COLUMNS="80") as command:
        seen = b""
        async with asyncio.timeout(DEADLINE_S):
            while more := await asyncio.to_thread(read):
                seen += more
        assert await command.ended() == 0
    os.close(ours)
    assert b"pictures" in seen
    assert b"\x1b" in seen
    assert "\x1b" not in command.said
    assert "\\x1b[31mred\\u202e" in command.said


async def test_the_folder_of_another_process_is_named(folder: Path) -> None:
    async with open_database(folder / "data"):
        code, _, err = await said(folder, "export", "--quiet")
    assert code == 1
    assert "is being written by process" in err


async def test_thousands_of_files_are_handed_to_the_running_bot_in_parts(tmp_path: Path) -> None:
    named = [tmp_path / f"{number} {'long name ' * 10}.json" for number in range(1_000)]
    parts: list[list[str]] = []

    async def take(values: Values, tell: Tell) -> Values:
        parts.append(values["paths"])
        return {"jobs": 0}

    config = Config(Settings(data_dir=tmp_path))
    async with open_control(tmp_path, {"import": take}, 5.0):
        assert await _handed_over(config, named, Asked(named, [], None, False, True))
    assert [path for part in parts for path in part] == [str(path) for path in named]
    assert len(parts) > 1
    assert not await _handed_over(config, named, Asked(named, [], None, False, True))  # nobody takes them any more
