"""/reindex, end to end: consent, progress, pausing, and what a restart makes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands import progress as progress_module
from bot.commands.progress import bar, progress_text
from bot.texts import Language, translate
from bot.texts.formats import duration
from indexer.progress import Progress, State
from indexer.records.ids import ChannelId, GuildId, JobId, OriginId
from indexer.sentence import Sentence
from indexer.store import audit, guilds
from indexer.store.jobs import Job, JobState, Scope, ScopeKind
from sandbox.options import NotAllowed
from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind
from tests.worlds.encoder import Encoder
from tests.worlds.running_bot import Running, Town, indexed, noise, running, town
from tests.worlds.waiting import DEADLINE_S, until, until_equals


@pytest.fixture(autouse=True)
def fast_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "EDIT_S", 0.05)


async def stored(bot: Running) -> int:
    return (await bot.service.status()).total.messages


async def state_of(bot: Running, place: Town) -> JobState:
    job = await bot.service.jobs.newest(GuildId(place.guild.id))
    assert job is not None
    return job.state


async def test_nothing_is_read_before_someone_who_manages_the_server_says_so(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        bot.person(place.member).post(place.pictures.id, "new", files=[noise(50)])
        await bot.client._events.settled()
        assert await stored(bot) == 0
        assert bot.sandbox.record.counts["GET /channels/{channel_id}/messages"] == 0


async def test_start_indexes_the_server_and_shows_its_progress_to_everyone(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
        assert not reply.ephemeral
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert "8 new pictures" in reply.content
        assert "3 of 3 channels" in reply.content
        status = await bot.service.status()
        assert (status.total.messages, status.total.embeddings) == (8, 8)
        async with bot.service.db.reader() as connection:
            lines = await audit.recent(connection, 10)
        assert [(line.action, line.actor_id) for line in lines] == [("reindex.start", place.owner.id)]


async def test_a_start_before_the_server_is_stored_works_as_well(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        async with bot.service.db.transaction() as tx:
            await guilds.forget(tx, GuildId(place.guild.id))
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert "8 new pictures" in reply.content


async def test_catching_up_afterwards_does_not_change_what_came_of_a_job(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        jobs, guild_id = bot.service.jobs, GuildId(place.guild.id)
        job = await jobs.newest(guild_id)
        assert job is not None
        await jobs.catch_up(guild_id)

        async def caught_up() -> bool:
            now = jobs.progress(guild_id)
            return now is not None and now.state is State.DONE and now.places_done == 0

        await until(caught_up)
        status = await bot.person(place.owner).slash(place.talk.id, "reindex status")
        assert "8 new pictures" in status.content


async def test_a_member_without_manage_server_gets_no_reindex(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        with pytest.raises(NotAllowed):
            await bot.person(place.member).slash(place.talk.id, "reindex start")


async def test_the_permission_is_checked_again_where_discords_menu_was_opened_to_others(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        for command in bot.sandbox.api.commands[None]:
            command["default_member_permissions"] = None
        reply = await bot.person(place.member).slash(place.talk.id, "reindex start")
        assert reply.ephemeral
        assert "Manage Server" in reply.content
        assert await bot.service.jobs.newest(GuildId(place.guild.id)) is None


async def test_a_second_start_is_refused_while_one_runs_and_while_one_is_paused(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        owner = bot.person(place.owner)
        await owner.slash(place.talk.id, "reindex start")
        again = await owner.slash(place.talk.id, "reindex start")
        assert "already" in again.content
        paused = await owner.slash(place.talk.id, "reindex pause")
        assert "Paused" in paused.content
        assert "/reindex resume" in (await owner.slash(place.talk.id, "reindex start")).content
        assert "/reindex resume" in (await owner.slash(place.talk.id, "reindex pause")).content
        encoder.gate.set()


async def test_pause_rests_and_resume_goes_on_to_the_end(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        owner = bot.person(place.owner)
        started = await owner.slash(place.talk.id, "reindex start")
        await owner.slash(place.talk.id, "reindex pause")
        await started.until(lambda shown: "Paused" in shown.content, DEADLINE_S)
        encoder.gate.set()
        assert await state_of(bot, place) is JobState.PAUSED
        resumed = await owner.slash(place.talk.id, "reindex resume")
        await resumed.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert (await bot.service.status()).total.embeddings == 8


async def test_a_resume_right_after_a_pause_leaves_one_message_that_is_kept_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        owner = bot.person(place.owner)
        started = await owner.slash(place.talk.id, "reindex start")
        await started.until(lambda shown: "channels" in shown.content, DEADLINE_S)
        await _last_look(bot, monkeypatch)  # it does not see that the job is paused
        await bot.service.jobs.pause(GuildId(place.guild.id))
        monkeypatch.setattr(progress_module, "EDIT_S", 0.05)
        resumed = await owner.slash(place.talk.id, "reindex resume")
        await started.until(lambda shown: "newer message" in shown.content, DEADLINE_S)
        encoder.gate.set()
        await resumed.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert "newer message" in started.content


async def _last_look(bot: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Returns when a progress message has asked once more for its job; it does not ask again for an hour."""
    jobs, looked = bot.service.jobs, asyncio.Event()
    ask = jobs.get

    async def get(job_id: JobId) -> Job | None:
        job = await ask(job_id)
        monkeypatch.setattr(progress_module, "EDIT_S", 3600.0)
        looked.set()
        return job

    monkeypatch.setattr(jobs, "get", get)
    async with asyncio.timeout(DEADLINE_S):
        await looked.wait()
    monkeypatch.setattr(jobs, "get", ask)


