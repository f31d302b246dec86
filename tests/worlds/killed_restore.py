"""Run as a program by test_backup.py: restores a backup and waits to be killed when the former database is moved.

Argument: a folder with a data folder `data` and its backup `b.tar` in it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from unittest import mock

from indexer.backup import exchange
from indexer.backup.restore import restore
from tests.worlds.killed_child import wait_to_be_killed


def main(folder: Path) -> None:
    def killed(*_: object) -> None:
        asyncio.run(wait_to_be_killed())

    with mock.patch.object(exchange, "sync_folder", killed):  # called when all former files are aside
        restore(folder / "data", folder / "b.tar", lambda: None, lambda *_: None, replace=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
