"""What `afterimage status` says of servers: which are read now, and which nobody allowed to be read."""

from __future__ import annotations

from bot.command_line.status import text
from indexer.records.ids import GuildId
from indexer.reports.status import Counts, GuildStatus, Status


def test_jobs_that_have_not_ended_are_named_and_archives_wait_for_nobodys_consent() -> None:
    jobs = {"done": 3, "failed": 1}
    guilds = (
        GuildStatus(GuildId(1), "Town", True, Counts(messages=1), jobs | {"running": 1}),
        GuildStatus(GuildId(2), "Photos", False, Counts(messages=2), jobs | {"paused": 1}),
        GuildStatus(GuildId(3), "Village", False, Counts(), jobs),
    )
    said = text(Status(guilds, Counts(messages=3), {}, 4096, 1)).splitlines()
    assert [line for line in said if line.startswith("job:")] == ["job: Town is being read", "job: Photos is paused"]
    assert "not read, because nobody gave /reindex start: Village" in said
