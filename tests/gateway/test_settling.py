"""After a READY: what happens once more until it worked, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.crawl.live import Live
from indexer.errors import RetryLater
from indexer.records.ids import GuildId
from tests.worlds.running_bot import indexed, running, town


async def test_a_busy_database_at_ready_leaves_the_bot_neither_dead_nor_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()
    noting, refusals = Live.on_guilds_present, [RetryLater("the writer was busy for 60 s"), KeyError("unexpected")]

    async def busy_at_first(live: Live, present: Sequence[GuildId], absent_s: float) -> list[GuildId]:
        if refusals:
            raise refusals.pop()
        return await noting(live, present, absent_s)

    monkeypatch.setattr(Live, "on_guilds_present", busy_at_first)
    async with running(place.world, tmp_path) as bot:
        assert bot.client.beat().serving
        assert bot.service.faults.count("settling in") == 2
        assert "/similar" in (await bot.person(place.member).slash(place.talk.id, "help")).content


async def test_a_first_job_that_starts_by_itself_knows_how_much_is_to_be_read(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        assert bot.sandbox.record.counts["GET /guilds/{guild_id}/messages/search"] > 0
        job = await bot.service.jobs.newest(GuildId(place.guild.id))
        assert job is not None
        progress = bot.service.jobs.progress_of(job)
        assert progress is not None
        assert progress.messages_expected is not None
