"""Run as a program by tests/bundles: imports a bundle and waits to be killed after its first steps.

Argument: a folder with a bundle `x.bundle` in it; the data folder is `data`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from indexer.bundles import storing
from tests.worlds.bundled import imported
from tests.worlds.killed_child import wait_to_be_killed

WANTED, FIRST = 200, 50  # messages, of which some are stored when it is killed; in the first batch


async def main(folder: Path) -> None:
    batches, original = 0, storing._store_batch

    async def store_batch(*values: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == WANTED // FIRST:
            await wait_to_be_killed()
        await original(*values)

    with (
        mock.patch.object(storing, "_store_batch", store_batch),
        mock.patch.object(storing, "FIRST_MESSAGES", FIRST),
        mock.patch.object(storing, "STEP_S", 0.0),
    ):
        await imported(folder / "data", folder / "x.bundle", alone=False)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
