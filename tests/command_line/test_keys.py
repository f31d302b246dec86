"""`afterimage keys`: made here or by the running bot, shown once, revoked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot import cli
from bot.control.keys import keys
from bot.control.server import open_control
from indexer.api_keys import ApiKeys
from indexer.database.database import open_database
from indexer.offline_store import open_store
from indexer.settings import Settings
from tests.worlds.json_schemas import assert_schema
from tests.worlds.migrated import migrated


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the commands, with an empty index in it."""
    monkeypatch.chdir(tmp_path)
    migrated(tmp_path / "data")
    return tmp_path


def checked(folder: Path, text: str) -> int | None:
    """The number of the key that this text opens."""

    async def check() -> int | None:
        async with open_database(folder / "data") as db:
            key = await ApiKeys(db).check(text)
            return None if key is None else key.id

    return asyncio.run(check())


def test_a_key_is_printed_alone_and_opens_until_it_is_revoked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["keys", "create", "me \x1b[31m", "--scope", "admin", "--days", "30"]) == 0
    said = capsys.readouterr()
    secret = said.out.strip()
    assert checked(folder, secret) == 1
    assert secret not in said.err
    assert "\x1b" not in said.err
    assert cli.main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith("1 (me ")
    assert secret.split("_", 2)[2] not in listed
    assert cli.main(["keys", "revoke", "1"]) == 0
    assert checked(folder, secret) is None
    assert cli.main(["keys", "revoke", "7"]) == 1
    assert "There is no key 7" in capsys.readouterr().err


def test_programs_read_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["keys", "create", "grafana", "--guild", "5", "--json"]) == 0
    created = json.loads(capsys.readouterr().out)
    assert_schema("keys", created)
    assert (created["key"]["scope"], created["key"]["guild"], created["key"]["valid"]) == ("read", "5", True)
    assert checked(folder, created["secret"]) == created["key"]["id"]
    assert cli.main(["keys", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert_schema("keys", listed)
    assert listed["keys"] == [created["key"]]
    assert cli.main(["keys", "revoke", "1", "--json"]) == 0
    revoked = json.loads(capsys.readouterr().out)
    assert_schema("keys", revoked)
    assert revoked["key"]["valid"] is False


def test_in_a_folder_without_an_index_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["keys", "create", "me"]) == 1
    assert "There is no database" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


async def test_a_running_bot_makes_the_key(folder: Path) -> None:
    async with open_store(Settings(data_dir=folder / "data")) as store:
        async with open_control(folder / "data", keys(store), 1.0, attached_bytes=0):
            code = await asyncio.to_thread(cli.main, ["keys", "create", "me"])
        assert code == 0
        assert [key.name for key in await store.api_keys.known()] == ["me"]
