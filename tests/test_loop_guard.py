"""The guard that watches all other tests."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from tests.loop_guard import LoopGuard


def test_code_that_blocks_the_loop_is_caught_with_its_stack() -> None:
    async def blocks() -> None:
        time.sleep(0.3)  # noqa: ASYNC251 -- the fault that the guard is for

    with LoopGuard(bound_s=0.1).watching() as guard:
        asyncio.run(blocks())

    assert len(guard.blocks) == 1
    assert "time.sleep(0.3)" in guard.blocks[0]


def test_waiting_is_not_blocking() -> None:
    async def waits() -> None:
        await asyncio.sleep(0.3)
        await asyncio.to_thread(time.sleep, 0.3)

    with LoopGuard(bound_s=0.2).watching() as guard:
        asyncio.run(waits())

    assert guard.blocks == []


def test_a_loop_in_another_thread_is_watched_too() -> None:
    async def blocks() -> None:
        time.sleep(0.3)  # noqa: ASYNC251 -- the fault that the guard is for

    with LoopGuard(bound_s=0.1).watching() as guard:
        thread = threading.Thread(target=lambda: asyncio.run(blocks()))
        thread.start()
        thread.join()

    assert len(guard.blocks) == 1


def test_collecting_garbage_is_not_blocking() -> None:
    async def collects() -> None:
        began = time.perf_counter()
        while time.perf_counter() - began < 0.4:
            gc.collect()

    with LoopGuard(bound_s=0.2).watching() as guard:
        asyncio.run(collects())

    assert guard.blocks == []


STOPPED = """
import asyncio, time
from tests.loop_guard import LoopGuard

async def computes():
    print("computing", flush=True)
    began = time.thread_time()
    while time.thread_time() - began < 0.2:
        pass

with LoopGuard(bound_s=0.5).watching() as guard:
    asyncio.run(computes())
print(guard.blocks, flush=True)
"""


def test_a_machine_that_stands_still_is_not_blocking() -> None:
    arguments = [sys.executable, "-c", STOPPED]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "computing\n"
        stopped = psutil.Process(process.pid)
        stopped.suspend()
        time.sleep(1.0)
        stopped.resume()
        assert process.stdout.read() == "[]\n"


def test_code_that_holds_the_interpreter_is_blocking() -> None:
    async def holds() -> None:
        began = time.perf_counter()
        while time.perf_counter() - began < 0.4:
            sorted(range(2_000_000))  # one call of C, in which no other thread runs

    with LoopGuard(bound_s=0.1).watching() as guard:
        asyncio.run(holds())

    assert len(guard.blocks) == 1
