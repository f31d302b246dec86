"""The model's process: killed at any moment nothing is lost, it ends with the bot, it goes when nobody asks."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from indexer.backoff import Backoff
from indexer.encode import model_on_demand, process
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.protocol import message, settings_json
from indexer.encode.shared_frames import SharedFrames
from indexer.encode.worker import is_lost_device, is_want_of_memory
from indexer.errors import ModelUnavailable, Reason, Rejected, RetryLater
from indexer.platforms.processes import command, kill
from indexer.platforms.shared_memory import inherited
from indexer.ports import Priority
from indexer.records.pictures import Pixels
from indexer.search.joint_reranker import JointReranker
from indexer.settings import ModelSettings
from indexer.supervisor import Faults
from tests.worlds.hasty_child import SECOND
from tests.worlds.model_child import DEADLY, DIVISIVE, REDUCED, SIZE, UNPLUGGED
from tests.worlds.waiting import DEADLINE_S, until

WORKER = "tests.worlds.model_child"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(model_on_demand, "AGAIN", Backoff(tries=0, first_s=0.01, longest_s=0.01))
    caplog.set_level(logging.DEBUG, "indexer")


def fake(folder: Path, **changes: Any) -> ModelSettings:
    return ModelSettings(name="fake", pretrained=str(folder), **changes)


def opened(folder: Path, faults: Faults | None = None, **changes: Any) -> AbstractAsyncContextManager[ModelEncoder]:
    return open_encoder(fake(folder, **changes), faults, worker=WORKER)


@pytest.fixture
async def encoder(tmp_path: Path) -> AsyncIterator[ModelEncoder]:
    async with opened(tmp_path) as encoder:
        yield encoder


def pictures(*firsts: int) -> list[Pixels]:
    return [np.full((SIZE, SIZE, 3), first, np.uint8) for first in firsts]


def pid_of(encoder: ModelEncoder) -> int:
    assert encoder.pid is not None
    return encoder.pid


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # nobody has asked for its status yet
    except psutil.NoSuchProcess:
        return True


async def test_killed_in_mid_batch_nothing_is_lost(
    encoder: ModelEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hold").touch()
    indexing = asyncio.create_task(encoder.encode_pixels(pictures(*range(1, 13))))
    await until(lambda: "asked for [1, 2, 3, 4, 5, 6, 7, 8]" in caplog.text)
    before = pid_of(encoder)
    kill(before)
    (tmp_path / "hold").unlink()
    assert [row[0] for row in await indexing] == list(range(1, 13))
    assert pid_of(encoder) != before
    assert caplog.messages.count("asked for [1, 2, 3, 4, 5, 6, 7, 8]") == 2  # once more as it was
    assert "SIGKILL" in caplog.text


async def test_its_end_that_is_cancelled_with_the_event_loop_kills_it(tmp_path: Path) -> None:
    frames = SharedFrames()
    model = await process.ModelProcess.start(fake(tmp_path), frames, worker=WORKER)
    psutil.Process(model.pid).suspend()  # it does not end by itself
    ending = asyncio.create_task(model.end())
    await asyncio.wait([ending], timeout=0.1)
    assert model._ending is not None
    model._ending.cancel()
    await asyncio.wait([ending])
    await until(lambda: gone(model.pid))
    await model._reading
    frames.close()


async def test_a_choice_that_comes_right_after_the_opening_is_taken(tmp_path: Path) -> None:
    frames = SharedFrames()
    model = await process.ModelProcess.start(fake(tmp_path), frames, worker="tests.worlds.hasty_child")
    await until(lambda: model.facts.choice == SECOND)
    await model.end()
    frames.close()


async def test_features_go_over_and_scores_come_back_and_a_death_meanwhile_is_told(
    encoder: ModelEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reranker = JointReranker(encoder)
    features = await reranker.features(pictures(3, 1, 2))
    assert features.dtype == np.float16
    assert (await reranker.words_scores(None, "four", features)).tolist() == [7, 5, 6]
    assert (await reranker.picture_scores(features[0], features[1:])).tolist() == [-2, -1]
    with pytest.raises(Rejected, match="ZeroDivisionError"):
        await reranker.words_scores(None, "four", await reranker.features(pictures(1)) + np.float16(DIVISIVE - 1))
    (tmp_path / "hold").touch()
    scoring = asyncio.create_task(reranker.words_scores(None, "four", features))
    await until(lambda: caplog.messages.count("asked for [3, 1, 2]") == 4)
    kill(pid_of(encoder))
    (tmp_path / "hold").unlink()
    with pytest.raises(RetryLater):
        await scoring
    assert (await reranker.words_scores(None, "four", features)).tolist() == [7, 5, 6]


async def test_killed_in_mid_question_it_is_answered(
    encoder: ModelEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hold").touch()
    asked = asyncio.create_task(encoder.encode_words(["four"]))
    await until(lambda: "asked for [0]" in caplog.text)
    kill(pid_of(encoder))
    (tmp_path / "hold").unlink()
    assert (await asked).tolist() == [[4, 2]]


async def test_killed_while_nobody_asks_costs_the_next_question_nothing(encoder: ModelEncoder, tmp_path: Path) -> None:
    kill(pid_of(encoder))
    await until(lambda: encoder.pid is None)
    assert (await encoder.encode_words(["four"])).tolist() == [[4, 2]]


async def test_a_picture_that_kills_it_twice_alone_is_rejected_and_the_others_are_done(
    encoder: ModelEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.TaskGroup() as tasks:
        good = [tasks.create_task(encoder.encode_pixels(pictures(first))) for first in (1, 2, 3)]
        bad = tasks.create_task(_outcome(encoder, DEADLY))
        more = tasks.create_task(encoder.encode_pixels(pictures(4)))
    assert [task.result()[0, 0] for task in (*good, more)] == [1, 2, 3, 4]
    assert isinstance(bad.result(), Rejected)
    assert bad.result().reason is Reason.WORKER_DIED
    assert caplog.messages.count(f"asked for [1, 2, 3, {DEADLY}, 4]") == 2
    assert caplog.messages.count(f"asked for [{DEADLY}]") == 2
    assert "a library's last words" in caplog.text


async def _outcome(encoder: ModelEncoder, first: int) -> Any:
    try:
        return await encoder.encode_pixels(pictures(first))
    except (Rejected, RetryLater) as error:
        return error


async def test_where_the_model_dies_of_anything_no_picture_is_blamed(encoder: ModelEncoder, tmp_path: Path) -> None:
    (tmp_path / "deadly").touch()
    assert isinstance(await _outcome(encoder, 1), RetryLater)
    (tmp_path / "deadly").unlink()
    assert (await encoder.encode_pixels(pictures(1)))[0, 0] == 1


async def test_a_question_overtakes_a_batch_that_is_tried_again(
    encoder: ModelEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hold").touch()
    async with asyncio.TaskGroup() as tasks:
        for first in (1, 2, DEADLY):
            tasks.create_task(_outcome(encoder, first))
        await until(lambda: f"asked for [1, 2, {DEADLY}]" in caplog.text)
        asked = tasks.create_task(encoder.encode_pixels(pictures(9), Priority.QUERY))
        await asyncio.sleep(0)
        (tmp_path / "hold").unlink()
        await asked
    steps = [text for text in caplog.messages if text.startswith("asked for")]
    assert steps[1] == "asked for [9]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups like these")
async def test_ctrl_c_passes_it_by_and_its_priority_counts_beside_the_bots(encoder: ModelEncoder) -> None:
    await encoder.encode_words(["w1"])
    assert encoder.pid is not None
    if sys.platform != "win32":  # mypy follows no mark
        assert os.getpgid(encoder.pid) == encoder.pid
        assert os.getsid(encoder.pid) == os.getsid(0)


async def test_what_the_model_fails_on_costs_no_process(encoder: ModelEncoder) -> None:
    before = encoder.pid
    results = await asyncio.gather(*(_outcome(encoder, first) for first in (1, DIVISIVE, 2)))
    assert [type(result).__name__ for result in results] == ["ndarray", "Rejected", "ndarray"]
    assert results[1].reason is Reason.INTERNAL
    assert "ZeroDivisionError: by a picture" in results[1].detail
    assert encoder.pid == before


async def test_a_lost_gpu_is_the_processors_turn_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path, device="cuda") as encoder:
        assert encoder.choice.device == "cuda"
        vectors = await encoder.encode_pixels(pictures(1, UNPLUGGED, 2))
        assert vectors[:, 0].tolist() == [1, UNPLUGGED, 2]
        assert encoder.choice.device == "cpu"
    assert "the model lost its device, cuda: it goes on with the processor" in caplog.text
    assert "unspecified launch failure" in caplog.text


@pytest.mark.parametrize(
    ("said", "memory", "lost"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", True, False),
        ("CUDA error: out of memory", True, False),
        ("std::bad_alloc", True, False),
        ("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory", True, False),
        ("CUDA error: an illegal memory access was encountered", False, True),
        ("mat1 and mat2 shapes cannot be multiplied", False, False),
    ],
)
def test_what_an_error_of_a_runtime_means(said: str, memory: bool, lost: bool) -> None:
    assert is_want_of_memory(RuntimeError(said)) is memory
    assert is_lost_device(said) is lost


async def test_two_batches_are_worked_on_at_once_and_answers_find_their_askers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hold").touch()
    async with opened(tmp_path, streams=2, batch_size=4) as encoder:
        indexing = asyncio.create_task(encoder.encode_pixels(pictures(*range(1, 9))))
        await until(lambda: "asked for [5, 6, 7, 8]" in caplog.text)
        asked = asyncio.create_task(encoder.encode_words(["four"]))
        await until(lambda: "asked for [0]" in caplog.text)  # beside both
        (tmp_path / "hold").unlink()
        assert (await indexing)[:, 0].tolist() == list(range(1, 9))
        assert (await asked).tolist() == [[4, 2]]


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
async def test_a_question_overtakes_a_batch_that_waits_in_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, runtime: str
) -> None:
    (tmp_path / "hold").touch()
    settings = fake(tmp_path, runtime=runtime, batch_size=4)
    async with open_encoder(settings, worker=WORKER, ahead=1) as encoder:
        indexing = asyncio.create_task(encoder.encode_pixels(pictures(*range(1, 9))))
        await until(lambda: "asked for [1, 2, 3, 4]" in caplog.text)
        asked = asyncio.create_task(encoder.encode_words(["four"]))
        await asyncio.sleep(0.05)
        (tmp_path / "hold").unlink()
        assert (await indexing)[:, 0].tolist() == list(range(1, 9))
        assert (await asked).tolist() == [[4, 2]]
    steps = [text for text in caplog.messages if text.startswith("asked for")]
    assert steps == ["asked for [1, 2, 3, 4]", "asked for [0]", "asked for [5, 6, 7, 8]"]


async def test_idle_it_goes_and_the_next_question_brings_it_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path, idle_s=0.05) as encoder:
        first = pid_of(encoder)
        await until(lambda: encoder.pid is None)
        await until(lambda: gone(first))
        assert encoder.spec.dimension == 2  # known without it
        assert (await encoder.encode_words(["back"])).tolist() == [[4, 2]]
        # What a trial has found out is not found out again.
        assert caplog.messages.count("settled: openvino on auto, float32, 1 stream") == 1
        await until(lambda: encoder.pid is None)
        assert (await encoder.encode_pixels(pictures(5)))[0, 0] == 5
    assert "ended with" not in caplog.text


@pytest.mark.parametrize("ending", ["idle", "killed"])
async def test_how_it_ran_in_the_end_is_known_when_it_has_gone(tmp_path: Path, ending: str) -> None:
    async with opened(tmp_path, idle_s=0.05 if ending == "idle" else 0) as encoder:
        assert encoder.choice.precision == "float32"
        assert (await encoder.encode_pixels(pictures(REDUCED)))[0, 0] == REDUCED
        assert encoder.choice.precision == "int8"  # told before the vectors
        if ending == "killed":
            (tmp_path / "gone").touch()
            assert isinstance(await _outcome(encoder, DEADLY), RetryLater)
        await until(lambda: encoder._model._process is None)
        assert encoder.choice.precision == "int8"


async def test_a_process_that_hangs_while_it_loads_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LONGEST_OPEN_S", 0.5)
    (tmp_path / "hold-loading").touch()
    with pytest.raises(ModelUnavailable, match=r"could not be loaded: its process had loaded no model after 0\.5 s"):
        async with opened(tmp_path):
            pass


async def test_by_itself_it_stays(tmp_path: Path) -> None:
    async with opened(tmp_path, idle_s=0) as encoder:
        before = encoder.pid
        await encoder.encode_words(["a"])
        await asyncio.sleep(0.1)
        assert encoder.pid == before


@pytest.mark.parametrize(("what", "said"), [("gone", "no such weights"), ("changed", "weights or settings of fake")])
async def test_what_cannot_come_back_is_tried_again_later(tmp_path: Path, what: str, said: str) -> None:
    faults = Faults()
    async with opened(tmp_path, faults) as encoder:
        (tmp_path / what).touch()
        kill(pid_of(encoder))
        await until(lambda: encoder.pid is None)
        with pytest.raises(RetryLater, match=said):
            await encoder.encode_words(["a"])
        assert faults.in_a_row("model") == 1
        (tmp_path / what).unlink()
        assert (await encoder.encode_words(["a"])).tolist() == [[1, 2]]
        assert faults.in_a_row("model") == 0


async def test_before_a_long_pause_ends_nobody_is_kept_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_on_demand, "AGAIN", Backoff(tries=0, first_s=100.0, longest_s=100.0))
    async with opened(tmp_path) as encoder:
        (tmp_path / "gone").touch()
        kill(pid_of(encoder))
        await until(lambda: encoder.pid is None)
        with pytest.raises(RetryLater, match="no such weights"):
            await encoder.encode_words(["a"])
        starts = caplog.text.count("settled:")
        with pytest.raises(RetryLater, match=r"started again in \d+ s, .*no such weights") as caught:
            await encoder.encode_words(["a"])
        assert isinstance(caught.value.retry_after, float)
        assert caplog.text.count("settled:") == starts


async def test_a_model_that_cannot_be_loaded_says_so_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "gone").touch()
    with pytest.raises(ModelUnavailable, match="no such weights"):
        async with opened(tmp_path):
            pass


async def test_a_process_that_dies_while_it_loads_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "deadly-to-load").touch()
    with pytest.raises(ModelUnavailable, match=r"ended with SIGKILL.*memory was short"):
        async with opened(tmp_path):
            pass


async def test_closing_does_not_wait_for_a_batch_or_a_download(tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    async with opened(tmp_path) as encoder:
        pid = pid_of(encoder)
        asked = asyncio.create_task(encoder.encode_words(["a"]))
        await asyncio.sleep(0.05)
    assert gone(pid)
    with pytest.raises(RetryLater):
        await asked
    (tmp_path / "hold-loading").touch()
    before = psutil.Process().children()  # another test may have left one, as multiprocessing's tracker of resources
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), opened(tmp_path):
            pass
    started = [child for child in psutil.Process().children() if child not in before]
    assert [child for child in started if not gone(child.pid)] == []


async def test_what_libraries_print_is_a_debug_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path):
        await until(lambda: "a library prints" in caplog.text)
    (record,) = [record for record in caplog.records if "a library prints" in record.getMessage()]
    assert record.levelno == logging.DEBUG


async def test_the_bots_settings_are_not_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AFTERIMAGE_DISCORD_TOKEN", "secret")
    async with opened(tmp_path) as encoder:
        assert encoder.pid is not None
    (environment,) = [text for text in caplog.messages if text.startswith("environment:")]
    assert "'PATH'" in environment
    assert "AFTERIMAGE_" not in environment


@pytest.mark.parametrize("working", [True, False])
async def test_it_ends_when_the_bot_is_killed(tmp_path: Path, working: bool) -> None:
    if working:
        (tmp_path / "hold").touch()
    code = (
        "import asyncio, sys\n"
        "from indexer.encode.encoder import open_encoder\n"
        "from tests.encode.test_process import WORKER, fake\n"
        "async def main():\n"
        "    async with open_encoder(fake(sys.argv[1]), worker=WORKER) as encoder:\n"
        "        asked = asyncio.create_task(encoder.encode_words(['a']))\n"
        "        await asyncio.sleep(0.05)\n"
        "        print(encoder.pid, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=subprocess.PIPE, cwd=ROOT
    )
    assert bot.stdout is not None
    pid = int(await bot.stdout.readline())
    assert not gone(pid)
    bot.kill()
    await bot.wait()
    await until(lambda: gone(pid))


@pytest.mark.parametrize("doing", ["hold", "hold-loading"])
async def test_it_ends_at_the_end_of_its_input_whatever_it_is_doing(tmp_path: Path, doing: str) -> None:
    """Where no kernel ends it with its parent."""
    (tmp_path / doing).touch()
    frames = SharedFrames()
    arguments = f'{{"parent": {os.getpid()}, "frames": {frames.reference}}}'
    process = await asyncio.create_subprocess_exec(
        *command(arguments, WORKER),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=inherited(frames.reference),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    levels = {"root": logging.INFO, "indexer": logging.INFO}
    process.stdin.write(
        message({"ask": "open", "model": settings_json(fake(tmp_path)), "settled": None, "levels": levels})
        + message({"ask": "texts", "texts": ["a"]})
    )
    await process.stdout.readuntil(b"settled" if doing == "hold-loading" else b"asked for")
    process.stdin.close()
    async with asyncio.timeout(DEADLINE_S):
        assert await process.wait() == 0
    frames.close()
