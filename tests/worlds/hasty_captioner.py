"""The process of a model that describes pictures, without its low priority, which would wait for other tests."""

from __future__ import annotations

from indexer.encode import worker
from indexer.encode.captioning_worker import load


def main(arguments: str) -> None:
    worker.main(arguments, load)
