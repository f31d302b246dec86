"""The k best pictures of several parts, exactly: approximate scans with a bounded error, then one common score.

Of a picture with several vectors (frames of an animation) the best one counts.

The scan of a piece returns a few more rows than are needed, and its ceiling: the highest score that a row which it left
out can have. `columns.score` scores the returned rows anew. A piece whose ceiling reaches the k-th score is scanned
again for more rows, until it cannot contain a better row. So every path gives the same pictures in the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, Protocol

import numpy as np

from indexer.vectors.columns import Bools, Bytes, Floats, Ints, VectorRows, score, slack
from indexer.vectors.filter import Masked, Picked, Piece, Plan, Run
from indexer.vectors.kernels import Kernels

# From this number of rows on, a scan of one byte a dimension, with 208 + 8·k rows scored again, is faster than a scan
# of two bytes a dimension (measured by benchmarks/index.py).
FIRST_PASS_ROWS = 12_288
FIRST_PASS_SHARE = 64  # a first pass is used only while fewer than one row in 64 is asked for
THREADED_ROWS = 131_072  # from this number on, threads share a scan; below it, the other core is free for the model
# FAISS does not gain from a mask that lets a larger share of its rows pass: a masked row costs three times a row of a
# run (100,000 rows of 512 dimensions take 1.6 ms without a mask, 4.3 with one that lets 70 % pass, 1.7 at 99.8 %). Then
# the whole stretch is scanned, and the rows that the mask excludes are removed from the result.
ALMOST_ALL = 0.6
GATHER_ROWS = 4096  # gathered at once: 4 MB of float16 rows, so that the scan finds them in the cache


@dataclass(frozen=True, slots=True)
class Found:
    """`rows` of `block` with float16 scores (exact within slack), and the highest score that any other row can have."""

    rows: Ints
    scores: Floats
    ceiling: float


@dataclass(frozen=True, slots=True)
class Best:
    """Distinct pictures with final scores, descending: the k best, and those with the same score as the k-th."""

    pictures: Ints
    scores: Floats
    parts: Ints
    rows: Ints


class Accelerator(Protocol):
    """Another place where a first pass over a segment can run; see encode/gpu_scan.py."""

    def top(
        self, rows: Bytes, start: int, stop: int, query: Floats, count: int, mask: Bools | None = None
    ) -> tuple[Floats, Ints, float] | None:
        """The best `count` of rows start ≤ i < stop, or of those in `mask`.

        Returns scores (descending), positions counted from `start`, and the largest error of a score. None where it
        cannot scan these rows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What scans: FAISS, an accelerator for the first pass of wide scans (None: none), and the number of threads."""

    kernels: Kernels
    threads: int = 1
    accelerator: Accelerator | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    part: int
    block: VectorRows
    piece: Piece
    depth: int


def best(
    tools: Tools,
    blocks: Sequence[VectorRows],
    plans: Sequence[Plan],
    query: Floats,
    k: int,
    spread: Callable[[Callable[[_Task], Found], Sequence[_Task]], Iterable[Found]],
) -> Best:
    """The k best pictures of all plans, and all that tie with the k-th. `spread` maps a function over tasks.

    `blocks` are blocks and frames of blocks. `parts` of the result are positions in `blocks`.
    """
    total = sum(_size(piece) for plan in plans for piece in plan.pieces)
    parallel = total >= THREADED_ROWS and tools.threads >= 2
    limit = max(-(-total // (2 * tools.threads)), THREADED_ROWS // 8) if parallel else total
    depth = 2 * k + 36  # no search of benchmarks/index.py had to go deeper, with k of 10 and of 100
    tasks = [
        _Task(number, block, piece, depth)
        for number, (block, plan) in enumerate(zip(blocks, plans, strict=True))
        for whole in plan.pieces
        for piece in _cut(whole, limit)
    ]
    tolerance = 2 * slack(len(query), sqrt(float(query @ query)))

    def look(task: _Task) -> Found:
        return _scan(tools, task, query, tolerance)

    found = list(spread(look, tasks) if parallel and len(tasks) > 1 else map(look, tasks))
    while True:
        result, floor = _merge(blocks, tasks, found, query, k, tolerance)
        deeper = [number for number, one in enumerate(found) if one.ceiling > -np.inf and one.ceiling >= floor]
        if not deeper:
            return result
        for number in deeper:
            task = tasks[number]
            tasks[number] = _Task(task.part, task.block, task.piece, task.depth * 8)
            found[number] = look(tasks[number])


def _merge(
    blocks: Sequence[VectorRows],
    tasks: Sequence[_Task],
    found: Sequence[Found],
    query: Floats,
    k: int,
    tolerance: float,
) -> tuple[Best, float]:
    """The best of what was found, and the k-th score (−inf while there are fewer than k)."""
    if not found:
        nothing = np.empty(0, np.int64)
        return Best(nothing, np.empty(0, np.float32), nothing, nothing), -np.inf
    scores, rows = _joined([part.scores for part in found]), _joined([part.rows for part in found])
    if len(blocks) == 1:
        parts = np.zeros(len(rows), np.int64)
    else:
        parts = np.repeat([task.part for task in tasks], [len(part.rows) for part in found])
    pictures = _joined([blocks[task.part].pictures[one.rows] for task, one in zip(tasks, found, strict=True)])
    order = (-scores).argsort(kind="stable")
    if not np.isfinite(scores).all():  # only a damaged file that no check has found yet holds such rows
        order = order[np.isfinite(scores[order])]
    repeated = False
    firsts = np.arange(min(len(order), k + 1))
    if len(blocks) > 1:  # a picture may have several frames, or lie in two segments, with the same bytes
        firsts = _first_of_each(pictures[order])
        repeated = len(firsts) < len(order)
    if len(firsts) > k:  # the final score is computed only for rows that can still be among the k best
        ranked = scores[order]
        least = ranked[firsts[k - 1]]
        order = order[: int((-ranked).searchsorted(2 * tolerance - least, "right"))]
    final = score(_gathered(blocks, parts[order], rows[order]), query)
    by_score = (-final).argsort(kind="stable")
    if repeated:  # only now: of two frames of a picture, the approximate scores do not say which is the better one
        by_score = by_score[_first_of_each(pictures[order[by_score]])]
    floor = -np.inf
    if len(by_score) >= k:
        floor = float(final[by_score[k - 1]])
        by_score = by_score[: int((-final[by_score]).searchsorted(-np.float32(floor), "right"))]
    order = order[by_score]
    return Best(pictures[order].astype(np.int64), final[by_score], parts[order], rows[order]), floor


def _first_of_each(pictures: Ints) -> Ints:
    """The positions at which a picture occurs for the first time, ascending."""
    _, first = np.unique(pictures, return_index=True)
    return np.sort(first)


def _joined(arrays: list[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _gathered(blocks: Sequence[VectorRows], parts: Ints, rows: Ints) -> Bytes:
    """The vectors of these rows of these blocks."""
    if len(blocks) == 1:
        return blocks[0].vectors.take(rows, axis=0)
    gathered = np.empty((len(rows), 2 * blocks[0].dimension), np.uint8)
    for part in np.unique(parts):
        in_part = parts == part
        gathered[in_part] = blocks[part].vectors.take(rows[in_part], axis=0)
    return gathered


def _scan(tools: Tools, task: _Task, query: Floats, tolerance: float) -> Found:
    piece, block, depth, size = task.piece, task.block, task.depth, _size(task.piece)
    if isinstance(piece, Masked) and piece.count >= ALMOST_ALL * (piece.stop - piece.start):
        every = _scan(tools, replace(task, piece=Run(piece.start, piece.stop)), query, tolerance)
        kept = piece.mask[every.rows - piece.start]
        return Found(every.rows[kept], every.scores[kept], every.ceiling)
    rough = None
    # A scan that needs more rows had too many rows within the error of the first pass, so it is repeated in float16.
    if size >= FIRST_PASS_ROWS and depth * FIRST_PASS_SHARE < size and depth <= 1024:
        rough = _first_pass(tools, task, query, 64 + 4 * depth)
    if rough is None:
        scores, rows = _pass(
            piece, block.vectors, depth, lambda data, mask: tools.kernels.half(data, query, depth, mask)
        )
        # A depth of all rows leaves none out, also where FAISS does not return the NaN rows of a damaged file.
        ceiling = -np.inf if depth >= size else float(scores[-1]) + tolerance if len(scores) else np.inf
        return Found(rows, scores, ceiling)
    scores, rows, error = rough
    ceiling = float(scores[-1]) + error + tolerance if len(scores) else np.inf
    rows = np.sort(rows)
    scores, at = tools.kernels.half(block.vectors.take(rows, axis=0), query, len(rows))
    return Found(rows[at], scores, ceiling)


def _first_pass(tools: Tools, task: _Task, query: Floats, depth: int) -> tuple[Floats, Ints, float] | None:
    """Approximate scores (descending), block rows, and the largest error of a score. None where there are no codes."""
    piece, block = task.piece, task.block
    codes = block.codes
    if codes is None:
        return None
    if tools.accelerator is not None and not isinstance(piece, Picked):
        mask = None if isinstance(piece, Run) else piece.mask
        found = tools.accelerator.top(block.vectors, piece.start, piece.stop, query, depth, mask)
        if found is not None:
            return found[0], found[1] + piece.start, found[2]
    error = 0.0

    def coarse(data: Bytes, mask: Bools | None) -> tuple[Floats, Ints]:
        nonlocal error
        scores, at, error = tools.kernels.first_pass(codes, data, query, depth, mask)
        return scores, at

    scores, rows = _pass(piece, codes.bytes, depth, coarse)
    return scores, rows, error


def _pass(
    piece: Piece, data: Bytes, depth: int, top: Callable[[Bytes, Bools | None], tuple[Floats, Ints]]
) -> tuple[Floats, Ints]:
    """Scores (descending) and block rows of the best `depth` rows of `piece` by `top`, over the rows of `data`."""
    if not isinstance(piece, Picked):
        scores, at = top(data[piece.start : piece.stop], None if isinstance(piece, Run) else piece.mask)
        return scores, at + piece.start
    scores_of: list[Floats] = []
    rows_of: list[Ints] = []
    for start in range(0, len(piece.rows), GATHER_ROWS):
        rows = piece.rows[start : start + GATHER_ROWS]
        scores, at = top(data.take(rows, axis=0), None)
        scores_of.append(scores)
        rows_of.append(rows[at])
    if len(scores_of) == 1:
        return scores_of[0], rows_of[0]
    scores, rows = np.concatenate(scores_of), np.concatenate(rows_of)
    order = np.argsort(-scores, kind="stable")[:depth]
    return scores[order], rows[order]


def _cut(piece: Piece, limit: int) -> list[Piece]:
    """`piece` in stretches of at most about `limit` rows."""
    size = _size(piece)
    if size <= limit:
        return [piece]
    count = -(-size // limit)
    if isinstance(piece, Picked):
        return [Picked(rows) for rows in np.array_split(piece.rows, count)]
    edges = np.linspace(piece.start, piece.stop, count + 1).astype(np.int64).tolist()
    if isinstance(piece, Run):
        return [Run(start, stop) for start, stop in itertools.pairwise(edges)]
    masks = [piece.mask[start - piece.start : stop - piece.start] for start, stop in itertools.pairwise(edges)]
    return [
        Masked(start, stop, mask, int(np.count_nonzero(mask)))
        for start, stop, mask in zip(edges, edges[1:], masks, strict=False)
        if mask.any()
    ]


def _size(piece: Piece) -> int:
    if isinstance(piece, Run):
        return piece.stop - piece.start
    return len(piece.rows) if isinstance(piece, Picked) else piece.count
