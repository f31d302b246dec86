"""`[search]`: answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How many hits a search gives, and how much words count."""

    default_count: Annotated[int, About("Hits when a member does not say how many.", "hits", low=1, high=100)] = 5
    max_count: Annotated[int, About("The most hits a member may ask for.", "hits", low=1, high=100)] = 50
    words_weight: Annotated[
        float, About("How much what a message says counts against what its picture shows; 0: not.", low=0, high=10)
    ] = 1.0
    compare_downloads: Annotated[
        int,
        About(
            "Small copies a minute that are downloaded in the background, to tell by their pixels which posted pictures"
            " are copies of one another. 0: only what is on this machine is compared.",
            "pictures",
            low=0,
            high=600,
        ),
    ] = 6
