"""Filter → exactly the rows of a block to scan: contiguous runs, masked stretches, or picked rows.

A sealed block is sorted by channel and then by message. So a filter by channels and time is a few contiguous runs, and
these are scanned without a copy. Every other filter becomes a mask over columns.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexer.records.hits import NO_END, Filter
from indexer.vectors.columns import Block, Bools, Frames, Ints, Part, Rows, VectorRows

# Measured on 512 float16 dimensions (benchmarks/index.py prints them anew): opening a view on a run costs 7 µs and a
# row of it 20 ns; a bitmap costs 2 ns for every row of its stretch; a gathered row 90 ns.
RUN_NS, RUN_ROW_NS, STRETCH_ROW_NS, MASKED_ROW_NS, PICKED_ROW_NS = 7_000, 20, 2, 85, 90
BISECTED_CHANNELS = 8  # up to this number, each channel is narrowed to the time span by bisection; above it, by a mask


@dataclass(frozen=True, slots=True)
class Run:
    """Rows start ≤ i < stop, all of them."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Masked:
    """Rows start ≤ i < stop whose entry of `mask` is set; `count` of them."""

    start: int
    stop: int
    mask: Bools
    count: int


@dataclass(frozen=True, slots=True)
class Picked:
    """Just these rows, ascending."""

    rows: Ints


Piece = Run | Masked | Picked


@dataclass(frozen=True, slots=True)
class Plan:
    """The vectors to scan (`pieces` do not overlap) and how many places are inside the filter."""

    pieces: tuple[Piece, ...]
    places: int


@dataclass(frozen=True, slots=True)
class Terms:
    """A filter in one block's codes."""

    channel_codes: Ints
    channel_ok: Bools
    author_ok: Bools | None
    author_code: int  # the only author allowed, or −1
    low: int
    high: int
    require: int
    exclude: int
    not_message: int
    places: Ints | None  # the only places allowed, ascending; None: any
    not_places: Ints | None  # places that are not allowed, ascending; None: there are none

    @property
    def every_channel(self) -> bool:
        return len(self.channel_codes) == len(self.channel_ok)

    def passes(self, rows: Rows, *, channels: bool = True, times: bool = True) -> Bools | None:
        """[n] which rows pass; None: all do. `channels` and `times` False leave out tests that the caller has made."""
        mask: Bools | None = None
        if channels and not self.every_channel:
            mask = self.channel_ok[rows.channel]
        if self.author_code >= 0:
            mask = _both(mask, rows.author == self.author_code)
        elif self.author_ok is not None:
            mask = _both(mask, self.author_ok[rows.author])
        if times:
            if self.low > 0:
                mask = _both(mask, rows.message >= self.low)
            if self.high < NO_END:
                mask = _both(mask, rows.message < self.high)
        if self.require:
            mask = _both(mask, (rows.flags & self.require) == self.require)
        if self.exclude:
            mask = _both(mask, (rows.flags & self.exclude) == 0)
        if self.not_message:
            mask = _both(mask, rows.message != self.not_message)
        if self.places is not None:
            mask = _both(mask, np.isin(rows.place, self.places))
        if self.not_places is not None:
            mask = _both(mask, np.isin(rows.place, self.not_places, invert=True))
        return mask


def compile_filter(
    block: Block, allowed: Filter, places: Ints | None = None, not_places: Ints | None = None
) -> Terms | None:
    """`allowed` in the block's codes; None when no row of the block can pass.

    `places` are those that the filter's `exif`, `tags`, `colours` and `text` let through, `not_places` those that have
    one of its `not_tags`, or words where it wants none, both ascending; None where the filter has none of these.
    """
    codes = block.channels.codes(allowed.channels)
    if not len(codes):
        return None
    channel_ok = np.zeros(len(block.channels), np.bool_)
    channel_ok[codes] = True
    author_ok, author_code = None, -1
    if allowed.authors is not None:
        authors = block.authors.codes(allowed.authors - allowed.not_authors)
        if not len(authors):
            return None
        if len(authors) == 1:
            author_code = int(authors[0])
        author_ok = np.zeros(len(block.authors), np.bool_)
        author_ok[authors] = True
    elif len(left_out := block.authors.codes(allowed.not_authors)):
        author_ok = np.ones(len(block.authors), np.bool_)
        author_ok[left_out] = False
    low, high = allowed.message_ids
    if low >= high:
        return None
    return Terms(
        codes, channel_ok, author_ok, author_code, low, high,
        int(allowed.require), int(allowed.exclude), int(allowed.not_message or 0), places, not_places,
    )  # fmt: skip


