"""`[thumbnails]`: small copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class ThumbnailSettings:
    """Small copies of indexed pictures that are kept on the disk: for reports, previews and the console."""

    keep: Annotated[
        str,
        About(
            "Of which pictures a copy is kept (WebP, 256 pixels). imported: of archives and folders of pictures; all:"
            " also of what Discord shows; off: of none, and those there are go at the next start.",
            choices=("off", "imported", "all"),
        ),
    ] = "imported"
    max_bytes: Annotated[
        int,
        About("The most room that the copies take; where it is not enough, the oldest go.", "bytes", low=10_000_000),
    ] = 1_000_000_000
