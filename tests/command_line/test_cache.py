"""`afterimage cache`: what there is, and what is emptied, beside a running bot and without one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.control.handler import Values
from indexer.database.database import FILE_NAME
from indexer.records.hits import Filter
from tests.worlds.json_schemas import assert_schema
from tests.worlds.searchable_folder import Folder, running_bot, write

PICTURES = 6


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Values:
    assert cli.main(["cache", *words, "--json"]) == 0
    found: Values = json.loads(capsys.readouterr().out)
    assert_schema("cache", found)
    return found


def by_name(found: Values) -> dict[str, Any]:
    return {cache["name"]: cache for cache in found["caches"]}


@pytest.fixture
def own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """One that this test may change."""
    folder = write(tmp_path_factory.mktemp("cache"))
    monkeypatch.chdir(folder.root)
    return folder


def test_without_a_bot_the_disk_is_shown_and_emptied(own_folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "status")
    caches = by_name(found)
    assert not found["running"]
    assert {name for name, cache in caches.items() if cache["cleared"]} == {"thumbnails", "features"}
    assert (caches["thumbnails"]["count"], caches["embeddings"]["count"]) == (PICTURES, PICTURES)
    assert caches["thumbnails"]["bytes"] > 0
    assert caches["embeddings"]["bytes"] == PICTURES * 2 * 32
    assert asked(capsys, "clear", "--older-than", "1h") == {"cleared": {"thumbnails": 0, "features": 0}}
    assert cli.main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("cleared: 6 thumbnails, 0 features; embeddings, ")
    assert cli.main(["cache", "status"]) == 0
    assert "no bot runs" in capsys.readouterr().out
    caches = by_name(asked(capsys, "status"))
    assert (caches["thumbnails"]["count"], caches["embeddings"]["count"]) == (0, PICTURES)


def test_beside_a_bot_memory_is_shown_and_emptied_too(own_folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    async def beside() -> list[Values]:
        async with running_bot(own_folder) as service:
            (guild,) = await service.reports.guilds()
            channels = await service.reports.channels(guild.id)
            inside = Filter(frozenset(channel.id for channel in channels))
            places = await service.reports.random_places(guild.id, inside, 1)
            for _ in range(2):
                assert await service.thumbnails.of(guild.id, places[0].place_id) is not None
            words = [("status",), ("clear",), ("status",)]
            return [await asyncio.to_thread(asked, capsys, *given) for given in words]

    before, cleared, after = asyncio.run(beside())
    assert before["running"]
    assert by_name(before)["thumbnails"]["hits"] == 1
    assert (by_name(before)["small copies"]["hits"], by_name(before)["small copies"]["count"]) == (1, 1)
    emptied = {"answers": 0, "vectors of words": 0, "small copies": 1, "comparisons": 0}
    assert cleared["cleared"] == {"thumbnails": PICTURES, "features": 0, **emptied}
    assert [by_name(after)[name]["count"] for name in ("thumbnails", "small copies", "embeddings")] == [0, 0, PICTURES]


@pytest.mark.parametrize("age", ["30", "d", "1.5d", "30y", ""])
def test_an_age_is_a_number_and_a_unit(age: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["cache", "clear", "--older-than", age])
    assert caught.value.code == 2
    assert "12h, 30d, 8w" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["status", "clear"])
def test_a_folder_without_a_database_is_not_made(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["cache", action]) == 1
    assert "There is no database" in capsys.readouterr().err
    assert not (tmp_path / "data" / FILE_NAME).exists()
