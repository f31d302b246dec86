"""The process that reaches a cluster, whose encoders have a network without weights (cluster_child.py)."""

from __future__ import annotations

from indexer.encode.on_ray import driver


def main(arguments: str) -> None:
    driver.main(arguments, "tests.worlds.cluster_child")
