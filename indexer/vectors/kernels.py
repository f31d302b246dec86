"""FAISS scans memory that it does not own: a view over mapped or gathered rows costs 7 µs and no copy.

A view is a scalar quantizer of FAISS whose codes point into our mapping. So any stretch of a segment can be scanned
alone. An index that is read with IO_FLAG_MMAP_IFC can only be scanned as a whole, or through a selector at 2 ns a row.
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
    """The best rows by inner product. Stateless. Any thread may call it; the scan runs without the GIL."""

    def __init__(self, faiss: Any) -> None:
        """Raises AttributeError where this FAISS has no views (before 1.11)."""
        self._faiss = faiss
        self._view = faiss.MaybeOwnedVectorUInt8.create_view
        self._nobody = faiss.IndexScalarQuantizer(8, faiss.ScalarQuantizer.QT_fp16)
        self._owner = self._nobody.codes.owner  # an empty pointer: only our own reference keeps the memory alive
        self._half = faiss.ScalarQuantizer.QT_fp16
        self._byte = faiss.ScalarQuantizer.QT_8bit_direct_signed

    def half(self, rows: Bytes, query: Floats, count: int, mask: Bools | None = None) -> tuple[Floats, Ints]:
        """Scores (descending) and positions of the best `count` of [n, 2·d] float16 bytes, or of those in `mask`.

        Fewer where there are fewer rows. Exact except for float32 rounding (columns.slack).
        """
        return self._search(self._half, rows, len(query), query, count, mask)

    def first_pass(
        self, codes: Codes, rows: Bytes, query: Floats, count: int, mask: Bools | None = None
    ) -> tuple[Floats, Ints, float]:
        """Like `half`, over [n, d] of `codes.bytes`. Also returns the largest error of a score.

        FAISS cuts a query to whole numbers here, so its direct codes fail on unit vectors. Therefore the query is first
        scaled to −127 … 127, and the loss by rounding is part of the error bound.
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
        if mask is not None:  # both stay referenced until the search has ended: FAISS has only raw pointers to them
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
            params = faiss.SearchParameters(sel=selector)
        count = min(count, len(rows))
        scores, positions = np.empty(count, np.float32), np.empty(count, np.int64)
        # The C++ method itself: its Python wrapper spends 4 µs on checks and conversions that are not needed here.
        index.search_c(1, faiss.swig_ptr(query), count, faiss.swig_ptr(scores), faiss.swig_ptr(positions), params)
        if count and positions[-1] < 0:  # fewer rows in the mask than asked for
            valid = positions >= 0
            return scores[valid], positions[valid]
        return scores, positions


def load() -> Kernels | None:
    """The kernels. None where faiss cannot be imported or is too old. The import is tried once a process."""
    with _loading:
        if not _kernels:
            _kernels.append(_load())
        return _kernels[0]


def _load() -> Kernels | None:
    # One thread works on one query. FAISS's OpenMP reads the variable when it is loaded. Its idle threads would cost
    # two thirds of the throughput (93 → 292 queries/s from two threads). Torch must not read the variable.
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
    """Whether the errors of both scans are within their bounds. FAISS does not document views, so they are tested."""
    rng = np.random.default_rng(1)
    for dimension in (16, 24):  # FAISS has separate code for multiples of 16
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
