"""Questions of others beside slow pictures, measured: AFTERIMAGE_SOAK=1 and `pytest -s` print the figures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from indexer.errors import ReadersBusy, Rejected
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.records.ids import UserId
from indexer.records.pictures import PixelSpec
from indexer.settings import DecodeSettings
from tests.soak import SOAK
from tests.worlds.picture_files import encoded, jpeg_of_scans, long_one, scene

QUESTIONS = 100
GOAL = 2.0  # × idle


async def asked(pool: Decoder, member: int, data: bytes) -> None:
    async with pool.turn_of(UserId(member)) as turn:
        await turn.decode(data)


async def p95_ms(pool: Decoder) -> float:
    """The 95th percentile of a member's questions, each with a picture of a phone."""
    photo = encoded(scene(1600, 1200), "JPEG", quality=88)
    taken = []
    for _ in range(QUESTIONS):
        start = time.perf_counter()
        await asked(pool, 2, photo)
        taken.append((time.perf_counter() - start) * 1e3)
    return float(np.percentile(taken, 95))


@asynccontextmanager
async def attack(pool: Decoder, *, uploads: int = 0, posts: int = 0) -> AsyncIterator[None]:
    """So many slow pictures at any time: questions of one member, and what is indexed."""
    files = await asyncio.to_thread(lambda: [long_one(), jpeg_of_scans(90, 4000)])

    async def forever(number: int, upload: bool) -> None:
        while True:
            with suppress(Rejected, ReadersBusy):
                data = files[number % len(files)]
                await (asked(pool, 1, data) if upload else pool.decode(data))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(forever(number, True)) for number in range(uploads)]
    tasks += [asyncio.create_task(forever(number, False)) for number in range(posts)]
    await asyncio.sleep(1.0)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.skipif(not SOAK, reason="a minute of attacks; set AFTERIMAGE_SOAK=1")
async def test_others_are_answered_beside_slow_uploads_and_slow_posts() -> None:
    async with open_decoder(DecodeSettings(), PixelSpec(256)) as pool:
        await p95_ms(pool)
        idle = await p95_ms(pool)
        print(f"\nidle: p95 {idle:.0f} ms")
        for name, uploads, posts in (("6 slow uploads", 6, 0), ("20 slow posts", 0, 20), ("both", 6, 20)):
            async with attack(pool, uploads=uploads, posts=posts):
                busy = await p95_ms(pool)
            print(f"{name}: p95 {busy:.0f} ms, {busy / idle:.2f} × idle (goal: ≤ {GOAL:g})")
