"""FAISS, told to scan memory that it does not own: a view over mapped or gathered rows costs 7 µs and no copy.

A view is FAISS's own scalar quantizer whose codes point into our mapping, so any stretch of a segment can be scanned
alone; an index read with IO_FLAG_MMAP_IFC could only ever be scanned whole, or through a selector at 2 ns a row.
"""

from __future__ import annotations

import os
import threading
from logging import getLogger
from typing import Any

import numpy as np

from indexer.vectors.columns import FLOAT16, Bools, Bytes, Codes, Floats, Ints, slack

log = getLogger(__name__)

_loading = threading.Lock()
_kernels: list[Kernels | None] = []


class Kernels:
    """The best rows by inner product. Stateless; safe to call from any thread, which runs without the GIL."""

    def __init__(self, faiss: Any) -> None:
        """Raises AttributeError where this FAISS has no views (before 1.11)."""
        self._faiss = faiss
        self._view = faiss.MaybeOwnedVectorUInt8.create_view
        self._nobody = faiss.IndexScalarQuantizer(8, faiss.ScalarQuantizer.QT_fp16)
        self._owner = self._nobody.codes.owner  # an empty pointer: nobody keeps the memory alive but we
        self._half = faiss.ScalarQuantizer.QT_fp16
        self._byte = faiss.ScalarQuantizer.QT_8bit_direct_signed

    def half(self, rows: Bytes, query: Floats, count: int, mask: Bools | None = None) -> tuple[Floats, Ints]:
        """Scores (descending) and positions of the best `count` of [n, 2·d] float16 bytes, or of those in `mask`.

        Fewer where there are fewer rows. Exact but for float32 rounding (block.slack).
        """
        return self._search(self._half, rows, len(query), query, count, mask)

    def first_pass(
        self, codes: Codes, rows: Bytes, query: Floats, count: int, mask: Bools | None = None
    ) -> tuple[Floats, Ints, float]:
        """As `half`, over [n, d] of `codes.bytes`; also how far a score can be from the true one.

        FAISS cuts a query to whole numbers here (which is why its direct codes fail on unit vectors): so ours is
        brought to −127 … 127 first, and what rounding loses is part of the bound.
        """
        scaled = query * codes.step
        unit = max(float(np.abs(scaled).max()) / 127, 1e-30)
        whole = np.ascontiguousarray(np.rint(scaled / unit), np.float32)
        lost = float(np.linalg.norm(scaled - whole * unit)) * codes.reach
        scores, at = self._search(self._byte, rows, len(query), whole, count, mask)
        scores *= np.float32(unit)
        scores += np.float32(query @ codes.centre)
        length = float(np.linalg.norm(query))
        return scores, at, lost + codes.residual * length + 4 * slack(len(query), length)

    def _search(
        self, kind: int, rows: Bytes, dimension: int, query: Floats, count: int, mask: Bools | None
    ) -> tuple[Floats, Ints]:
        faiss = self._faiss
        index = faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        index.codes = self._view(faiss.swig_ptr(rows), rows.nbytes, self._owner)
        index.ntotal = len(rows)
        params = None
        if mask is not None:  # both stay referenced until the search is over: FAISS keeps bare pointers
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
            params = faiss.SearchParameters(sel=selector)
        count = min(count, len(rows))
        scores, at = np.empty(count, np.float32), np.empty(count, np.int64)
        # The C++ method itself: the wrapper around it checks and converts for 4 µs what is so by construction here.
        index.search_c(1, faiss.swig_ptr(query), count, faiss.swig_ptr(scores), faiss.swig_ptr(at), params)
        if count and at[-1] < 0:  # fewer rows in the mask than asked for
            found = at >= 0
            return scores[found], at[found]
        return scores, at


def load() -> Kernels | None:
    """The kernels; None where faiss cannot be imported or is too old. Asks once a process."""
    with _loading:
        if not _kernels:
            _kernels.append(_load())
        return _kernels[0]


def _load() -> Kernels | None:
    # One query is one thread's work; FAISS's OpenMP reads the variable when it is loaded, and its teams of idle threads
    # would cost two thirds of the throughput (93 → 292 queries/s from two threads). Torch must not see it.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        import faiss

        found = Kernels(faiss)
    except (ImportError, AttributeError) as error:
        log.info("no FAISS here (%s): SQLite answers every search", error)
        return None
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    if not _sound(found):
        log.warning("this FAISS scans otherwise than expected: SQLite answers every search")
        return None
    return found


def _sound(found: Kernels) -> bool:
    """Whether both scans come as near to the truth as they promise: views are not among FAISS's documented calls."""
    rng = np.random.default_rng(1)
    for dimension in (16, 24):  # FAISS has a way of its own for multiples of 16
        steps = rng.integers(-127, 128, (40, dimension))
        vectors, query = (steps / 512).astype(FLOAT16), rng.standard_normal(dimension).astype(np.float32)
        true = vectors.astype(np.float32) @ query
        bytes_ = (steps + 128).astype(np.uint8)
        step = np.full(dimension, 1 / 512, np.float32)
        codes = Codes(bytes_, np.zeros(dimension, np.float32), step, 0.0, float(np.linalg.norm(steps, axis=1).max()))
        exact, rows = found.half(vectors.view(np.uint8), query, 40)
        near, at, error = found.first_pass(codes, bytes_, query, 40)
        if len(rows) != 40 or np.abs(exact - true[rows]).max() > 1e-3:
            return False
        if len(at) != 40 or np.abs(near - true[at]).max() > error + 1e-3:
            return False
    return True
