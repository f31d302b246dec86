"""The sandbox's Ray of several nodes (sandbox/ray_nodes.py), with the settings to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from indexer.settings import RaySettings
from sandbox.ray_nodes import RayNodes, open_ray_nodes


@dataclass(frozen=True)
class Nodes(RayNodes):
    def settings(self, **changes: Any) -> RaySettings:
        values: dict[str, Any] = {"address": self.address, "token_file": self.token_file, "cores": 1.0}
        return RaySettings(**(values | changes))


@contextmanager
def open_nodes(count: int, cores: int = 1) -> Iterator[Nodes]:
    """The first node without cores, and `count` with so many."""
    with open_ray_nodes(count, cores) as nodes:
        yield Nodes(nodes.process, nodes.address, nodes.token_file, nodes.folder, nodes.ids)
