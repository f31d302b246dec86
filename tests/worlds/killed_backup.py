"""Run as a program by test_backup.py: makes a backup and waits to be killed before it gets its name.

Argument: a folder with a data folder `data` in it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from indexer.backup.checked_tar import READ
from indexer.backup.make import make
from tests.worlds.killed_child import wait_to_be_killed


def main(folder: Path) -> None:
    def tell(what: str, done: int, total: int | None) -> None:
        if what == READ and done == total:
            asyncio.run(wait_to_be_killed())

    make(folder / "data", folder / "b.tar", lambda: None, tell)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
