"""Turns to send an IDENTIFY, and the day's number of them."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gateway import identifying
from bot.gateway.identify_turns import TurnsOnThisMachine, turns_folder
from bot.gateway.identifying import Identifying
from bot.gateway.session_starts import RECONNECT_SHARE, START_SHARE, SessionStarts
from indexer.supervisor import Faults
from sandbox import session_starts as sandbox_starts
from tests.worlds.waiting import until

BOT = 42


def starts(remaining: int, total: int = 1000, max_concurrency: int = 1) -> SessionStarts:
    return SessionStarts(total, remaining, 3600.0, max_concurrency)


async def test_a_turn_belongs_to_one_process_until_it_has_sent_and_the_gap_is_over(tmp_path: Path) -> None:
    first, second = (TurnsOnThisMachine(tmp_path, BOT, 0.2) for _ in range(2))
    await first.take(0)
    waiting = asyncio.create_task(second.take(0))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    sent_s = time.time()
    first.sent(0)
    await waiting
    assert time.time() - sent_s >= 0.19  # the file has milliseconds
    second.give_back(0)


async def test_buckets_and_other_bots_do_not_wait_and_an_unused_turn_costs_nobody_a_gap(tmp_path: Path) -> None:
    turns, other = TurnsOnThisMachine(tmp_path, BOT, 600.0), TurnsOnThisMachine(tmp_path, BOT + 1, 600.0)
    async with asyncio.timeout(60):
        await turns.take(0)
        await turns.take(1)
        await other.take(0)
        turns.give_back(0)
        await turns.take(0)
    turns.give_back(0)
    turns.sent(1)
    other.give_back(0)


async def test_who_stops_waiting_keeps_the_turn_from_nobody(tmp_path: Path) -> None:
    first, second, third = (TurnsOnThisMachine(tmp_path, BOT, 600.0) for _ in range(3))
    await first.take(0)
    waiting = asyncio.create_task(second.take(0))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    first.give_back(0)
    async with asyncio.timeout(60):
        await third.take(0)
    third.give_back(0)


@pytest.mark.parametrize("content", ["", "no number", "99999999999", "inf"])
async def test_whatever_stands_in_the_file_no_wait_is_longer_than_the_gap(tmp_path: Path, content: str) -> None:
    (tmp_path / f"identify-{BOT}-0.lock").write_text(content)
    turns = TurnsOnThisMachine(tmp_path, BOT, 0.05)
    async with asyncio.timeout(60):
        await turns.take(0)
    turns.sent(0)


async def test_without_a_file_a_shard_waits_for_the_gap_and_connects(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "turns"
    folder.mkdir()
    turns = TurnsOnThisMachine(folder, BOT, 0.05)
    folder.rmdir()  # as systemd does with what nobody has used for some days
    await turns.take(0)
    turns.sent(0)
    assert len(list(folder.iterdir())) == 1
    broken = TurnsOnThisMachine(tmp_path / "nowhere" / "turns", BOT, 0.05)
    began_s = time.monotonic()
    await broken.take(0)
    assert time.monotonic() - began_s >= 0.05
    broken.sent(0)
    assert "connects without a turn" in caplog.text


def test_the_folder_for_turns_is_made_or_that_of_the_data_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = tmp_path / "data"
    assert turns_folder(tmp_path / "a" / "b", data_dir) == tmp_path / "a" / "b"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    own = turns_folder(None, data_dir)
    assert own.parent == tmp_path
    assert own == turns_folder(None, data_dir)
    if sys.platform != "win32":
        own.chmod(0o777)  # other users may have put something there
        assert turns_folder(None, data_dir) == data_dir
        own.rmdir()
        own.symlink_to("/")
        assert turns_folder(None, data_dir) == data_dir
    (tmp_path / "file").write_text("")
    assert turns_folder(tmp_path / "file", data_dir) == data_dir
    assert "takes no turns with others" in caplog.text
    assert list((tmp_path / "a" / "b").iterdir()) == []


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 200))
def test_a_start_never_takes_the_days_last_sessions(total: int, used: int, shards: int) -> None:
    limits = starts(max(total - used, 0), total)
    if not limits.wait_s(shards, START_SHARE):
        left = limits.remaining - shards
        assert left >= int(total * START_SHARE) or limits.remaining == total
    if not limits.wait_s(1, RECONNECT_SHARE):
        assert limits.remaining >= 1


def test_of_a_thousand_sessions_fifty_are_left_to_lost_connections_and_ten_to_nobody() -> None:
    assert starts(66).wait_s(16, START_SHARE) == 0
    assert starts(65).wait_s(16, START_SHARE) == 3600
    assert starts(11).wait_s(1, RECONNECT_SHARE) == 0
    assert starts(10).wait_s(1, RECONNECT_SHARE) == 3600
    assert starts(1000).wait_s(990, START_SHARE) == 0
    assert starts(999).wait_s(990, START_SHARE) == 3600


def test_discords_own_words_are_read() -> None:
    limits = {"total": 1000, "remaining": 998, "reset_after": 84_686_789, "max_concurrency": 16}
    found = SessionStarts.of(limits)
    assert (found.total, found.remaining, found.reset_after_s) == (1000, 998, 84_686.789)
    assert [found.bucket(shard) for shard in (0, 15, 16, 33)] == [0, 15, 0, 1]


async def test_processes_that_look_at_the_same_moment_together_open_no_more_sessions_than_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identifying, "LOOK_S", 0.01)
    discord = sandbox_starts.SessionStarts(total=20, window_s=3600.0)
    for _ in range(16):
        discord.ask((0, 6))

    async def look() -> SessionStarts:
        return SessionStarts.of(discord.limit())

    def process() -> Identifying:
        return Identifying(look, TurnsOnThisMachine(tmp_path, BOT, 0.0), lambda work: work.close(), Faults(), 0.0)

    async def connects(bot: Identifying, shards: range) -> None:
        for shard in shards:
            await bot.turn(shard)
            await asyncio.sleep(0.01)  # opens its connection
            await bot.sends(shard)
            assert discord.remaining > 0, "one more costs the token"
            discord.ask((shard, 6))

    low, high = process(), process()
    for bot in (low, high):
        await bot.room(3, START_SHARE)  # both count the same four
    connecting = [asyncio.create_task(connects(low, range(3))), asyncio.create_task(connects(high, range(3, 6)))]
    await until(lambda: low.waits_until is not None or high.waits_until is not None)
    assert discord.remaining == 0
    discord.total = 40
    await asyncio.gather(*connecting)
    assert discord.remaining == 18
