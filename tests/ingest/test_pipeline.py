"""crawl → fetch → decode → embed → store, over a real CDN and real SQLite, and once with real decode workers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.backoff import Backoff
from indexer.crawl import guild_crawl
from indexer.errors import ChannelClosed, ModelUnavailable, TellPerson
from indexer.ingest import pending, pipeline, stages
from indexer.ingest.download import Decodes
from indexer.pictures.extras import VIDEO, installed
from indexer.progress import Progress, State
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.pictures import DecodedPicture, Vectors
from indexer.sentence import Sentence
from indexer.store import places
from tests.worlds.picture_files import moving, picture, scene
from tests.worlds.pipeline_world import GUILD, World, busy, open_world
from tests.worlds.waiting import DEADLINE_S, until


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(guild_crawl, "CONFIRM_S", 0.01)
    async with open_world(tmp_path) as opened:
        yield opened


async def index(world: World) -> Progress:
    async with world.pipeline() as running:
        return await running.run_guild(GUILD)


@pytest.mark.usefixtures("reader_processes")
async def test_every_picture_of_the_history_becomes_an_embedding(world: World) -> None:
    pictures = world.fill(channels=3, messages=230)
    progress = await index(world)
    assert progress.state is State.DONE
    assert (progress.channels_done, progress.messages) == (3, 690)
    assert progress.places_done == progress.places_total == pictures
    assert await world.count("SELECT count(*) FROM embeddings") == pictures
    assert await world.count("SELECT count(*) FROM messages") == pictures  # only those that show pictures are kept
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == pictures


async def test_a_second_run_of_an_unchanged_server_downloads_and_embeds_nothing(world: World) -> None:
    world.fill(channels=2, messages=250)
    await index(world)
    before, encoded, downloads = await world.rows(), world.encoder.encoded, world.cdn.requests.total()
    world.history.pages.clear()
    progress = await index(world)
    assert await world.rows() == before
    assert (world.encoder.encoded, world.cdn.requests.total()) == (encoded, downloads)
    assert world.history.pages.total() == 2  # one page a channel
    assert progress.state is State.DONE


async def test_the_same_bytes_are_embedded_once_however_often_they_are_posted(world: World) -> None:
    world.history.channel(1)
    for at in range(60):
        world.history.post(1, at, world.cdn.add(f"{at}.png", picture(at % 3)))
    await index(world)
    assert world.encoder.encoded == 3
    assert await world.count("SELECT count(*) FROM pictures") == 3
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == 60


async def test_an_animation_is_embedded_by_the_frames_that_look_different_and_only_once(world: World) -> None:
    drawn = [scene(96, 64, seed) for seed in (1, 1, 1, 2, 2, 3, 3)]
    world.history.channel(1)
    for at, data in enumerate((moving(drawn, "GIF"), moving(drawn, "GIF"), picture(1))):
        world.history.post(1, at, world.cdn.add(f"{at}.gif", data))
    await index(world)
    assert world.encoder.encoded == 4
    assert await world.count("SELECT count(*) FROM embeddings") == 2
    assert await world.count("SELECT count(*) FROM frames") == 2
    assert await world.count("SELECT count(*) FROM frames WHERE at_ms IN (0, 250)") == 2
    assert await world.count("SELECT count(*) FROM embeddings WHERE frames_sought = 3 AND at_ms = 150") == 1


async def test_an_animation_that_was_read_by_one_frame_gets_the_others_when_the_server_is_read_anew(
    world: World,
) -> None:
    drawn = [scene(96, 64, seed) for seed in (1, 2, 3)]
    world.history.channel(1)
    world.history.post(1, 0, world.cdn.add("0.gif", moving(drawn, "GIF")))
    world.history.post(1, 1, world.cdn.add("1.png", picture(1)))
    await index(world)
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM frames")
        await tx.execute_fetchall("UPDATE embeddings SET frames_sought = 1, at_ms = NULL")
    progress = await index(world)
    assert (progress.places_done, world.cdn.requests["0.gif"], world.cdn.requests["1.png"]) == (1, 2, 1)
    assert await world.count("SELECT count(*) FROM frames") == 2
    assert await world.count("SELECT count(*) FROM embeddings") == 2
    await index(world)
    assert world.cdn.requests["0.gif"] == 2, "what was found is known"


@pytest.mark.skipif(not installed(VIDEO), reason="pip install 'afterimage[video]'")
async def test_a_video_is_found_by_its_frames_and_by_its_poster_where_it_cannot_be_opened(world: World) -> None:
    from tests.worlds.video_files import video

    world.history.channel(1)
    films = {"whole.mp4": video(), "cut.mp4": video()[:1000], "large.mp4": video(), "gone.mp4": b""}
    for at, (name, film) in enumerate(films.items()):
        size = 30_000_000 if name == "large.mp4" else len(film)
        posted = world.history.post(1, at, world.cdn.add(f"poster-{name}.webp", picture(at)))
        link = world.cdn.add(name, film)
        if not film:
            world.cdn.statuses[name] = [404, 404]  # also with a fresh link
        (ref,) = posted.pictures
        film_ref = replace(ref, video_url=world.cdn.signed(link), video_size=size)
        world.history.messages[ChannelId(1)][posted.id] = replace(posted, pictures=(film_ref,))
    await index(world)
    stored = "SELECT count(*) FROM pictures JOIN embeddings USING (picture_id) WHERE format = ?"
    assert (await world.count(stored, "MP4"), await world.count(stored, "PNG")) == (1, 3)
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == 4
    assert await world.count("SELECT count(*) FROM frames") == 2
    assert {name: world.cdn.requests[name] for name in films} == {
        "whole.mp4": 1, "cut.mp4": 1, "large.mp4": 0, "gone.mp4": 2,
    }  # fmt: skip
    assert world.cdn.requests["poster-whole.mp4.webp"] == 0
    assert await world.count("SELECT count(*) FROM places WHERE flags & 1") == 0, "a video is no animated picture"


async def test_without_the_extra_no_video_is_fetched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "installed", lambda extra: False)
    world.history.channel(1)
    posted = world.history.post(1, 0, world.cdn.add("poster.webp", picture(1)))
    (ref,) = posted.pictures
    film = replace(ref, video_url=world.cdn.signed(world.cdn.add("film.mp4", b"film")))
    world.history.messages[ChannelId(1)][posted.id] = replace(posted, pictures=(film,))
    await index(world)
    assert (world.cdn.requests["poster.webp"], world.cdn.requests["film.mp4"]) == (1, 0)


async def test_bad_files_are_recorded_with_a_reason_and_never_stop_the_others(world: World) -> None:
    world.history.channel(1)
    bad = {"empty.png": b"", "text.png": b"hello, I am no picture", "cut.png": picture(1)[:300]}
    for at, (name, data) in enumerate(bad.items()):
        world.history.post(1, at, world.cdn.add(name, data))
    world.history.post(1, 10, world.cdn.add("good.png", picture(2)))
    progress = await index(world)
    assert (progress.places_done, progress.failed) == (4, 3)
    rows = (await world.rows())["places"]
    reasons = {str(row[2]).rsplit("/", 1)[-1]: row[4] for row in rows}
    assert reasons == {"empty.png": "empty", "text.png": "not-a-picture", "cut.png": "truncated", "good.png": None}
    downloads = world.cdn.requests.total()
    await index(world)
    assert world.cdn.requests.total() == downloads  # and they are not tried again


class OfAnotherFile:
    """A reader that a hostile file has taken over: it says that what it opens is the picture of `sha256`."""

    def __init__(self, decoder: Decodes, sha256: bytes) -> None:
        self._decoder = decoder
        self._sha256 = sha256

    async def decode(self, data: bytes, *, thumbnail: bool = False) -> DecodedPicture:
        return replace(await self._decoder.decode(data, thumbnail=thumbnail), sha256=self._sha256)


async def test_a_reader_cannot_speak_for_another_picture(world: World) -> None:
    known = picture(1)
    world.history.channel(1)
    world.history.post(1, 1, world.cdn.add("known.png", known))
    await index(world)
    before = await world.rows()
    world.history.post(1, 2, world.cdn.add("hostile.png", picture(2)))
    assert world.decoder is not None
    world.decoder = OfAnotherFile(world.decoder, hashlib.sha256(known).digest())
    assert (await index(world)).failed == 1
    assert (await world.rows())["pictures"] == before["pictures"]
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == 1


async def test_an_expired_link_is_replaced_by_asking_for_the_message_anew(world: World) -> None:
    world.history.channel(1)
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    world.cdn.held = asyncio.Event()
    async with world.pipeline() as running:
        task = asyncio.create_task(running.run_guild(GUILD))
        await until(lambda: world.cdn.open_requests)
        world.cdn.revoke()
        world.cdn.held.set()
        await task
    assert world.history.fetched[message.id] == 1
    assert await world.count("SELECT count(*) FROM embeddings") == 1


async def test_a_picture_whose_message_vanished_before_the_download_leaves_nothing(world: World) -> None:
    world.history.channel(1)
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    world.cdn.held = asyncio.Event()
    async with world.pipeline() as running:
        task = asyncio.create_task(running.run_guild(GUILD))
        await until(lambda: world.cdn.open_requests)
        world.cdn.revoke()
        del world.history.messages[message.channel_id][message.id]
        world.cdn.held.set()
        progress = await task
    assert progress.state is State.DONE
    assert await world.count("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM pictures)") == 0


async def test_a_cdn_that_fails_for_a_moment_is_asked_again(world: World) -> None:
    world.history.channel(1)
    world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    world.cdn.statuses["a.png"] = [503, 500]
    progress = await index(world)
    assert progress.failed == 0
    assert world.cdn.requests["a.png"] == 3


async def test_a_cdn_that_keeps_failing_is_recorded_with_a_next_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.history.channel(1)
    world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    monkeypatch.setattr(stages, "FETCH_BACKOFF", Backoff(2, 0.01, 0.02))
    world.cdn.statuses["a.png"] = [503] * 2
    progress = await index(world)
    assert (progress.state, progress.failed) == (State.DONE, 1)
    assert await world.count("SELECT count(*) FROM places WHERE reason = 'unreachable' AND next_attempt_ms > 0") == 1
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE places SET next_attempt_ms = 1")
    progress = await index(world)
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready' AND attempts = 1") == 1


async def test_one_picture_that_the_model_chokes_on_does_not_take_its_batch_along(world: World) -> None:
    pictures = world.fill(channels=1, messages=40, every=1)
    world.encoder.fails_next = 1
    progress = await index(world)
    assert progress.failed == 1
    assert await world.count("SELECT count(*) FROM embeddings") == pictures - 1


async def test_a_model_that_always_fails_ends_with_reasons_not_with_a_crash(world: World) -> None:
    world.history.channel(1)
    world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    world.encoder.fails_next = 100
    progress = await index(world)
    assert progress.failed == 1
    assert await world.count("SELECT count(*) FROM places WHERE reason = 'internal' AND next_attempt_ms > 0") == 1


async def test_a_full_encoder_holds_back_the_downloads_and_the_crawl(world: World) -> None:
    await asyncio.to_thread(world.fill, channels=4, messages=1000, every=1)  # 4,000 files take more than a second
    world.encoder.gate = asyncio.Event()
    async with world.pipeline() as running:
        task = asyncio.create_task(running.run_guild(GUILD))
        last = -1
        async with asyncio.timeout(DEADLINE_S):
            while (now := world.cdn.requests.total() + world.history.pages.total()) != last or not last:
                last = now
                await asyncio.sleep(0.5)
        held_links = len(running._stages.links)
        held_pixels = len(running._stages.pixels)
        assert held_links <= stages.LINK_LANE
        assert held_pixels <= stages.PIXEL_LANE
        batches = pipeline.ENCODERS * world.settings.model.batch_size
        workers = world.settings.fetch.concurrency + world.settings.decode.workers
        assert world.cdn.requests.total() <= held_pixels + batches + workers
        pages = world.settings.crawl.concurrency
        in_lanes = stages.LINK_LANE + workers + stages.PIXEL_LANE + batches
        assert world.history.pages.total() * 100 <= in_lanes + (pages + 4) * 100
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        world.encoder.gate.set()


async def test_a_run_that_is_cancelled_anywhere_and_started_again_ends_with_the_same_rows(
    world: World, tmp_path: Path
) -> None:
    world.fill(channels=3, messages=220, every=4)
    for steps in (0, 1, 5, 20, 60, 150, 400, 900):
        async with world.pipeline() as running:
            task = asyncio.create_task(running.run_guild(GUILD))
            for _ in range(steps):
                await asyncio.sleep(0)
                if steps > 50:
                    await asyncio.sleep(0.0005)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            state = running.progress(GUILD)
            assert state is None or state.state in (State.CANCELLED, State.DONE)
    await index(world)
    interrupted = await world.rows()
    async with open_world(tmp_path / "calm") as calm:
        calm.history = world.history
        calm.fetcher = world.fetcher
        await index(calm)
        assert await calm.rows() == interrupted


async def test_places_left_by_a_killed_run_are_taken_up_with_fresh_links(world: World) -> None:
    pictures = world.fill(channels=2, messages=150, every=3)
    world.encoder.gate = asyncio.Event()
    async with world.pipeline() as running:
        task = asyncio.create_task(running.run_guild(GUILD))
        await until(lambda: world.count("SELECT count(*) = ? FROM places", pictures))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await world.count("SELECT count(*) FROM embeddings") == 0
    world.encoder.gate = None
    world.cdn.revoke()  # a day later
    await index(world)
    assert await world.count("SELECT count(*) FROM embeddings") == pictures


async def test_a_missing_intent_is_told_to_the_person_who_started_the_run(world: World) -> None:
    world.fill(channels=1, messages=10)
    world.history.closed[ChannelId(1)] = TellPerson("history-no-content")
    async with world.pipeline() as running:
        with pytest.raises(TellPerson, match="history-no-content"):
            await running.run_guild(GUILD)
        progress = running.progress(GUILD)
        assert progress is not None
        assert (progress.state, progress.reason) == (State.FAILED, Sentence("history-no-content"))


async def test_a_guild_the_bot_is_not_in_says_so(world: World) -> None:
    async with world.pipeline() as running:
        with pytest.raises(ChannelClosed, match="not in"):
            await running.run_guild(GuildId(5))


async def test_the_same_guild_is_not_indexed_twice_at_once(world: World) -> None:
    world.fill(channels=1, messages=10)
    world.history.gate = asyncio.Event()
    async with world.pipeline() as running:
        task = asyncio.create_task(running.run_guild(GUILD))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already"):
            await running.run_guild(GUILD)
        world.history.gate.set()
        await task


async def test_a_live_message_overtakes_the_backlog(world: World) -> None:
    world.fill(channels=1, messages=600, every=1)
    channel = world.history.listed[ChannelId(1)]
    async with world.pipeline() as running:
        live = world.live(running)
        task = asyncio.create_task(running.run_guild(GUILD))
        await until(lambda: world.count("SELECT count(*) > 10 FROM embeddings"))
        message = world.history.post(1, 1_000_000, world.cdn.add("live.png", picture(999)))
        await live.on_message(world.history._shown(message), channel)
        ready = "SELECT count(*) FROM places WHERE message_id = ? AND state = 'ready'"
        await until(lambda: world.count(ready, message.id))
        assert await world.count("SELECT count(*) FROM places WHERE state = 'pending'") > 100
        await task


async def test_a_model_that_was_changed_embeds_everything_anew(world: World) -> None:
    pictures = world.fill(channels=2, messages=60, every=3)
    await index(world)
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM embeddings")
    await index(world)
    assert await world.count("SELECT count(*) FROM embeddings") == pictures
    assert await world.count("SELECT count(*) FROM pictures") == pictures


async def test_a_retried_fault_of_history_costs_nothing_but_time(world: World) -> None:
    pictures = world.fill(channels=2, messages=150)
    world.history.faults = [busy(), busy(), busy()]
    progress = await index(world)
    assert progress.state is State.DONE
    assert await world.count("SELECT count(*) FROM embeddings") == pictures


async def test_housekeeping_takes_up_what_is_due_without_being_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FETCH_BACKOFF", Backoff(1, 0.01, 0.02))
    world.history.channel(1)
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    world.cdn.statuses["a.png"] = [503] * 9  # the run may list the place as one to take up while its own fetch fails
    async with world.pipeline() as running:
        await running.run_guild(GUILD)
        assert await world.count("SELECT count(*) FROM embeddings") == 0
    world.cdn.statuses["a.png"] = []
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE places SET next_attempt_ms = 1")
    monkeypatch.setattr(pipeline, "HOUSEKEEPING_S", 0.05)  # not before: it may list the place while it fails
    async with world.pipeline():
        await until(lambda: world.count("SELECT count(*) FROM embeddings"))
    assert MessageId(message.id) in world.history.messages[ChannelId(1)]


@pytest.mark.parametrize("given_back", [False, True], ids=["ends", "is given back"])
async def test_a_run_is_done_only_when_what_housekeeping_has_of_its_server_is_too(
    world: World, monkeypatch: pytest.MonkeyPatch, given_back: bool
) -> None:
    """Also where housekeeping ends without an outcome: then the run fetches the picture itself."""
    monkeypatch.setattr(stages, "FETCH_BACKOFF", Backoff(1, 0.01, 0.02))
    world.history.channel(1)
    world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    world.cdn.statuses["a.png"] = [503] * 9
    await index(world)
    world.cdn.statuses["a.png"] = []
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE places SET next_attempt_ms = 1")
    monkeypatch.setattr(pipeline, "HOUSEKEEPING_S", 0.05)
    world.cdn.held = asyncio.Event()
    async with world.pipeline() as running:
        await until(lambda: world.cdn.open_requests)
        monkeypatch.setattr(pipeline, "HOUSEKEEPING_S", 3600.0)  # it looks once
        task = asyncio.create_task(running.run_guild(GUILD))
        await until(lambda: task.done() or running._outcomes._waited)
        assert not task.done()
        if given_back:
            for held in list(running._outcomes._claims.values()):
                running._outcomes.withdraw(held)
            await until(lambda: world.cdn.open_requests == 2)
        world.cdn.held.set()
        assert (await task).state is State.DONE
        assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == 1


async def test_what_stops_a_stage_stops_the_pipeline_and_says_why(world: World) -> None:
    world.fill(channels=1, messages=10, every=1)

    async def gone(*_: object) -> Vectors:
        raise ModelUnavailable("the weights are gone")

    world.encoder.encode_pixels = gone  # type: ignore[assignment, method-assign]  # of this encoder alone
    with pytest.raises(ModelUnavailable, match="weights"):
        await index(world)
    assert await world.count("SELECT count(*) FROM places WHERE state = 'pending'") == 10


async def test_an_error_in_the_block_comes_out_as_it_is(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with world.pipeline():
            _ = 1 / 0


async def test_progress_tells_how_far_a_run_is(world: World) -> None:
    world.fill(channels=3, messages=400, every=2)
    seen: list[Progress] = []
    async with world.pipeline() as running:
        assert running.progress(GUILD) is None
        task = asyncio.create_task(running.run_guild(GUILD))
        while not task.done():
            if (now := running.progress(GUILD)) is not None:
                seen.append(now)
            await asyncio.sleep(0.01)
        await task
        last = running.progress(GUILD)
    assert last is not None
    assert (last.fraction, last.seconds_left, last.state) == (1.0, None, State.DONE)
    assert all(0 <= now.fraction < 1 for now in seen if now.state is State.RUNNING)
    assert [now.messages for now in seen] == sorted(now.messages for now in seen)
    assert any(now.seconds_left for now in seen)


async def test_a_retry_of_what_failed_reads_no_history_beyond_the_messages_concerned(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "FETCH_BACKOFF", Backoff(1, 0.01, 0.02))
    world.fill(channels=3, messages=50)
    world.history.post(1, 60_000, world.cdn.add("bad.png", picture(5)))
    world.cdn.statuses["bad.png"] = [503] * 10  # what the crawl gave up, the same run may take up once more
    await index(world)
    world.cdn.statuses["bad.png"].clear()
    async with world.db.transaction() as tx:
        assert await places.retry(tx, GUILD) == 1
    world.history.pages.clear()
    async with world.pipeline() as running:
        progress = await running.run_guild(GUILD, frozenset())
    assert (progress.places_done, progress.failed) == (1, 0)
    assert world.history.pages.total() == 1


async def test_an_outage_of_discord_uses_up_no_attempts_of_what_is_left_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "BACKOFF", Backoff(2, 0.001, 0.002))
    pictures = world.fill(channels=2, messages=30)
    world.encoder.gate = asyncio.Event()
    async with world.pipeline() as running:
        task = asyncio.create_task(running.run_guild(GUILD))
        await until(lambda: world.count("SELECT count(*) = ? FROM places", pictures))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    world.encoder.gate = None
    world.history.closed = {ChannelId(1): busy(), ChannelId(2): busy()}
    async with world.pipeline() as running:
        await running.run_guild(GUILD, frozenset())
    assert await world.count("SELECT count(*) FROM places WHERE state = 'pending' AND attempts = 0") == pictures
    world.history.closed = {}
    async with world.pipeline() as running:
        await running.run_guild(GUILD, frozenset())
    assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == pictures
