"""Guilds, channels, jobs, the audit log, and the counts of it all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import aiosqlite
import pytest

from indexer.database.database import Database
from indexer.errors import Reason
from indexer.records.ids import ChannelId, GuildId, JobId, MessageId, UserId
from indexer.records.messages import ChannelKind, Guild
from indexer.reports import status
from indexer.sentence import Sentence
from indexer.store import audit, channels, embeddings, guilds, jobs, messages, pictures, places
from indexer.store.jobs import JobState, Scope, ScopeKind
from tests.worlds.records import CHANNEL, GUILD, MODEL, channel, decoded, message, picture, settle, vector


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[aiosqlite.Connection]:
    await settle(database)
    async with database.transaction() as connection:
        yield connection


async def test_a_new_guild_is_known_but_has_not_consented(tx: aiosqlite.Connection) -> None:
    await guilds.upsert(tx, Guild(GuildId(2), "two"))
    assert await guilds.consented(tx) == [GUILD]
    await guilds.set_consent(tx, GuildId(2), True)
    await guilds.upsert(tx, Guild(GuildId(2), "renamed"))
    assert await guilds.consented(tx) == [GUILD, 2]
    assert await guilds.get(tx, GuildId(2)) == Guild(GuildId(2), "renamed")
    assert await guilds.get(tx, GuildId(3)) is None
    assert [guild.id for guild in await guilds.known(tx)] == [1, 2]


async def test_a_channel_comes_back_as_it_was_stored(tx: aiosqlite.Connection) -> None:
    thread = replace(channel(11, parent=10), kind=ChannelKind.PRIVATE_THREAD, age_restricted=True, archived=True)
    await channels.upsert(tx, [thread])
    assert await channels.of_guild(tx, GUILD) == [channel(10), thread]
    assert await channels.get(tx, thread.id) == thread
    assert await channels.get(tx, ChannelId(99)) is None
    renamed = replace(thread, name="renamed", archived=False)
    await channels.upsert(tx, [renamed])
    assert await channels.get(tx, thread.id) == renamed


async def test_a_parked_channel_keeps_its_reason_until_it_is_unparked(tx: aiosqlite.Connection) -> None:
    await channels.park(tx, CHANNEL, Sentence("closed-view", {"channel": "10"}))
    await channels.upsert(tx, [channel()])
    assert await channels.parked(tx, GUILD) == {CHANNEL: Sentence("closed-view", {"channel": "10"})}
    await channels.unpark(tx, CHANNEL)
    assert await channels.parked(tx, GUILD) == {}


async def test_a_reason_from_before_the_catalogue_is_kept_as_the_text_it_is(tx: aiosqlite.Connection) -> None:
    for old in ("The bot lacks View Channel.", "3", '{"key": 1'):
        await tx.execute("UPDATE channels SET parked_reason = ? WHERE channel_id = ?", (old, CHANNEL))
        assert await channels.parked(tx, GUILD) == {CHANNEL: Sentence("stored-text", {"text": old})}


async def test_a_job_survives_as_it_is(tx: aiosqlite.Connection) -> None:
    scope = Scope(ScopeKind.CHANNEL, CHANNEL)
    job_id = await jobs.create(tx, GUILD, scope, requested_by=UserId(5))
    await jobs.set_message(tx, job_id, CHANNEL, MessageId(7))
    job = await jobs.get(tx, job_id)
    assert job is not None
    assert (job.guild_id, job.scope, job.state, job.reason) == (GUILD, scope, JobState.RUNNING, None)
    assert (job.requested_by, job.channel_id, job.message_id) == (5, CHANNEL, 7)
    assert job.created_ms <= job.updated_ms
    assert await jobs.get(tx, JobId(99)) is None


async def test_a_restart_finds_the_jobs_that_are_not_over(tx: aiosqlite.Connection) -> None:
    why = Sentence("job-incomplete", {"channels": 2})
    made = [await jobs.create(tx, GUILD, Scope(ScopeKind.SERVER)) for _ in JobState]
    for job_id, state in zip(made, JobState, strict=True):
        await jobs.set_state(
            tx, job_id, state, Sentence("job-incomplete", {"channels": 2}) if state is JobState.FAILED else None
        )
    assert [job.state for job in await jobs.unfinished(tx)] == [JobState.RUNNING, JobState.PAUSED]
    listed = await jobs.of_guild(tx, GUILD)
    assert [job.id for job in listed] == made[::-1]
    assert listed[0].reason == why
    assert len(await jobs.of_guild(tx, GUILD, limit=2)) == 2


def test_a_scope_names_a_channel_exactly_when_it_is_one() -> None:
    for kind, channel_id in ((ScopeKind.CHANNEL, None), (ScopeKind.SERVER, CHANNEL), (ScopeKind.FAILED, CHANNEL)):
        with pytest.raises(ValueError, match=kind.value):
            Scope(kind, channel_id)


async def test_the_audit_log_tells_the_newest_first_and_outlives_the_guild(tx: aiosqlite.Connection) -> None:
    await audit.add(tx, "reindex.start", guild_id=GUILD, actor_id=UserId(5), detail={"channel_id": 10})
    await audit.add(tx, "start")
    await guilds.forget(tx, GUILD)
    newest, oldest = await audit.recent(tx, 9)
    assert (newest.action, newest.guild_id, newest.actor_id, newest.detail) == ("start", None, None, {})
    assert (oldest.action, oldest.guild_id, oldest.actor_id, oldest.detail) == (
        "reindex.start", GUILD, 5, {"channel_id": 10}
    )  # fmt: skip
    assert await audit.recent(tx, 9, GUILD) == [oldest]
    assert await audit.recent(tx, 1) == [newest]


async def test_an_empty_database_counts_nothing(database: Database) -> None:
    async with database.reader() as reader:
        counted = await status.read(reader)
    assert counted.total == status.Counts()
    assert counted.as_dict()["guilds"] == 0
    assert counted.as_dict()["failures"] == {}
    assert counted.database_bytes > 0


async def test_status_counts_each_guild_and_the_whole(database: Database) -> None:
    await settle(database, 10, 11)
    await settle(database, 20, guild=2)
    async with database.transaction() as tx:
        page = [message(n, picture(), channel=10 + n % 2) for n in range(1, 6)]
        mine = (await messages.store(tx, page, keep="pictures", seen_ms=0)).new_places
        page = [message(n, picture(), channel=20, guild=2) for n in (11, 12)] + [message(13, channel=20, guild=2)]
        theirs = (await messages.store(tx, page, keep="all", seen_ms=0)).new_places
        shared, own = await pictures.add(tx, decoded("shared")), await pictures.add(tx, decoded("own"))
        for place, picture_id in ((mine[0], shared), (mine[1], shared), (mine[2], own), (theirs[0], shared)):
            await places.attach(tx, place.id, picture_id)
        await places.failed(tx, mine[3].id, Reason.GONE)
        await places.failed(tx, theirs[1].id, Reason.GONE, next_attempt_ms=5)
        model_id = await embeddings.model_id(tx, MODEL)
        await embeddings.add(tx, model_id, [(shared, vector(1))])
        await channels.park(tx, CHANNEL, Sentence("closed-either"))

    async with database.reader() as reader:
        counted = await status.read(reader)

    first, second = (guild.counts for guild in counted.guilds)
    assert first == status.Counts(
        channels=2, parked=1, messages=5, places=5, ready=3, pending=1, pictures=2, embeddings=1, failures={"gone": 1}
    )
    assert second == status.Counts(
        channels=1, messages=3, places=2, ready=1, pictures=1, embeddings=1, failures={"gone": 1}
    )
    assert counted.total == status.Counts(
        channels=3, parked=1, messages=8, places=7, ready=4, pending=1, pictures=2, embeddings=1, failures={"gone": 2}
    )
    assert counted.models == {"tiny none": 1}
    shown = json.loads(json.dumps(counted.as_dict()))
    assert {"guilds", "channels", "messages", "pictures", "embeddings", "segments", "failures"} <= set(shown)
    assert shown["guilds"] == 2
    assert [guild["name"] for guild in shown["per_guild"]] == ["guild 1", "guild 2"]
