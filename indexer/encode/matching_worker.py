"""The process of a second model that reads pictures and words together."""

from __future__ import annotations

from typing import Any

from indexer.encode import worker
from indexer.encode.on_torch.openmp import spin_briefly
from indexer.encode.protocol import Choice, Facts
from indexer.encode.runtime import installed
from indexer.errors import ModelUnavailable
from indexer.settings import ModelSettings


def main(arguments: str) -> None:
    """As of indexer.encode.worker."""
    worker.main(arguments, load)


def load(settings: ModelSettings, settled: Choice | None) -> tuple[Any, Facts]:
    """Raises ModelUnavailable, also where the extra is not installed."""
    import_transformers(settings, "rerank")
    from indexer.encode.on_transformers.load import load_matcher

    return load_matcher(settings, settled)


def import_transformers(settings: ModelSettings, extra: str) -> None:
    """Prepares this process for a model of transformers. Raises ModelUnavailable where the extra is not installed."""
    missing = [package for package in ("torch", "transformers") if not installed(package)]
    if missing:
        raise ModelUnavailable(
            f'{settings.name} needs {" and ".join(missing)}: install them with pip install "afterimage[{extra}]".'
        )
    spin_briefly()
