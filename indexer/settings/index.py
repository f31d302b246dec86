"""`[index]`: the vector index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The vector index."""

    engine: Annotated[
        str,
        About(
            "auto: memory-mapped segments where faiss can be imported; direct: always scan SQLite.",
            choices=("auto", "direct"),
        ),
    ] = "auto"
    seal_rows: Annotated[
        int, About("Vectors held in memory before they are sealed into a segment.", "vectors", low=16)
    ] = 8192
    threads: Annotated[int, About("Threads of one search; 0: as many as cores, at most 4.", "threads", low=0)] = 0
    purge_after_s: Annotated[
        float, About("The longest time until deleted vectors have left the files.", "seconds", low=0)
    ] = 86_400.0
