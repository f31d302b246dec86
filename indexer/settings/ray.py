"""`[ray]`: encoders elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Encoders in a Ray cluster: model.runtime = "ray", or commands with --fleet. `pip install 'afterimage[fleet]'`."""

    address: Annotated[
        str,
        About(
            "Where the cluster is. auto: the Ray of this machine; host:6379: the cluster that this machine has joined;"
            " ray://host:10001: a cluster that it has not joined. Whoever reaches a port of Ray can run code there."
        ),
    ] = "auto"
    token_file: Annotated[
        Path | None,
        About("A file with the token that the cluster asks for, and nothing else; empty: where Ray itself looks."),
    ] = None
    min_replicas: Annotated[int, About("Encoders that are always there.", "encoders", low=1, high=64)] = 1
    max_replicas: Annotated[
        int,
        About(
            "Encoders while there is more to index than they take, where the cluster has room for them.",
            "encoders",
            low=1,
            high=64,
        ),
    ] = 4
    cores: Annotated[
        float,
        About(
            "Processor cores of its node that an encoder takes. With --fleet it opens as many files at once.",
            "cores",
            low=0,
            high=1024,
        ),
    ] = 2.0
    gpus: Annotated[
        float,
        About("The share of a GPU that an encoder takes; 0.5: two have one, 0: none has.", "GPUs", low=0, high=8),
    ] = 0.0
    deadline_s: Annotated[
        float,
        About(
            "The longest that a question waits for the cluster; then this machine answers it.",
            "seconds",
            low=0.1,
            high=60,
        ),
    ] = 2.0
    exports: Annotated[
        str, About("The folder on each node that exports of models are kept in; ~ is that of Ray's user.")
    ] = "~/.cache/afterimage/models"
