"""Scanning whole segments on a GPU: a float16 matrix product over a copy that stays there.

Only the first pass runs here. Its error is bounded, and the index scores what it finds anew on the CPU from the stored
vectors, so the answers are those of every other path.
"""

from __future__ import annotations

import threading
import weakref
from logging import getLogger

import numpy as np
import numpy.typing as npt
import torch

from indexer.records.pictures import Vectors

log = getLogger(__name__)

# Rounding the query and each score to float16 costs 2⁻¹¹ of |query| each; four times that leaves room for a library
# that sums in pieces. `_sound` holds a device to it before its answers are used.
ERROR = 2.0**-9
SAMPLE = 256  # rows on which a device is checked
ROOM = 0.8  # share of the device's free memory that a copy may take


class GpuScan:
    """Copies of segments on one device, each until its segment is closed. Thread-safe."""

    def __init__(self, device: str) -> None:
        """`device` as torch names it. Copies nothing yet."""
        self._device = torch.device(device)
        self._lock = threading.Lock()
        self._copies: dict[int, torch.Tensor | None] = {}

    def top(
        self,
        rows: npt.NDArray[np.uint8],
        start: int,
        stop: int,
        query: Vectors,
        count: int,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Vectors, npt.NDArray[np.int64], float] | None:
        """The best `count` of rows start ≤ i < stop of [n, 2·d] float16 bytes, or of those of them in `mask`.

        Returns scores (descending), positions counted from `start`, and how far a score can be from the true one. None
        where the device has no room for `rows` or was found to compute otherwise. `rows` must be the same array each
        time, and must not change.
        """
        copy = self._copy(rows)
        if copy is None:
            return None
        length = float(np.linalg.norm(query))
        with torch.inference_mode():
            scores = copy[start:stop] @ torch.from_numpy(query / length).to(self._device, torch.float16)
            if mask is not None:
                allowed = torch.from_numpy(np.ascontiguousarray(mask)).to(self._device)
                scores = scores.masked_fill(~allowed, -torch.inf)
                count = min(count, int(np.count_nonzero(mask)))
            best = torch.topk(scores, min(count, stop - start))
            values: Vectors = best.values.float().cpu().numpy() * np.float32(length)
            return values, best.indices.cpu().numpy(), ERROR * length

    def _copy(self, rows: npt.NDArray[np.uint8]) -> torch.Tensor | None:
        with self._lock:
            key = id(rows)
            if key not in self._copies:
                self._copies[key] = self._made(rows)
                weakref.finalize(rows, self._copies.pop, key, None)
            return self._copies[key]

    def _made(self, rows: npt.NDArray[np.uint8]) -> torch.Tensor | None:
        if self._device.type == "cuda" and rows.nbytes > ROOM * torch.cuda.mem_get_info(self._device)[0]:
            return None
        # Aligned first: a mapped file's rows begin at an odd address.
        copy = torch.from_numpy(rows.copy()).view(torch.float16).to(self._device)
        return copy if self._sound(copy, rows) else None

    def _sound(self, copy: torch.Tensor, rows: npt.NDArray[np.uint8]) -> bool:
        """Whether the device's scores of some rows are as near to the true ones as ERROR says."""
        at = np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(np.int64)
        true = rows[at].view("<f2").astype(np.float32)
        query = true[0] / max(float(np.linalg.norm(true[0])), 1e-6)
        with torch.inference_mode():
            scores = (copy[torch.from_numpy(at)] @ torch.from_numpy(query).to(self._device, torch.float16)).float()
        off = float(np.abs(scores.cpu().numpy() - true @ query).max())
        if off <= ERROR:
            return True
        log.warning(
            "%s is off by %.4f in a float16 product: segments are scanned by the CPU instead", self._device, off
        )
        return False


def gpu_scan(device: str) -> GpuScan | None:
    """A scanner for the device that the model runs on; None unless that is a CUDA device that is there."""
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return None
    return GpuScan(device)
