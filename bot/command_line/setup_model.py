"""Which model `afterimage setup` offers for this machine."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Final

from indexer.encode.catalogue import CATALOGUE, DEMO
from indexer.pictures.decode_memory import machine_memory

OFFERED: Final = tuple(name for name in CATALOGUE if name != DEMO)

# Of memory. The whole bot took 1.25 GB with a model of the shape of `english` (benchmarks/results/footprint.json);
# the weights of `default` are 0.9 GB larger, and the system needs some too.
_ENOUGH_FOR_DEFAULT: Final = 3_500_000_000

# What two cores made with the shape of `english`, in pictures a second: on a machine without bfloat16
# (benchmarks/results/runtimes.json), and on a faster one (benchmarks/results/crawl.json).
_MEASURED_PER_S: Final = (10.0, 43.0)


def suited(memory_bytes: int, *, gpu: bool) -> str:
    """The name of the model to offer to a machine with this memory, and with or without a GPU of NVIDIA's."""
    if gpu:
        return "gpu"
    return "default" if memory_bytes >= _ENOUGH_FOR_DEFAULT else "english"


def suited_here() -> str:
    return suited(machine_memory(), gpu=Path("/dev/nvidia0").exists())


def table(chosen: str) -> str:
    """The models to choose from, a line or two each; `chosen` is marked."""
    lines = [f"This machine has {os.cpu_count()} cores and {machine_memory() / 1e9:.0f} GB of memory. Models:"]
    for name in OFFERED:
        model = CATALOGUE[name]
        mark = "*" if name == chosen else " "
        lines.append(f"{mark} {name:<8} {model.bytes / 1e9:.1f} GB to download: {model.good_for}")
    slow, fast = (10_000 / rate / 60 for rate in reversed(_MEASURED_PER_S))
    lines += [
        f"Two cores took {slow:.0f} to {fast:.0f} minutes for 10,000 pictures with a model of the shape of english.",
        "`afterimage model trial NAME` measures it here; another model can be chosen at any time.",
    ]
    return "\n".join(lines)


def exports_here() -> bool:
    """Whether a model can be made ready on this machine: without torch it must come as an exported folder."""
    return importlib.util.find_spec("torch") is not None
