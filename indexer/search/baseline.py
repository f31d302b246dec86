"""The vectors of the baseline sentences: embedded once for each model, and kept in a file that may be deleted.

They take the model a second or more, which a command that has just been started would wait for.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
from pathlib import Path

import numpy as np

from indexer.platforms.files import replace_file
from indexer.ports import Encoder
from indexer.records.pictures import Vectors
from indexer.search.baseline_sentences import BASELINE_SENTENCES

log = logging.getLogger(__name__)

AT_ONCE = 16
_OFF = 1e-3  # from unit length


class Baseline:
    """[m, d] float32, one row a sentence, of one model."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        sentences = hashlib.sha256("\n".join(BASELINE_SENTENCES).encode()).hexdigest()[:8]
        self._path = folder / f"baseline-{encoder.spec.fingerprint[:16]}-{sentences}.npy"
        self._vectors: Vectors | None = None
        self._turn = asyncio.Lock()

    async def vectors(self) -> Vectors:
        """Of memory, of the file, or of the model: a few at a time, so that a member's words never wait for all of
        them. Raises RetryLater where the model is asked and not to be had."""
        async with self._turn:
            if self._vectors is None:
                self._vectors = await asyncio.to_thread(self._read)
            if self._vectors is None:
                parts = [
                    await self._encoder.encode_words(BASELINE_SENTENCES[start : start + AT_ONCE])
                    for start in range(0, len(BASELINE_SENTENCES), AT_ONCE)
                ]
                self._vectors = np.concatenate(parts)
                await asyncio.to_thread(self._write, self._vectors)
            return self._vectors

    def _read(self) -> Vectors | None:
        """None where there is no such file, or none that can be trusted."""
        try:
            vectors = np.load(self._path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        wanted = (len(BASELINE_SENTENCES), self._encoder.spec.dimension)
        if vectors.shape != wanted or vectors.dtype != np.float32:
            return None
        # Of unit length, as every embedding is, so no number is larger than 1: a flipped exponent shows. That is looked
        # at first, because the square of such a number may be infinite.
        small = bool((np.abs(vectors) <= 1 + _OFF).all())
        return vectors if small and np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=_OFF) else None

    def _write(self, vectors: Vectors) -> None:
        written = io.BytesIO()
        np.save(written, np.asarray(vectors, np.float32), allow_pickle=False)
        try:
            replace_file(self._path, written.getvalue())
        except OSError as error:
            log.debug("%s cannot be written (%s): it is embedded again at the next start", self._path, error)
