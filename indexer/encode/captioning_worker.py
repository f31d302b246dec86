"""The process of a model that describes pictures: nobody waits for it, so it has the lowest priority."""

from __future__ import annotations

from typing import Any

from indexer.encode import worker
from indexer.encode.matching_worker import import_transformers
from indexer.encode.protocol import Choice, Facts
from indexer.platforms.processes import lower_priority
from indexer.settings import ModelSettings

NICE = 19


def main(arguments: str) -> None:
    """As of indexer.encode.worker."""
    lower_priority(NICE)
    worker.main(arguments, load)


def load(settings: ModelSettings, settled: Choice | None) -> tuple[Any, Facts]:
    """Raises ModelUnavailable, also where the extra is not installed."""
    import_transformers(settings, "captions")
    from indexer.encode.on_transformers.load import load_captioner

    return load_captioner(settings, settled)
