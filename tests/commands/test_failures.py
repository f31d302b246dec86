"""Pictures that could not be read can be traced: where, why, when again; in chat only what a manager may see."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot import cli
from bot.commands.failures import PAGE_FAILURES
from sandbox.permissions import Permission
from sandbox.world import File
from tests.worlds.json_schemas import assert_schema
from tests.worlds.running_bot import Town, indexed, running, town, with_auto_start


def broken(number: int) -> File:
    return File.of(f"broken-{number}.png", b"\x89PNG\r\n\x1a\n" + bytes([number]) * 40)


def with_failures(public: int, hidden: int) -> Town:
    """A manager who does not own the server, and broken files in a channel that they see and one that they do not."""
    place = town(pictures=2, secrets=1)
    place.member.roles.append(place.guild.role("manager", Permission.MANAGE_GUILD))
    for number in range(public):
        place.pictures.post(place.owner.user, f"broken {number}", files=[broken(number)])
    for number in range(hidden):
        place.secret.post(place.owner.user, "hidden", files=[broken(100 + number)])
    return place


Commanded = Callable[..., Awaitable[str]]


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commanded:
    """Runs `afterimage failures` in the folder; returns what it says."""
    monkeypatch.chdir(tmp_path)

    async def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(cli.main, ["failures", *arguments]) == code
        said = capsys.readouterr()
        return said.out if code == 0 else said.err

    return run


async def test_whoever_runs_the_bot_sees_each_failure_with_its_link_reason_and_next_try(
    tmp_path: Path, commanded: Commanded
) -> None:
    place = with_failures(public=3, hidden=1)
    async with indexed(place, tmp_path / "data") as bot, bot.service.db.transaction() as tx:
        await tx.execute_fetchall(
            "UPDATE places SET reason = 'unreachable', next_attempt_ms = 1800000000000 WHERE file_name = 'broken-0.png'"
        )
    found = json.loads(await commanded("--json"))
    assert_schema("failures", found)
    assert found["total"] == 4
    assert [failure["file_name"] for failure in found["failures"]] == [
        "broken-100.png", "broken-2.png", "broken-1.png", "broken-0.png"
    ]  # fmt: skip
    newest, oldest = found["failures"][0], found["failures"][-1]
    assert (newest["channel"], newest["server"]) == ("secret", "Town")
    assert newest["link"] == (f"https://discord.com/channels/{place.guild.id}/{place.secret.id}/{newest['message_id']}")
    assert newest["next_attempt_unix_ms"] is None
    assert (oldest["reason"], oldest["next_attempt_unix_ms"]) == ("unreachable", 1_800_000_000_000)
    text = await commanded("--count", "4")
    assert "#secret  broken-100.png" in text
    assert newest["link"] in text
    assert newest["sentence"] in text
    assert "Tried again at 2027-01-15 08:00 UTC." in text
    assert "the newest 1 of 4" in await commanded("--count", "1")
    assert json.loads(await commanded("--json", "--guild", "town"))["total"] == 4
    assert "Server 7 is not in the index" in await commanded("--guild", "7", code=1)
    rows = list(csv.DictReader((await commanded("--csv")).splitlines()))
    assert [row["file_name"] for row in rows] == [failure["file_name"] for failure in found["failures"]]


async def test_failures_are_chosen_and_tried_again_by_their_reason(tmp_path: Path, commanded: Commanded) -> None:
    async with indexed(with_failures(public=3, hidden=0), tmp_path / "data") as bot, bot.service.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE places SET reason = 'too-slow' WHERE file_name = 'broken-0.png'")
    (slow,) = json.loads(await commanded("--reason", "too-slow", "--json"))["failures"]
    assert slow["file_name"] == "broken-0.png"
    done = json.loads(await commanded("--retry", "too-slow", "--json"))
    assert_schema("failures", done)
    assert done == {"places": 1, "by_running_bot": False}
    others = json.loads(await commanded("--json"))
    assert others["total"] == 2
    assert await commanded("--reason", "too-slow") == "every picture could be read, or waits for its turn\n"
    reason = others["failures"][0]["reason"]
    assert "2 pictures will be tried again" in await commanded("--retry", reason, "--retry", "gone")


@pytest.mark.parametrize("count", ["0", "-1", "many"])
async def test_a_count_is_a_whole_number_from_1_on(commanded: Commanded, count: str) -> None:
    with pytest.raises(SystemExit) as ended:
        await commanded("--count", count)
    assert ended.value.code == 2


async def test_links_that_would_not_open_are_none(tmp_path: Path, commanded: Commanded) -> None:
    place = with_failures(public=1, hidden=0)
    async with indexed(place, tmp_path / "data"):
        pass
    (tmp_path / "config.toml").write_text('discord.api_base = "http://127.0.0.1:1/api/v10"\n')
    (found,) = json.loads(await commanded("--json"))["failures"]
    assert found["link"] is None
    assert f"message {found['message_id']}" in await commanded()


async def test_a_manager_sees_the_failures_of_the_channels_that_they_see_and_of_no_other(tmp_path: Path) -> None:
    public = PAGE_FAILURES + 2
    place = with_failures(public=public, hidden=3)
    async with indexed(place, tmp_path) as bot:
        manager = bot.person(place.member)
        first = await manager.slash(place.talk.id, "reindex failures")
        assert first.ephemeral
        assert f"**{public} pictures could not be read**" in first.content
        assert first.content.count(f"<#{place.pictures.id}>") == PAGE_FAILURES
        assert str(place.secret.id) not in first.content
        assert "page 1 of 2" in first.content
        assert len(first.content) <= 2_000
        second = await manager.slash(place.talk.id, "reindex failures", {"page": 2})
        assert second.content.count(f"<#{place.pictures.id}>") == 2
        third = await manager.slash(place.talk.id, "reindex failures", {"page": 3})
        assert third.content == "There are 2 pages of this."
        owner = await bot.person(place.owner).slash(place.talk.id, "reindex failures")
        assert f"**{public + 3} pictures could not be read**" in owner.content
        place.guild.locale = "de"
        assert "Bilder waren nicht lesbar" in (await manager.slash(place.talk.id, "reindex failures")).content


async def test_failures_of_hidden_channels_change_nothing_that_a_manager_reads(tmp_path: Path) -> None:
    said = []
    for hidden in (0, 2):
        place = with_failures(public=0, hidden=hidden)
        async with running(place.world, tmp_path / str(hidden), with_auto_start) as bot:
            await bot.indexed(place.guild)
            assert sum((await bot.service.status()).total.failures.values()) == hidden
            said.append((await bot.person(place.member).slash(place.talk.id, "reindex failures")).content)
    assert said[0] == said[1]
