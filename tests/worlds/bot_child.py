"""`afterimage` as a process, with a small substitute for the model: `python -m tests.worlds.bot_child run …`.

AFTERIMAGE's own variables configure it. CHILD_HANGS makes it hang while it closes. CHILD_WAITS keeps pictures waiting
for the model for ever, all but the first CHILD_FREE. CHILD_LOADS makes loading the model last for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from unittest import mock

from bot import cli
from bot.gateway.client import Client
from indexer.settings import ModelSettings
from indexer.supervisor import Faults
from indexer.vectors.index import VectorIndex
from tests.worlds.encoder import Encoder


@asynccontextmanager
async def opened(
    settings: ModelSettings, faults: Faults, *, data_dir: Path, wake: bool = True
) -> AsyncIterator[Encoder]:
    if "CHILD_LOADS" in os.environ:
        print("loading", flush=True)
        await asyncio.sleep(3600)
    encoder = Encoder()
    if "CHILD_WAITS" in os.environ:
        encoder.gate = asyncio.Event()
        encoder.free = int(os.environ.get("CHILD_FREE", "0"))
    yield encoder


def main() -> int:
    # A shell lets whatever it starts in the background ignore SIGINT, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mock.patch(
        "bot.app.Client", partial(Client, ready_s=0.1, identify_s=float(os.environ.get("CHILD_IDENTIFY_S", "0")))
    ).start()  # two seconds for each test are too long
    mock.patch("indexer.service.open_encoder", opened).start()
    if "CHILD_HANGS" in os.environ:
        mock.patch.object(VectorIndex, "close", partial(time.sleep, 600)).start()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