def plan(part: Part, terms: Terms) -> Plan:
    """Exactly the vectors that have a living place inside the filter, in pieces that are cheap to scan."""
    block = part.block
    runs, channels_left, times_left = _runs(block, terms)
    pieces: list[Piece] = []
    places = 0
    whole = (
        part.alive is None
        and terms.author_ok is None
        and terms.places is None
        and terms.not_places is None
        and not (terms.require or terms.exclude or terms.not_message or channels_left or times_left)
    )
    if whole:
        places = sum(stop - start for start, stop in runs)
        if len(runs) > 1 and RUN_NS * len(runs) > STRETCH_ROW_NS * (runs[-1][1] - runs[0][0]):
            pieces.append(_piece(runs[0][0], _covering(runs)))
        else:
            pieces.extend(Run(start, stop) for start, stop in runs)
    else:
        if len(runs) > 1 and RUN_NS * len(runs) > STRETCH_ROW_NS * (runs[-1][1] - runs[0][0]):
            covered: Bools | None = _covering(runs)
            runs = [(runs[0][0], runs[-1][1])]
        else:
            covered = None
        for start, stop in runs:
            mask = terms.passes(block.primary.slice(start, stop), channels=channels_left, times=times_left)
            mask = _and(mask, covered)
            if part.alive is not None:
                mask = _and(mask, part.alive[start:stop])
            piece = Run(start, stop) if mask is None else _piece(start, mask)
            pieces.append(piece)
            places += _count(piece)
    extra = extras(part, terms)
    if len(extra):
        places += len(extra)
        pieces = _with_rows(pieces, np.unique(block.owner[extra]), len(block.pictures))
    return Plan(tuple(piece for piece in pieces if _count(piece)), places)


def plans(parts: Sequence[tuple[Part, Terms]]) -> tuple[list[VectorRows], list[Plan]]:
    """What is scanned of these parts: each block, then the further frames of those that have any; and the plan of each.

    Only a block's plan counts places.
    """
    scanned: list[VectorRows] = [part.block for part, _ in parts]
    planned = [plan(part, terms) for part, terms in parts]
    for (part, _), pictures in zip(parts, tuple(planned), strict=True):
        if (frames := part.block.frames) is not None:
            scanned.append(frames)
            planned.append(_of_frames(frames, pictures))
    return scanned, planned


def _of_frames(frames: Frames, pictures: Plan) -> Plan:
    """The further frames of those vectors that the plan of their block scans. They have no places of their own."""
    mask = np.zeros(len(frames), np.bool_)
    for piece in pictures.pieces:
        if isinstance(piece, Picked):
            mask |= np.isin(frames.owner, piece.rows)
            continue
        first, last = np.searchsorted(frames.owner, (piece.start, piece.stop))
        if isinstance(piece, Run):
            mask[first:last] = True
        else:
            mask[first:last] |= piece.mask[frames.owner[first:last] - piece.start]
    return Plan((_piece(0, mask),) if mask.any() else (), 0)


def extras(part: Part, terms: Terms) -> Ints:
    """The living rows of `extra` inside the filter."""
    rows = part.block.extra
    if not len(rows):
        return np.empty(0, np.int64)
    mask = _and(terms.passes(rows), part.extra_alive)
    return np.arange(len(rows)) if mask is None else np.flatnonzero(mask)


