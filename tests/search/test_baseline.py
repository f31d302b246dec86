"""The baseline's vectors: the model is asked once for each model, and a file that is wrong is no file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import ModelAway
from indexer.ports import Priority
from indexer.records.pictures import Vectors
from indexer.search.baseline import Baseline
from indexer.search.baseline_sentences import BASELINE_SENTENCES
from tests.worlds.encoder import Encoder


class Counting(Encoder):
    """Counts the texts that it was asked for; fails while `away`."""

    def __init__(self, dimension: int = 32) -> None:
        super().__init__(dimension)
        self.texts = 0
        self.away = False

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        if self.away:
            raise ModelAway("not loaded")
        self.texts += len(texts)
        return await super().encode_words(texts, priority)


async def test_the_next_process_reads_what_the_first_has_embedded(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    embedded = await Baseline(first, tmp_path).vectors()
    assert first.texts == len(BASELINE_SENTENCES) == len(embedded)
    second.away = True
    assert np.array_equal(await Baseline(second, tmp_path).vectors(), embedded)


async def test_in_one_process_they_are_embedded_once_without_a_file_too(tmp_path: Path) -> None:
    encoder = Counting()
    baseline = Baseline(encoder, tmp_path / "nowhere")
    await baseline.vectors()
    await baseline.vectors()
    assert encoder.texts == len(BASELINE_SENTENCES)


@pytest.mark.parametrize("what", ["half", "empty", "flipped", "another shape", "a pickle"])
async def test_a_file_that_cannot_be_trusted_is_written_anew(tmp_path: Path, what: str) -> None:
    await Baseline(Counting(), tmp_path).vectors()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    if what == "another shape":
        np.save(path, np.ones((3, 32), np.float32))
    elif what == "a pickle":
        np.save(path, np.array([{"any": "object"}], object), allow_pickle=True)
    else:
        flipped = whole[:-1] + bytes([whole[-1] ^ 0x40])  # in the last number's exponent
        path.write_bytes({"half": whole[: len(whole) // 2], "empty": b"", "flipped": flipped}[what])
    encoder = Counting()
    await Baseline(encoder, tmp_path).vectors()
    assert encoder.texts == len(BASELINE_SENTENCES)
    assert path.read_bytes() == whole


async def test_a_model_that_is_away_leaves_no_file(tmp_path: Path) -> None:
    encoder = Counting()
    encoder.away = True
    with pytest.raises(ModelAway):
        await Baseline(encoder, tmp_path).vectors()
    assert list(tmp_path.iterdir()) == []
    encoder.away = False
    await Baseline(encoder, tmp_path).vectors()
    assert encoder.texts == len(BASELINE_SENTENCES)


async def test_another_model_has_vectors_of_its_own(tmp_path: Path) -> None:
    await Baseline(Counting(), tmp_path).vectors()
    other = Counting(16)
    other.spec = type(other.spec)("another", "none", 16, "ff")
    assert (await Baseline(other, tmp_path).vectors()).shape == (len(BASELINE_SENTENCES), 16)
    assert len(list(tmp_path.iterdir())) == 2