async def test_a_start_on_an_indexed_server_says_what_is_there_and_what_was_new(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        owner = bot.person(place.owner)
        first = await owner.slash(place.talk.id, "reindex start")
        await first.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert "8 new pictures" in first.content
        assert "8 pictures can be found" in first.content
        await bot.indexed(place.guild)
        again = await owner.slash(place.talk.id, "reindex start")
        await again.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert "no new pictures" in again.content
        assert "8 pictures can be found" in again.content
        assert "pictures/s" not in again.content


async def test_cancel_ends_the_job_and_keeps_what_was_read(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        owner = bot.person(place.owner)
        await owner.slash(place.talk.id, "reindex start")
        await until_equals(8, lambda: stored(bot))
        reply = await owner.slash(place.talk.id, "reindex cancel")
        assert "Cancelled" in reply.content
        assert await state_of(bot, place) is JobState.CANCELLED
        assert await stored(bot) == 8
        assert "Nothing is being indexed" in (await owner.slash(place.talk.id, "reindex cancel")).content
        encoder.gate.set()


async def test_one_channel_can_be_indexed_alone(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        owner = bot.person(place.owner)
        reply = await owner.slash(place.talk.id, "reindex start", {"channel": place.pictures.id})
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert f"<#{place.pictures.id}>" in reply.content
        assert (await bot.service.status()).total.messages == 6


async def test_a_channel_that_the_bot_may_not_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    place = town()
    category = place.guild.channel("a category", ChannelKind.CATEGORY)
    place.pictures.allow(place.guild.me, deny=Permission.READ_MESSAGE_HISTORY)
    place.secret.allow(place.guild.me, deny=Permission.VIEW_CHANNEL)
    async with running(place.world, tmp_path) as bot:
        owner = bot.person(place.owner)
        for channel in (place.pictures, place.secret, category):
            reply = await owner.slash(place.talk.id, "reindex start", {"channel": channel.id})
            assert reply.ephemeral
            assert f"<#{channel.id}>" in reply.content
            assert "Read Message History" in reply.content
        assert await bot.service.jobs.newest(GuildId(place.guild.id)) is None


async def test_an_archived_thread_can_be_indexed_alone(tmp_path: Path) -> None:
    place = town()
    thread = place.pictures.thread("old", place.member.user)
    thread.post(place.member.user, "in the thread", files=[noise(60)])
    thread.archive()
    async with running(place.world, tmp_path) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start", {"channel": thread.id})
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert (await bot.service.status()).total.messages == 1


async def test_what_failed_can_be_tried_again(tmp_path: Path) -> None:
    place = town(pictures=2, secrets=0)
    async with running(place.world, tmp_path) as bot:
        bot.sandbox.faults.rates = {"503": 1.0}
        bot.sandbox.faults.only, bot.sandbox.faults.in_a_row = "/attachments", 1000
        bot.sandbox.faults.plan("503", "/media", 1000)
        owner = bot.person(place.owner)
        await owner.slash(place.talk.id, "reindex start")
        await bot.indexed(place.guild)
        assert sum((await bot.service.status()).total.failures.values()) == 2
        bot.sandbox.faults.rates.clear()
        bot.sandbox.faults._planned.clear()
        reply = await owner.slash(place.talk.id, "reindex start", {"failed": True})
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        status = await bot.service.status()
        assert (status.total.embeddings, dict(status.total.failures)) == (2, {})


async def test_a_restart_goes_on_and_edits_the_same_message(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with open_sandbox(place.world) as sandbox:
        async with running(sandbox, tmp_path, encoder=encoder) as bot:
            reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
            await until(lambda: _is(bot, lambda job: job.message_id is not None, place))
        assert "Done" not in reply.content
        before = len(place.talk)
        async with running(sandbox, tmp_path) as bot:
            await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
            assert await state_of(bot, place) is JobState.DONE
        assert len(place.talk) == before


async def _is(bot: Running, holds: object, place: Town) -> bool:
    job = await bot.service.jobs.newest(GuildId(place.guild.id))
    return job is not None and bool(holds(job))  # type: ignore[operator]  # given as an object, called as a function of the job


async def test_progress_outlives_the_token_of_its_command(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
        place.world.clock.advance(16 * 60)
        encoder.gate.set()
        await reply.until(lambda shown: "Done" in shown.content, DEADLINE_S)
        assert bot.sandbox.record.counts["PATCH /channels/{channel_id}/messages/{message_id}"] >= 1


async def test_a_deleted_progress_message_is_sent_anew(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
        place.world.clock.advance(16 * 60)
        reply.message.delete()
        encoder.gate.set()
        await bot.indexed(place.guild)
        await until(lambda: any("Done" in message.content for message in place.talk.messages()))


async def test_a_job_ends_also_where_its_progress_may_not_be_shown(tmp_path: Path) -> None:
    place, encoder = town(), Encoder()
    encoder.gate = asyncio.Event()
    async with running(place.world, tmp_path, encoder=encoder) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex start")
        place.world.clock.advance(16 * 60)
        place.talk.allow(place.guild.me, deny=Permission.VIEW_CHANNEL)
        encoder.gate.set()
        await bot.indexed(place.guild)
        assert "Done" not in reply.content
        status = await bot.person(place.owner).slash(place.pictures.id, "reindex status")
        assert "Done" in status.content


async def test_start_auto_indexes_without_being_asked(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        assert (await bot.service.status()).total.embeddings == 8


async def test_what_was_posted_while_the_bot_was_away_is_found_at_the_next_start(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox):
            pass
        place.pictures.post(place.member.user, "while away", files=[noise(77)])
        async with running(sandbox, tmp_path) as bot:
            await bot.embedded(9)


async def test_status_of_a_server_that_was_never_indexed_says_how_to_begin(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        reply = await bot.person(place.owner).slash(place.talk.id, "reindex status")
        assert "/reindex start" in reply.content
        async with bot.service.db.reader() as connection:
            assert await guilds.consented(connection) == []


JOB = Job(JobId(1), GuildId(1), Scope(ScopeKind.SERVER), JobState.RUNNING, None, None, None, None, 0, 0)


@pytest.mark.parametrize("language", list(Language))
def test_progress_says_bar_counts_pace_and_what_is_left(language: Language) -> None:
    halfway = Progress(
        GuildId(1),
        State.RUNNING,
        started_ms=0,
        channels_total=4,
        channels_done=2,
        messages=1234,
        messages_expected=2468,
        places_total=100,
        places_done=100,
        failed=3,
        channels_parked=1,
    )
    text = progress_text(JOB, halfway, language)
    assert "██████████░░░░░░░░░░" in text
    assert "50 %" in text
    assert ("1,234" if language is Language.ENGLISH else "1.234") in text
    assert text.count("\n") == 3


def test_a_reason_with_markdown_is_shown_as_text() -> None:
    reason = Sentence.of_stored("**x** @everyone")  # as a version before the catalogue stored it
    job = replace(JOB, scope=Scope(ScopeKind.CHANNEL, ChannelId(5)), state=JobState.FAILED, reason=reason)
    text = progress_text(job, None, Language.ENGLISH)
    assert "<#5>" in text
    assert "**x**" not in text
    assert " @everyone" not in text


def test_members_are_not_told_where_an_archive_lies_on_the_bots_machine() -> None:
    secret = Sentence("closed-archive", {"archive": "/home/ada/exports"})
    job = replace(JOB, scope=Scope(ScopeKind.SERVER, origin_id=OriginId(3)), reason=secret)
    for shown in (replace(job, state=JobState.FAILED), replace(job, state=JobState.DONE), job):
        waiting = Progress(GuildId(1), State.RUNNING, started_ms=0, reason=secret)
        for language in Language:
            text = progress_text(shown, waiting, language)
            assert "ada" not in text
            assert translate(language, "job-archive") in text


def test_bars_and_durations_are_as_exact_as_an_estimate_deserves() -> None:
    assert (bar(0, 4), bar(0.5, 4), bar(1.2, 4)) == ("░░░░", "██░░", "████")
    assert [duration(s) for s in (0.2, 40, 200, 8000)] == ["1 s", "40 s", "3 min", "2 h 13 min"]