def shown(part: Part, terms: Terms, rows: Ints) -> list[tuple[Ints, Rows]]:
    """The living places inside the filter that show the vectors `rows`: (position in `rows`, columns) each."""
    block = part.block
    positions = np.arange(len(rows))
    if (mask := _and(terms.passes(columns := block.primary.take(rows)), _taken(part.alive, rows))) is not None:
        positions, columns = positions[mask], columns.take(mask.nonzero()[0])
    showing = [(positions, columns)]
    extra_rows, extra_positions = block.extras_of(rows)
    if len(extra_rows):
        extra_columns = block.extra.take(extra_rows)
        if (mask := _and(terms.passes(extra_columns), _taken(part.extra_alive, extra_rows))) is not None:
            extra_positions, extra_columns = extra_positions[mask], extra_columns.take(np.flatnonzero(mask))
        showing.append((extra_positions, extra_columns))
    return showing


def _taken(alive: Bools | None, rows: Ints) -> Bools | None:
    return None if alive is None else alive[rows]


def _runs(block: Block, terms: Terms) -> tuple[list[tuple[int, int]], bool, bool]:
    """Runs of primary rows that contain every row that passes; whether channels, and times, must still be tested."""
    timed = terms.low > 0 or terms.high < NO_END
    if block.starts is None:
        return ([(0, len(block.pictures))] if len(block.pictures) else []), not terms.every_channel, timed
    first, last = block.starts[terms.channel_codes], block.starts[terms.channel_codes + 1]
    narrow = timed and len(first) <= BISECTED_CHANNELS
    if narrow:
        message = block.primary.message
        spans = [
            (bisect_left(message, terms.low, start, stop), bisect_left(message, terms.high, start, stop))
            for start, stop in zip(first.tolist(), last.tolist(), strict=True)
        ]
        first, last = np.array(spans, np.int64).T
    some = first < last
    first, last = first[some], last[some]
    apart = first[1:] != last[:-1]
    firsts, lasts = first[:1].tolist() + first[1:][apart].tolist(), last[:-1][apart].tolist() + last[-1:].tolist()
    return list(zip(firsts, lasts, strict=True)), False, timed and not narrow


def _covering(runs: list[tuple[int, int]]) -> Bools:
    first, last = runs[0][0], runs[-1][1]
    mask = np.zeros(last - first, np.bool_)
    for start, stop in runs:
        mask[start - first : stop - first] = True
    return mask


def _piece(start: int, mask: Bools) -> Piece:
    """A bitmap over the stretch or a list of its rows, whichever is cheaper to scan."""
    count = int(np.count_nonzero(mask))
    if count == len(mask):
        return Run(start, start + count)
    if STRETCH_ROW_NS * len(mask) + MASKED_ROW_NS * count > PICKED_ROW_NS * count:
        return Picked(start + mask.nonzero()[0])
    return Masked(start, start + len(mask), mask, count)


def _with_rows(pieces: list[Piece], rows: Ints, total: int) -> list[Piece]:
    """`pieces` and the vector rows `rows`, without overlap."""
    missing = np.ones(len(rows), np.bool_)
    for piece in pieces:
        if isinstance(piece, Picked):
            missing &= ~np.isin(rows, piece.rows, assume_unique=True)
            continue
        first, last = np.searchsorted(rows, (piece.start, piece.stop))
        if isinstance(piece, Run):
            missing[first:last] = False
        else:
            missing[first:last] &= ~piece.mask[rows[first:last] - piece.start]
    rows = rows[missing]
    if len(rows) * (PICKED_ROW_NS - MASKED_ROW_NS) < STRETCH_ROW_NS * total:
        return [*pieces, Picked(rows)]
    mask = np.zeros(total, np.bool_)
    mask[rows] = True
    for piece in pieces:
        if isinstance(piece, Picked):
            mask[piece.rows] = True
        elif isinstance(piece, Run):
            mask[piece.start : piece.stop] = True
        else:
            mask[piece.start : piece.stop] |= piece.mask
    return [_piece(0, mask)]


def _count(piece: Piece) -> int:
    if isinstance(piece, Run):
        return piece.stop - piece.start
    return len(piece.rows) if isinstance(piece, Picked) else piece.count


def _both(mask: Bools | None, other: Bools) -> Bools:
    if mask is None:
        return other
    mask &= other
    return mask


def _and(mask: Bools | None, other: Bools | None) -> Bools | None:
    """The conjunction of both (None: all rows). Changes neither argument."""
    if mask is None or other is None:
        return other if mask is None else mask
    both: Bools = mask & other
    return both
