"""The pool of decode workers: what happens to a worker happens to one picture only."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import ReadersBusy, Reason, Rejected, Stop
from indexer.one_at_a_time import WAITING
from indexer.pictures import decoder as decode_module
from indexer.pictures import worker_pool
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.records.ids import UserId
from indexer.records.pictures import PixelSpec
from indexer.settings import DecodeSettings
from tests.soak import example_count
from tests.worlds.picture_files import KINDS, encoded, long_one, moving, png_header, scene
from tests.worlds.waiting import until

pytestmark = pytest.mark.xdist_group("decode pool")  # one process makes the long file

SPEC = PixelSpec(64)


async def test_of_what_is_indexed_several_frames_come_and_of_a_question_one() -> None:
    data = moving([scene(96, 64, seed) for seed in (1, 2, 3)], "GIF")
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        picture = await pool.decode(data)
        async with pool.turn_of(UserId(1)) as turn:
            asked = await turn.decode(data)
    local = decode_picture(data, SPEC, Limits(100_000_000, frames=3))
    assert [moment.at_ms for moment in picture.moments] == [50, 0, 100]
    assert picture.moments == local.moments
    assert all(np.array_equal(frame, other) for frame, other in zip(picture.frames, local.frames, strict=True))
    assert (len(asked.frames), asked.moments) == (1, ())


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    async with open_decoder(DecodeSettings(workers=2), SPEC) as pool:
        yield pool


def children(nice: int | None = None) -> list[psutil.Process]:
    """The workers: this process's children that run one, all or those of one nice value."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "decode_worker" in " ".join(child.cmdline()) and nice in (None, child.nice()):
                found.append(child)
    return found


def indexing() -> list[psutil.Process]:
    """The workers that open what is indexed."""
    return children(psutil.Process().nice() + decode_module._INDEXING_NICE)


@pytest.fixture(scope="module", autouse=True)
def long_before() -> None:
    """It takes a second to make, in which no event loop should stand still."""
    long_one()


async def test_a_worker_answers_just_what_the_decoder_says(decoder: Decoder) -> None:
    for kind, data in KINDS.items():
        here, there = decode_picture(data, SPEC, Limits(100_000_000)), await decoder.decode(data)
        assert (here.sha256, here.width, here.height, here.format) == (
            there.sha256,
            there.width,
            there.height,
            there.format,
        ), kind
        assert (here.frame_count, here.byte_count) == (there.frame_count, there.byte_count)
        assert here.perceptual_hash == there.perceptual_hash
        assert np.array_equal(here.frames[0], there.frames[0])


async def test_several_frames_come_over_the_pipe() -> None:
    async with open_decoder(DecodeSettings(workers=1, frames=3), SPEC) as pool:
        frames = [scene(100, 100, seed) for seed in range(9)]
        picture = await pool.decode(await asyncio.to_thread(moving, frames, "GIF"))
        assert len(picture.frames) == 3


async def test_a_rejected_picture_keeps_its_reason_and_the_worker_goes_on(decoder: Decoder) -> None:
    for data, reason in (
        (b"", Reason.EMPTY),
        (b"text", Reason.NOT_A_PICTURE),
        (KINDS["jpeg"][:2000], Reason.TRUNCATED),
        (png_header(50_000, 50_000), Reason.TOO_MANY_PIXELS),
    ):
        with pytest.raises(Rejected) as caught:
            await decoder.decode(data)
        assert caught.value.reason is reason
    assert len(indexing()) == 1
    assert (await decoder.decode(KINDS["png"])).width == 640


async def test_a_worker_that_is_killed_costs_no_picture(decoder: Decoder) -> None:
    await decoder.decode(KINDS["png"])
    for child in children():
        child.kill()
    assert (await decoder.decode(KINDS["png"])).width == 640


async def test_a_picture_that_kills_every_reader_is_rejected_and_the_others_live(decoder: Decoder) -> None:
    deadly = asyncio.create_task(decoder.decode(long_one()))
    others = [asyncio.create_task(decoder.decode(KINDS["jpeg"])) for _ in range(10)]
    killed = set[int]()
    while not deadly.done():  # what a crash in a C library does to whoever reads this file
        for child in children():
            if child.pid not in killed and child.memory_info().rss > 80 * 1024**2:
                os.kill(child.pid, signal.SIGSEGV)
                killed.add(child.pid)
        await asyncio.sleep(0.005)
    with pytest.raises(Rejected) as caught:
        await deadly
    assert caught.value.reason is Reason.WORKER_DIED
    assert "SIGSEGV" in caught.value.detail
    assert len(killed) == 2
    assert [picture.width for picture in await asyncio.gather(*others)] == [640] * 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups like these")
