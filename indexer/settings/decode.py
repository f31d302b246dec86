"""`[decode]`: the processes that open pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About

MOST_FRAMES = 8  # of an animation, that are embedded


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """The limits of the processes that open pictures."""

    workers: Annotated[
        int,
        About(
            "Processes that open what is indexed; 0: as many as cores, at most 4. Two more are kept for questions.",
            "processes",
            low=0,
            high=256,
        ),
    ] = 0
    max_pixels: Annotated[int, About("The largest picture that is opened, width × height.", "pixels", low=1)] = (
        100_000_000
    )
    timeout_s: Annotated[
        float,
        About(
            "The longest processor time for one picture; for a question at most 3 seconds.",
            "seconds",
            low=0.1,
            high=600,
        ),
    ] = 5.0
    memory_bytes: Annotated[
        int,
        About(
            "Address space of a process beyond what it starts with; 0: so much that all of them together stay within a"
            " quarter of the machine's memory.",
            "bytes",
            low=0,
        ),
    ] = 0
    frames: Annotated[
        int,
        About(
            "Frames by which an animation is found: those that together look most like all of it. 1: only the one that"
            " shows most.",
            "frames",
            low=1,
            high=MOST_FRAMES,
        ),
    ] = 3
