"""The process that reaches a cluster, whose encoders have a model of a fixed rate."""

from __future__ import annotations

from indexer.encode.on_ray import driver


def main(arguments: str) -> None:
    driver.main(arguments, "benchmarks.fixed_rate_child")