async def test_ctrl_c_passes_readers_by_and_their_priority_counts_beside_the_bots() -> None:
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        await pool.decode(KINDS["png bits"])
        (reader,) = indexing()
        if sys.platform != "win32":  # mypy follows no mark
            assert os.getpgid(reader.pid) == reader.pid
            assert os.getsid(reader.pid) == os.getsid(0)


async def test_a_picture_that_takes_too_much_work_is_stopped() -> None:
    async with open_decoder(DecodeSettings(workers=2, timeout_s=0.2), SPEC) as pool:
        await pool.decode(KINDS["png bits"])
        before = {child.pid for child in indexing()}
        with pytest.raises(Rejected) as caught:
            await pool.decode(long_one())
        assert caught.value.reason is Reason.TOO_SLOW
        assert before
        assert not before & {child.pid for child in indexing()}


async def test_a_reader_that_stands_still_is_stopped() -> None:
    async with open_decoder(DecodeSettings(workers=1, timeout_s=0.2), SPEC) as pool:
        await pool.decode(KINDS["png bits"])
        for child in indexing():
            child.suspend()
        with pytest.raises(Rejected) as caught:
            await pool.decode(KINDS["png bits"])
        assert caught.value.reason is Reason.TOO_SLOW
        assert not indexing()


async def test_a_picture_that_needs_too_much_memory_is_rejected() -> None:
    async with open_decoder(DecodeSettings(workers=1, memory_bytes=128 * 1024**2), SPEC) as pool:
        with pytest.raises(Rejected) as caught:
            await pool.decode(long_one())
        assert caught.value.reason is Reason.TOO_MUCH_MEMORY
        assert (await pool.decode(KINDS["png"])).width == 640


async def test_cancelling_frees_the_worker_and_never_mixes_answers_up(decoder: Decoder) -> None:
    tasks = [asyncio.create_task(decoder.decode(long_one())) for _ in range(2)]
    waiting = asyncio.create_task(decoder.decode(KINDS["png"]))
    await until(lambda: decoder.waiting)
    waiting.cancel()
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    picture = await decoder.decode(encoded(scene(77, 33), "PNG"))
    assert (picture.width, picture.height) == (77, 33)
    tasks[1].cancel()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    assert (await decoder.decode(KINDS["gif"])).format == "GIF"


async def test_never_more_workers_than_asked_for(decoder: Decoder) -> None:
    pictures = await asyncio.gather(*(decoder.decode(KINDS["jpeg"]) for _ in range(40)))
    assert len(pictures) == 40
    assert len(indexing()) == 2


async def test_a_question_is_served_while_posts_hold_every_worker_of_the_index() -> None:
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        posts = [asyncio.create_task(pool.decode(long_one())) for _ in range(20)]
        await until(lambda: bool(indexing()))
        async with pool.turn_of(UserId(1)) as turn:
            picture = await turn.decode(KINDS["jpeg"])
        assert picture.width == 640
        assert not any(post.done() for post in posts)
        assert len(indexing()) == 1
        for post in posts:
            post.cancel()
        await asyncio.gather(*posts, return_exceptions=True)


async def test_a_question_is_served_while_another_member_asks_with_slow_pictures() -> None:
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:

        async def ask(member: int, data: bytes) -> int:
            async with pool.turn_of(UserId(member)) as turn:
                return (await turn.decode(data)).width

        slow = [asyncio.create_task(ask(1, long_one())) for _ in range(6)]
        await until(lambda: len(children(psutil.Process().nice())) == 1)
        assert await ask(2, KINDS["jpeg"]) == 640
        assert sum(task.done() for task in slow) <= 1
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_a_member_has_one_picture_in_hand_and_a_few_that_wait(decoder: Decoder) -> None:
    held, most = 0, 0

    async def ask() -> None:
        nonlocal held, most
        async with decoder.turn_of(UserId(1)):
            held += 1
            most = max(most, held)
            await asyncio.sleep(0)
            held -= 1

    results = await asyncio.gather(*(ask() for _ in range(WAITING + 3)), return_exceptions=True)
    assert most == 1
    assert [type(result) for result in results if result is not None] == [ReadersBusy] * 2
    async with decoder.turn_of(UserId(1)), decoder.turn_of(UserId(2)):
        pass
    assert not decoder._members._lines


