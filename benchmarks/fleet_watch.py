"""Run as a program: joins a cluster, says "watching", and then when it has seen that a node is dead.

python -m benchmarks.fleet_watch ADDRESS TOKEN_FILE NODE
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from indexer.encode.on_ray.connection import connect
from indexer.settings import RaySettings

_LOOK_S = 0.1


def main(address: str, token_file: str, node: str) -> None:
    connect(RaySettings(address=address, token_file=Path(token_file)))
    import ray

    print("watching", flush=True)
    while True:
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray has no types there
        if not any(found["NodeID"] == node and found["Alive"] for found in nodes):
            break
        time.sleep(_LOOK_S)
    print("dead", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
