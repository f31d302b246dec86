"""One fresh process that opens an index and says what it cost: seconds to open, to the first answer, and memory.

Called by benchmarks/index.py: python -m benchmarks.index_probe DATA_DIR; prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.index_data import CHANNELS, DIMENSION, GUILD, MODEL
from indexer.database.database import FILE_NAME
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, ModelId
from indexer.settings import IndexSettings
from indexer.vectors import kernels, log_follower
from indexer.vectors.index import VectorIndex
from indexer.vectors.segment import Segment


def anonymous_mb() -> float:
    """Anonymous memory of this process, megabytes (10⁶ bytes)."""
    text = Path("/proc/self/smaps_rollup").read_text()
    found = re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024 / 1e6


def main(data_dir: Path) -> None:
    loaded = kernels.load()
    assert loaded is not None
    loaded.half(np.zeros((9, 2 * DIMENSION), np.uint8), np.ones(DIMENSION, np.float32), 3)  # what FAISS costs once
    before = anonymous_mb()
    query = np.random.default_rng(1).standard_normal(DIMENSION).astype(np.float32)
    query /= np.linalg.norm(query)
    allowed = Filter(frozenset(ChannelId(1_000 + number) for number in range(CHANNELS)))
    began = time.perf_counter()
    index = VectorIndex(data_dir / FILE_NAME, data_dir / "segments", IndexSettings())
    # Any guild's first search opens its segments: this one finds no channel of its own, and scans nothing.
    index.search(GuildId(GUILD), ModelId(MODEL), query, 10, Filter(frozenset({ChannelId(1)})))
    opened = time.perf_counter()
    answer = index.search(GuildId(GUILD), ModelId(MODEL), query, 10, allowed)
    first = time.perf_counter()
    assert len(answer.candidates) == 10
    for _ in range(20):
        index.search(GuildId(GUILD), ModelId(MODEL), query, 10, allowed)
    index.wait_for_checks()
    after = anonymous_mb()
    with index.connection() as connection:
        records = log_follower.records(connection, GuildId(GUILD), ModelId(MODEL))
    mapping = time.perf_counter()
    for record in records:
        Segment(index.files(GuildId(GUILD), ModelId(MODEL)).path_of(record.name), record, DIMENSION)
    mapped = time.perf_counter()
    print(
        json.dumps(
            {
                "open_s": opened - began,
                "first_answer_s": first - began,
                "map_s": mapped - mapping,
                "anonymous_mb": after - before,
                "segments": len(records),
            }
        )
    )
    index.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
