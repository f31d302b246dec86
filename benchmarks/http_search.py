"""How many questions a second the HTTP side answers, how soon, and where their time goes.

Questions come at their moments, however long those before them take (an open loop). A question that is refused counts
as not answered: no rate at which one is refused is held.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import psutil

from benchmarks.answers_world import VOCABULARY
from benchmarks.http_client import Connection, Timings, at_rate
from benchmarks.report import Report
from indexer.encode.process import WORKER
from sandbox.server import Sandbox
from sandbox.world import Channel, Guild, User

PER_S: Final = 20.0
WITHIN_MS: Final = 150.0
_WARM: Final = 40
_SLOWLY_PER_S: Final = 2.0
_SLOWLY: Final = 40  # questions
_AT_PER_S_S: Final = 10.0  # seconds of questions at PER_S
_PROBE_S: Final = 6.0  # seconds of questions at each rate that is tried, but not fewer than
_PROBE: Final = 24  # questions
_CALM_S: Final = 1.0  # between two rates
_START_S: Final = 240.0
_STAGE: Final = re.compile(r'^afterimage_search_stage_seconds_(sum|count)\{stage="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass
class Busy:
    """A server that waits to be read, and how many pictures it has."""

    guild: Guild
    owner: User
    talk: Channel
    pictures: int


@dataclass
class Served:
    """The bot's process and address, and what its readers ask with. Words are asked once, so that no answer is
    remembered."""

    pid: int
    url: str
    guild: str
    keys: Sequence[str]
    number: int = 0

    def questions(self, count: int) -> list[tuple[str, str]]:
        rng = np.random.default_rng(7 + self.number)
        asked = []
        for _ in range(count):
            self.number += 1
            words = " ".join(f"w{min(int(rng.zipf(1.3)), VOCABULARY - 1)}" for _ in range(3))
            q = quote(f"{words} w{self.number} min:-1")
            asked.append((f"{self.guild}/search?per_page=20&q={q}", self.keys[self.number % len(self.keys)]))
        return asked


async def warm(served: Served, opened: Sequence[Connection]) -> None:
    await at_rate(opened, served.questions(_WARM), _SLOWLY_PER_S * 2)


async def nothing_else(report: Report, served: Served, opened: Sequence[Connection]) -> None:
    """Questions while the bot does nothing else."""
    await _where_the_time_goes(report, served, opened)
    await _flooded(report, served, opened, "nothing else running")
    highest = await _highest(served, opened)
    report.row(f"highest rate with p95 ≤ {WITHIN_MS:.0f} ms, nothing else running", highest, "requests/s")
    questions = served.questions(int(PER_S) * 4)
    first = await at_rate(opened, questions, PER_S / 4)
    again = await at_rate(opened, questions, PER_S)
    report.row("the same questions again: p95", again.percentile(95), "ms")
    report.row("the same questions again", first.percentile(50) / again.percentile(50), "× faster")


async def beside_indexing(
    report: Report, served: Served, opened: Sequence[Connection], sandbox: Sandbox, busy: Busy
) -> None:
    """The same while another server is read. It still is when this returns."""
    jobs = f"/api/v1/guilds/{busy.guild.id}/jobs"
    await sandbox.member(busy.owner, busy.guild).slash(busy.talk.id, "reindex start")
    async with asyncio.timeout(_START_S):
        while not (before := await _places_done(opened[0], jobs, served)):  # noqa: ASYNC110 -- only asking again tells whether it has begun
            await asyncio.sleep(0.2)
    flooded = await _flooded(report, served, opened, "beside indexing", goal=True)
    indexed = (await _places_done(opened[0], jobs, served) - before) / flooded.seconds
    report.row("pictures indexed beside 20 requests/s", indexed, "pictures/s")
    highest = await _highest(served, opened)
    report.row(f"highest rate with p95 ≤ {WITHIN_MS:.0f} ms, beside indexing", highest, "requests/s")
    if await _places_done(opened[0], jobs, served) >= busy.pictures:
        raise RuntimeError("indexing ended before the questions did: give the other server more pictures")


async def _where_the_time_goes(report: Report, served: Served, opened: Sequence[Connection]) -> None:
    """One question at a time: each stage's part of it, and what it takes of each process's processor time."""
    stages, used = await _stages(opened[0]), _processor_s(served.pid)
    found = await at_rate(opened, served.questions(_SLOWLY), _SLOWLY_PER_S)
    stages_after, used_after = await _stages(opened[0]), _processor_s(served.pid)
    report.row("one question at a time: p50", found.percentile(50), "ms")
    for stage, (total_s, count) in stages_after.items():
        before_s, before = stages.get(stage, (0.0, 0))
        if count > before:
            mean_ms = (total_s - before_s) / (count - before) * 1e3
            report.row(f"one question at a time: {stage}", mean_ms, "ms, the mean")
    for name, total_s in used_after.items():
        took_ms = (total_s - used.get(name, 0.0)) / _SLOWLY * 1e3
        report.row(f"one question: processor time of {name}", took_ms, "ms")


async def _flooded(
    report: Report, served: Served, opened: Sequence[Connection], when: str, *, goal: bool = False
) -> Timings:
    """More questions than two slow cores answer: those that are answered are answered soon, the others are refused."""
    found = await at_rate(opened, served.questions(int(PER_S * _AT_PER_S_S)), PER_S)
    answered = len(found.took_ms) / (len(found.took_ms) + found.refused)
    what = f"search at 20 requests/s, {when}"
    report.row(f"{what}: share that was answered", answered, "")
    report.row(f"{what}: answers", found.per_s, "requests/s")
    report.row(f"{what}: p50 of the answers", found.percentile(50), "ms")
    p95 = found.percentile(95)
    if goal:
        report.row(f"{what}: p95 of the answers", p95, "ms", "≤ 150, none refused", p95 <= 150 and not found.refused)
    else:
        report.row(f"{what}: p95 of the answers", p95, "ms")
    return found


async def _highest(served: Served, opened: Sequence[Connection]) -> int:
    """The highest whole number of questions a second, up to PER_S, that are all answered within WITHIN_MS (p95)."""
    held, missed = 0, int(PER_S) + 1
    while missed - held > 1:
        rate = (held + missed) // 2
        await asyncio.sleep(_CALM_S)
        found = await at_rate(opened, served.questions(max(_PROBE, int(rate * _PROBE_S))), rate)
        if not found.refused and found.percentile(95) <= WITHIN_MS:
            held = rate
        else:
            missed = rate
        print(f"  {rate} requests/s: p95 {found.percentile(95):.0f} ms, {found.refused} refused", flush=True)
    return held


async def _stages(connection: Connection) -> dict[str, tuple[float, int]]:
    """Seconds and number of each stage of all searches so far."""
    found: dict[str, dict[str, float]] = {}
    for kind, stage, value in _STAGE.findall((await connection.get("/metrics")).body.decode()):
        found.setdefault(stage, {})[kind] = float(value)
    return {stage: (figures["sum"], int(figures["count"])) for stage, figures in found.items()}


def _processor_s(pid: int) -> dict[str, float]:
    """Processor seconds so far of the bot, of its model's process, and of this one, which asks."""
    bot = psutil.Process(pid)
    used = {"the bot": sum(bot.cpu_times()[:2]), "whoever asks": sum(psutil.Process().cpu_times()[:2])}
    for child in bot.children(recursive=True):
        if any(WORKER in part for part in child.cmdline()):
            used["its model"] = sum(child.cpu_times()[:2])
    return used


async def _places_done(connection: Connection, path: str, served: Served) -> int:
    """How far the newest job is."""
    found = json.loads((await connection.get(path, served.keys[0])).body)["jobs"]
    progress: dict[str, Any] = (found[0]["progress"] if found else None) or {"places_done": 0}
    return int(progress["places_done"])