async def test_what_is_no_picture_takes_no_turn() -> None:
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        posts = [asyncio.create_task(pool.decode(long_one())) for _ in range(2)]
        await until(lambda: bool(indexing()))
        for data in (b"", b"text", b"%PDF-1.7"):
            with pytest.raises(Rejected):
                await pool.decode(data)
        assert not any(post.done() for post in posts)
        for post in posts:
            post.cancel()
        await asyncio.gather(*posts, return_exceptions=True)


async def test_more_than_can_wait_is_refused_as_busy() -> None:
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        most = decode_module._QUESTIONS_WAITING + decode_module.QUESTION_WORKERS

        async def ask(member: int, data: bytes) -> None:
            async with pool.turn_of(UserId(member)) as turn:
                await turn.decode(data)

        asked = [asyncio.create_task(ask(member, long_one())) for member in range(most)]
        await asyncio.sleep(0)
        with pytest.raises(ReadersBusy):
            await ask(most, KINDS["png"])
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_a_worker_is_replaced_after_its_share(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "RECYCLE", 3)
    seen = set[int]()
    for _ in range(8):
        await decoder.decode(KINDS["jpeg grey"])
        seen |= {child.pid for child in indexing()}
    assert len(seen) == 3


async def test_closing_ends_every_worker_and_tells_who_waits() -> None:
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        running = asyncio.create_task(pool.decode(long_one()))
        waiting = asyncio.create_task(pool.decode(KINDS["png"]))
        await asyncio.sleep(0.05)
    results = await asyncio.gather(running, waiting, return_exceptions=True)
    assert isinstance(results[0], Rejected | Stop)
    assert isinstance(results[1], Stop)
    assert not children()
    with pytest.raises(Stop):
        await pool.decode(KINDS["png"])


@pytest.mark.parametrize("python", ["/bin/false", "/no/such/python"])
async def test_a_worker_that_cannot_start_is_told_at_once(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", python)
    with pytest.raises(Stop, match="could be started"):
        async with open_decoder(DecodeSettings(workers=1), SPEC):
            pass


async def test_a_machine_that_starts_no_more_workers_is_asked_again_later(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = asyncio.create_task(decoder.decode(KINDS["png"]))
    await asyncio.sleep(0)
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", "/bin/false")
        with pytest.raises(ReadersBusy):
            await decoder.decode(KINDS["png"])
    assert (await running).width == 640
    pictures = await asyncio.gather(*(decoder.decode(KINDS["png"]) for _ in range(4)))
    assert len(pictures) == 4


async def test_a_worker_sees_no_secrets_and_leaves_when_the_bot_is_gone(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_TOKEN", "secret")
    async with open_decoder(DecodeSettings(workers=1), SPEC):
        for child in children():
            assert "secret" not in "".join(child.environ().values())
            if sys.platform != "darwin":  # psutil reads no maps there
                loaded = " ".join(mapped.path for mapped in child.memory_maps())
                assert "torch" not in loaded
                assert "discord" not in loaded


@pytest.mark.soak
def test_flipped_bytes_give_a_picture_or_a_reason_and_never_end_the_pool() -> None:
    with asyncio.Runner() as runner:
        opened = open_decoder(DecodeSettings(workers=1), SPEC)
        pool = runner.run(opened.__aenter__())

        @settings(max_examples=example_count(200), deadline=None, suppress_health_check=list(HealthCheck))
        @given(file=damaged_files())
        def check(file: bytes) -> None:
            try:
                picture = runner.run(pool.decode(file))
            except Rejected as rejected:
                reason = rejected.reason
            else:
                assert picture.frames[0].shape == (64, 64, 3)
                return
            assert reason not in (Reason.WORKER_DIED, Reason.TOO_SLOW, Reason.INTERNAL)

        check()
        runner.run(opened.__aexit__(None, None, None))


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    file = bytearray(KINDS[draw(st.sampled_from(sorted(KINDS)))])
    positions = st.one_of(st.integers(0, min(len(file), 600) - 1), st.integers(0, len(file) - 1))
    for position, value in draw(st.lists(st.tuples(positions, st.integers(0, 255)), min_size=1, max_size=12)):
        file[position] = value
    if draw(st.booleans()):
        del file[draw(st.integers(0, len(file))) :]
    return bytes(file)
