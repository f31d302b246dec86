"""`afterimage export` and `import` of a bundle, as a person and a program give them, with and without a running bot."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot import cli
from bot.command_line.import_bundle import import_bundles
from bot.config.tables import Config
from bot.control.client import Refused, ask
from bot.control.imports import imports
from bot.control.server import open_control
from indexer.service import open_service
from indexer.settings import DecodeSettings, Settings
from tests.worlds.bundled import exported, installation, read, same
from tests.worlds.empty_history import EmptyHistory
from tests.worlds.encoder import Encoder
from tests.worlds.json_schemas import assert_schema
from tests.worlds.migrated import migrated
from tests.worlds.records import message, picture


@pytest.fixture(scope="module")
def meadow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meadow")
    posts = [message(number, picture(str(number)), channel=10 + number % 2) for number in range(1, 6)]
    asyncio.run(installation(folder / "data", read(*posts)))
    return folder


def test_a_server_goes_to_another_machine_with_two_commands(
    meadow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(meadow / "data"))
    assert cli.main(["export", "meadow.bundle.zst", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "Meadow: 3 channels, 5 messages, 5 pictures" in said
    assert "5 embeddings of tiny (none)" in said
    assert cli.main(["export", "one.bundle", "--guild", "meadow", "--channel", "#channel-11", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("export", found)
    assert found["manifest"]["channels"] == ["11", "12"]
    assert found["manifest"]["counts"]["messages"] == 3
    assert cli.main(["export", "none.bundle", "--channel", "nowhere"]) == 1
    assert "No channel #nowhere is indexed there." in capsys.readouterr().err

    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(tmp_path / "data"))
    assert cli.main(["import", "--dry-run", "one.bundle", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("import", found)
    assert (found["bundles"][0]["messages"], found["bundles"][0]["pictures"]) == (3, 3)
    assert not (tmp_path / "data").exists()
    assert cli.main(["import", "one.bundle", "--quiet"]) == 0
    assert "3 messages, 3 pictures and 3 embeddings came in; 0 messages were known already" in capsys.readouterr().out
    assert cli.main(["import", "--dry-run", "meadow.bundle.zst", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "2 messages, 2 pictures and 2 embeddings would come in; 3 messages were known already" in said
    assert "nothing was stored: this was a dry run" in said
    assert cli.main(["import", "meadow.bundle.zst", "--quiet"]) == 1  # nobody is there to be asked
    assert "--yes" in capsys.readouterr().err
    assert len(same(tmp_path / "data")["messages"]) == 3
    assert cli.main(["import", "meadow.bundle.zst", "--yes", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("import", found)
    assert (found["bundles"][0]["messages"], found["bundles"][0]["known"]) == (2, 3)
    assert same(tmp_path / "data") == same(meadow / "data")


async def test_a_running_bot_takes_another_folder_in(meadow: Path, tmp_path: Path) -> None:
    data_dir = await asyncio.to_thread(migrated, tmp_path / "data")
    settings = Settings(data_dir=data_dir, decode=DecodeSettings(workers=1))
    async with (
        open_service(settings, EmptyHistory(), Encoder()) as service,
        open_control(data_dir, imports(service), 5.0),
    ):
        done = await ask(data_dir, "merge", {"folder": str(meadow / "data"), "adopt": False}, lambda _: None)
        assert (done["messages"], done["embeddings"]) == (5, 5)
        with pytest.raises(Refused, match="own data folder"):
            await ask(data_dir, "merge", {"folder": str(data_dir), "adopt": False}, lambda _: None)
        with pytest.raises(Refused, match="folder"):
            await ask(data_dir, "merge", {"folder": 5}, lambda _: None)
    assert await asyncio.to_thread(same, data_dir) == await asyncio.to_thread(same, meadow / "data")


async def test_a_running_bot_takes_a_bundle_in_and_refuses_a_forged_one(meadow: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(exported, meadow / "data", tmp_path / "x.bundle")
    data_dir = await asyncio.to_thread(migrated, tmp_path / "data")
    settings = Settings(data_dir=data_dir, decode=DecodeSettings(workers=1))
    async with (
        open_service(settings, EmptyHistory(), Encoder()) as service,
        open_control(data_dir, imports(service), 5.0),
    ):
        config = Config(settings=settings)
        (brought,) = await import_bundles(config, [tmp_path / "x.bundle"], dry_run=False, quiet=True, yes=True)
        assert (brought["messages"], brought["embeddings"]) == (5, 5)
        both = [import_bundles(config, [tmp_path / "x.bundle"], dry_run=False, quiet=True, yes=True) for _ in range(2)]
        assert [found["known"] for (found,) in await asyncio.gather(*both)] == [5, 5]
        data = (tmp_path / "x.bundle").read_bytes()
        (tmp_path / "x.bundle").write_bytes(data[: len(data) // 2])
        with pytest.raises(Refused, match="Nothing was changed"):
            await import_bundles(config, [tmp_path / "x.bundle"], dry_run=False, quiet=True, yes=True)
        (tmp_path / "x.bundle").unlink()
        with pytest.raises(Refused, match="finds nothing at"):
            await import_bundles(config, [tmp_path / "x.bundle"], dry_run=False, quiet=True, yes=True)
    assert await asyncio.to_thread(same, data_dir) == await asyncio.to_thread(same, meadow / "data")
