"""How torch's threads wait for each other."""

from __future__ import annotations

import os

# Turns of GNU OpenMP's busy waiting before a thread sleeps. Its own choice (hundreds of thousands, milliseconds) burns
# a core that another process needs, so that the thread being waited for cannot run either: with a load of 5 on two
# cores, ViT-B/32 took 530 ms a query and 1,350 ms for two pictures, with 1,000 turns 52 and 150 ms. Undisturbed both
# take 13 and 37 ms; no busy waiting at all (OMP_WAIT_POLICY=PASSIVE) 23 and 48.
_SPINS = "1000"


def spin_briefly() -> None:
    """Bound the busy waiting, unless the environment says otherwise. To be called before torch is first imported."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
