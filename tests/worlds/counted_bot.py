"""`afterimage` as a process that says what it has in hand: SIGUSR1 makes it write COUNTED (a file) anew, as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from bot import cli


def _count(*_: object) -> None:
    """In the main thread, between two steps of its event loop."""
    counted: dict[str, Any] = {
        "tasks": sorted(task.get_name() for task in asyncio.all_tasks() if not task.done()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }
    path = Path(os.environ["COUNTED"])
    new = path.with_suffix(".new")
    new.write_text(json.dumps(counted))
    new.replace(path)


if __name__ == "__main__":
    if sys.platform != "win32":
        signal.signal(signal.SIGUSR1, _count)
    sys.exit(cli.main())
