"""How fast a model is on this machine: some seconds of pictures and texts, and what is remembered of it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from indexer.encode.protocol import Choice
from indexer.platforms.files import replace_file
from indexer.settings import ModelSettings, Settings

FILE_NAME = "model-trials.json"

PICTURES_S = 5.0  # the first seconds of a warm model already show its rate to within some percent
TEXTS = 20
WORDS = "two dogs play in the garden of a house while it rains, number {}"


@dataclass(frozen=True, slots=True)
class Trial:
    """`load_s` counts from nothing to the first vector. `runs` says by what: runtime, device, precision. `at` is the
    day, in ISO 8601."""

    pictures_per_s: float
    text_ms: float
    load_s: float
    runs: str
    at: str


async def measured(settings: Settings, model: ModelSettings, tell: Callable[[str], None]) -> Trial:
    """Loads the model as the bot does, and times it. Nothing else should run. Raises ModelUnavailable."""
    import numpy as np

    from indexer.encode.encoder import open_encoder
    from indexer.ports import Priority

    began_s = time.perf_counter()
    async with open_encoder(settings.with_exports(model)) as encoder:
        size, random = encoder.pixel_spec.size, np.random.default_rng(0)
        batch = [random.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(4 * model.batch_size)]
        await encoder.encode_pixels(batch[:1])
        load_s = time.perf_counter() - began_s
        tell("timing pictures")
        await encoder.encode_pixels(batch)
        count, began_s = 0, time.perf_counter()
        while (spent_s := time.perf_counter() - began_s) < PICTURES_S:
            await encoder.encode_pixels(batch)
            count += len(batch)
        tell("timing texts")
        spans_ms = []
        for number in range(TEXTS + 1):
            began_s = time.perf_counter()
            await encoder.encode_words([WORDS.format(number)], Priority.QUERY)
            spans_ms.append((time.perf_counter() - began_s) * 1000)
        day = datetime.now(UTC).date().isoformat()
        return Trial(count / spent_s, statistics.median(spans_ms[1:]), load_s, _named(encoder.choice), day)


def _named(choice: Choice) -> str:
    """Without the rate of its own short trial: ours took longer."""
    return str(replace(choice, pictures_per_s=0.0))


def read_trials(data_dir: Path) -> dict[str, Trial]:
    """What was measured here before, by the model's key; nothing where the file is not there or makes no sense."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        told = json.loads((data_dir / FILE_NAME).read_text("utf-8"))
        return {str(key): Trial(**value) for key, value in told.items()}
    return {}


def write_trial(data_dir: Path, key: str, trial: Trial) -> None:
    """Remembers it, where there is a data folder."""
    if not data_dir.is_dir():
        return
    trials = {**read_trials(data_dir), key: trial}
    told = {name: asdict(found) for name, found in trials.items()}
    replace_file(data_dir / FILE_NAME, json.dumps(told, indent=1).encode())
