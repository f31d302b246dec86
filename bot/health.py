"""Is the bot alive and connected? It writes so beside its data, and `afterimage health` reads that."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

FILE_NAME = "health.json"
BEAT_S = 10.0
# Three missed beats: the event loop hangs, or the process is gone.
STALE_S = 35.0


async def keep_beating(data_dir: Path, connected: Callable[[], bool]) -> None:
    """Writes the state every BEAT_S seconds until cancelled, then takes the file away."""
    path = data_dir / FILE_NAME
    try:
        while True:
            await asyncio.to_thread(_write, path, connected())
            await asyncio.sleep(BEAT_S if connected() else 1.0)
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, connected: bool) -> None:
    text = json.dumps({"pid": os.getpid(), "connected": connected, "at": round(time.time(), 3)})
    draft = path.with_suffix(".new")
    draft.write_text(text, "utf-8")
    draft.replace(path)


def ailment(data_dir: Path, now: float | None = None) -> str | None:
    """What is wrong with the bot on this data folder, in one sentence; None when it is connected and answers."""
    path = data_dir / FILE_NAME
    try:
        beat = json.loads(path.read_text("utf-8"))
        age = (time.time() if now is None else now) - float(beat["at"])
        connected = bool(beat["connected"])
    except FileNotFoundError:
        return f"no bot runs on {data_dir}; start it with `afterimage run`"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{path} cannot be read ({error}); look at the bot's log"
    if age > STALE_S:
        return f"the bot last gave a sign of life {age:.0f} s ago; look at its log and start it again"
    if not connected:
        return "the bot runs but is not connected to Discord; look at its log"
    return None
