"""What members and the memory feel of the reading of words.

Speed: a bot, a sandbox and who asks share one process and its two cores; the reader has its own. A member asks every
three seconds, so that reading goes on between two questions and each meets it in the middle of a picture. The model has
ViT-B-32-256's shape and random weights.

Memory: the bot is a process of its own, once with ocr.enabled = false and once with true, when everything has been
read.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.ocr_pictures import SCRIPTS, screenshot
from benchmarks.process_memory import memory_mb
from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.reading_bot import reading_bot
from benchmarks.report import Report
from benchmarks.serving_bot import serving_bot, until_indexed
from indexer.encode.encoder import open_encoder
from indexer.picture_texts.lane import IDLE_S, POLL_S
from indexer.records.ids import GuildId
from indexer.service import Service
from indexer.settings import ModelSettings
from sandbox.members import Person
from sandbox.server import open_sandbox
from sandbox.world import Channel, File, User, World

POSTED = 160
ASKED, WARM = 40, 4
PAUSE_S = 3.0  # between two questions; the reader is let go on after two to two and a half
FEW = 6  # pictures of a bot whose memory is measured
ALONE = 30  # pictures that are read while nobody asks
GOAL = 1.5
GOAL_MB = 10.0
_LONGEST_S = 300.0
_MODEL_IDLE_S = 5.0
_REST_S = 20.0  # after the model and the reader have gone


def _town(count: int) -> tuple[World, Channel, User]:
    """A world with a server whose first channel shows screenshots, its other channel, and who owns it."""
    world = World()
    owner = world.user("owner")
    guild = world.guild("Screenshot Town", owner)
    room, talk = guild.channel("room"), guild.channel("talk")
    for number in range(count):
        data = screenshot(SCRIPTS[0], Random(number)).data
        name = f"{number}.png" if data.startswith(b"\x89PNG") else f"{number}.jpg"
        room.post(owner, f"picture {number}", files=[File.of(name, data)])
    return world, talk, owner


async def speed(report: Report, folder: Path) -> None:
    """The rows of pictures a second, and of a member's questions."""
    world, talk, owner = _town(POSTED)
    checkpoint = await asyncio.to_thread(random_checkpoint, folder)
    settings = ModelSettings(MODEL, str(checkpoint), device="cpu")
    async with open_sandbox(world) as sandbox, open_encoder(settings, data_dir=folder / "data") as encoder:
        person = sandbox.member(owner)
        async with serving_bot(sandbox, folder / "data", encoder, start="auto") as service:
            await until_indexed(service, GuildId(talk.guild.id), _LONGEST_S)
            idle_ms = await _asked(person, talk, 0)
        async with serving_bot(sandbox, folder / "data", encoder, start="auto", ocr=True) as service:
            await _until_read(service, 1)
            start_s = time.monotonic()
            await _until_read(service, 1 + ALONE)
            rate = ALONE / (time.monotonic() - start_s)
            report.row(f"pictures a second while nobody asks, screenshots of 720 × 480 ({ALONE})", rate, "1/s")
            before, start_s = (await service.ocr.counts())["read"], time.monotonic()
            busy_ms = await _asked(person, talk, 1_000)
            counts = await service.ocr.counts()
            beside = (counts["read"] - before) / (time.monotonic() - start_s)
            assert counts["left"], "there was something to read until the end"
    report.row(f"pictures a second while a member asks every {PAUSE_S:.0f} s", beside, "1/s")
    idle, busy = float(np.percentile(idle_ms, 95)), float(np.percentile(busy_ms, 95))
    report.row(f"a member's question, nothing is read ({ASKED}): p50", float(np.median(idle_ms)), "ms")
    report.row(f"a member's question, nothing is read ({ASKED}): p95", idle, "ms")
    report.row(f"a member's question while words are read ({ASKED}): p50", float(np.median(busy_ms)), "ms")
    report.row(f"a member's question while words are read ({ASKED}): p95", busy, "ms")
    report.row("a member's question, p95, reading against idle", busy / idle, "×", f"≤ {GOAL}", busy / idle <= GOAL)


async def _until_read(service: Service, count: int) -> None:
    async with asyncio.timeout(_LONGEST_S):
        while (await service.ocr.counts())["read"] < count:  # noqa: ASYNC110 -- the lane tells nobody what it has read
            await asyncio.sleep(0.05)


async def _asked(person: Person, talk: Channel, first: int) -> list[float]:
    """Milliseconds from each interaction to its reply; the first WARM are left out."""
    took_ms = []
    for number in range(WARM + ASKED):
        reply = await person.slash(talk.id, "similar", {"text": f"w{first + number} picture min:-1"})
        took_ms.append(reply.reply_ms)
        await asyncio.sleep(PAUSE_S)
    return took_ms[WARM:]


async def memory(report: Report, folder: Path) -> None:
    """The row of a bot at rest."""
    off_mb, on_mb = [await _at_rest(folder / str(enabled), enabled=enabled) for enabled in (False, True)]
    report.row("at rest, ocr.enabled = false (PSS)", off_mb, "MB")
    report.row("at rest, ocr.enabled = true, everything read (PSS)", on_mb, "MB")
    more = on_mb - off_mb
    report.row("at rest, what reading words adds", more, "MB", f"≤ {GOAL_MB:.0f}", more <= GOAL_MB)


async def _at_rest(folder: Path, *, enabled: bool) -> float:
    """MB of the bot and its processes, when the model has gone and, where it is on, everything has been read."""
    world, talk, _ = _town(FEW)
    own = {"model.idle_s": _MODEL_IDLE_S, "ocr.enabled": enabled}
    async with reading_bot(folder, world, talk, own, FEW, read=enabled) as (process, _config):
        await asyncio.sleep(IDLE_S + POLL_S + _REST_S)
        return memory_mb(process.pid)
