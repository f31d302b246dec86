"""`[storage]`: the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The disk."""

    min_free_bytes: Annotated[
        int,
        About(
            "Indexing rests while the disk has less room than this, and goes on by itself; questions are answered and"
            " deletions carried out meanwhile. 0: the disk may be filled.",
            "bytes",
            low=0,
        ),
    ] = 200_000_000
