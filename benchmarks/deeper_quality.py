"""How much better relations are found with the demo's second model, and how long that takes.

The same questions are answered by the first model alone, with the text index beside it, re-ranked with the default
settings, and by the second model alone. Counted are the right ones among the first ten pictures, of as many as could be
there: of ten, or of all that are right where these are fewer. All is asked with `min:-1`: the order is what counts, not
what the first model calls close enough.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.deeper_world import RELATIONS, SCENES, Question, Scenes, questions, read_scenes
from benchmarks.report import Report
from indexer.query.query import Query, Retrieval, Stages
from indexer.records.hits import RerankOutcome, SearchResult
from indexer.records.ids import UserId
from sandbox.demo import relations
from sandbox.drawing.statements import Form

WAYS = {
    "first stage alone": (Retrieval.VECTORS, Stages.FIRST),
    "hybrid": (Retrieval.HYBRID, Stages.FIRST),
    "re-ranked": (Retrieval.HYBRID, Stages.BOTH),
    "second model alone": (Retrieval.HYBRID, Stages.SECOND),
}
TOP = 10
CANDIDATES = 100
LONG_S = 600.0  # a budget that nothing reaches: the time itself is measured
GAIN = 1.15
TIMED = 24  # questions
ASKERS, ASKING_S = 4, 15.0
_NEW = count(1)  # askers who never asked before


async def quality(report: Report, folder: Path) -> None:
    """How much better relations are found."""
    scenes = relations.scenes(SCENES)
    async with read_scenes(folder / "scenes", scenes, LONG_S) as read:
        await read.service.searcher.wake_second()
        await _found(report, read, questions(scenes))


async def speed(report: Report, folder: Path) -> None:
    """How long CANDIDATES pictures a question take, whatever the first model thinks of them."""
    scenes = relations.scenes(2 * CANDIDATES)
    async with read_scenes(folder / "scenes", scenes, LONG_S) as read:
        await read.service.searcher.wake_second()
        await _timed(report, read, questions(scenes))


async def _found(report: Report, read: Scenes, asked: Sequence[Question]) -> None:
    report.row(
        f"questions about relations, of {SCENES} drawn scenes", sum(q.form in RELATIONS for q in asked), "questions"
    )
    scores: dict[tuple[Form, str], list[tuple[float, float]]] = {}
    for question in asked:
        for way, (by, stages) in WAYS.items():
            query = replace(_query(read, question.words), by=by, stages=stages)
            result = await read.service.searcher.search(query)
            if stages in (Stages.BOTH, Stages.SECOND):
                _require_reranked(result)
            scores.setdefault((question.form, way), []).append(_scored(read, question, result))
    for top, at in (("@1", 0), (f"@{TOP}", 1)):
        for form in (*RELATIONS, Form.BOTH):
            for way in WAYS:
                values = [score[at] for score in scores[form, way]]
                report.row(f'"{form}", {len(values)} questions: recall{top}, {way}', float(np.mean(values)), "share")
        means = {way: float(np.mean([score[at] for form in RELATIONS for score in scores[form, way]])) for way in WAYS}
        for way, mean in means.items():
            report.row(f"all relations: recall{top}, {way}", mean, "share")
        gain = means["re-ranked"] / means["first stage alone"]
        goal = top == f"@{TOP}"
        report.row(
            f"all relations: recall{top}, re-ranked against the first stage alone", gain, "×",
            f"≥ {GAIN}" if goal else "", gain >= GAIN if goal else None,
        )  # fmt: skip


def _scored(read: Scenes, question: Question, result: SearchResult) -> tuple[float, float]:
    """Recall at 1 and at TOP."""
    right = [
        any(read.numbers[place.message_id] in question.right for place in (hit.place, *hit.other_places))
        for hit in result.hits[:TOP]
    ]
    return float(any(right[:1])), sum(right) / min(TOP, len(question.right))


async def _timed(report: Report, read: Scenes, asked: Sequence[Question]) -> None:
    rng = Random(5)
    words = [rng.choice(asked).words for _ in range(TIMED)]
    for what, new in (("kept", False), ("to be made", True)):
        took = [await _asked_s(read, text, new=new) for text in words]
        p95 = float(np.percentile(took, 95))
        name = f"{CANDIDATES} candidates by the demo's second model, features {what}"
        report.row(f"{name}: p50", float(np.median(took)), "s")
        report.row(f"{name}: p95", p95, "s", "≤ 2.0", p95 <= 2.0)
        rate = await _rate(read, words, new=new)
        report.row(f"{name}: {ASKERS} askers at once", rate, "questions/s", "≥ 0.5", rate >= 0.5)


async def _rate(read: Scenes, words: Sequence[str], *, new: bool) -> float:
    ends_s = time.perf_counter() + ASKING_S
    answered = 0

    async def asker(first: int) -> None:
        nonlocal answered
        for number in count(first):
            if time.perf_counter() > ends_s:
                return
            await _asked_s(read, words[number % len(words)], new=new)
            answered += 1

    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(ASKERS):
            tasks.create_task(asker(number * 7))
    return answered / (time.perf_counter() - began_s)


async def _asked_s(read: Scenes, words: str, *, new: bool) -> float:
    """Seconds of the second stage. `new`: nothing of what others' questions have made serves this one."""
    query = replace(_query(read, words), stages=Stages.CONFIGURED if new else Stages.BOTH)
    result = await read.service.searcher.search(query)
    _require_reranked(result)
    return result.stage_ms["rerank"] / 1e3


def _query(read: Scenes, words: str) -> Query:
    """Of somebody who never asked before: no answer is remembered for them. Asked as with `min:-1`."""
    asker = UserId(next(_NEW))
    return Query(read.guild_id, read.everywhere, words=words, count=TOP, min_score=-1.0, asker=asker)


def _require_reranked(result: SearchResult) -> None:
    found = result.reranked
    if found is None or (found.outcome, found.candidates) != (RerankOutcome.DONE, CANDIDATES):
        raise RuntimeError(f"a question was not re-ranked as it should be: {found}")
