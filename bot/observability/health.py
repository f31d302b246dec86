"""Is the bot alive and connected? It writes so beside its data, and `afterimage health` reads that."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.supervisor import Faults, contained

FILE_NAME = "health.json"
BEAT_S = 10.0
# Three missed beats: the event loop hangs, or the process is gone.
STALE_S = 35.0
# Discord moves a connection to another node several times a day; a resume takes a few seconds.
AWAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Beat:
    """What the bot says of itself. `serving`: it has been connected, knows its servers, and is not about to stop.

    `away_since` (Unix seconds) is when the first of the `shards_away` gateway connections that are away now was lost.
    `latency_ms` is the slowest heartbeat's. `unparsed_events` counts gateway events that could not be parsed.
    """

    serving: bool
    shards: int = 0
    shards_away: int = 0
    away_since: float | None = None
    latency_ms: float | None = None
    unparsed_events: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """`sentence` says how the bot is; where it is not `healthy`, also what to do."""

    healthy: bool
    sentence: str


async def keep_beating(data_dir: Path, beat: Callable[[], Beat], faults: Faults) -> None:
    """Writes the state every BEAT_S seconds until cancelled, then takes the file away.

    Where it cannot be written (a full disk) it is tried again: health says then that there is no sign of life.
    """
    path = data_dir / FILE_NAME
    try:
        while True:
            now = beat()
            with contained("health", faults):
                await asyncio.to_thread(_write, path, now)
            await asyncio.sleep(BEAT_S if now.serving and not now.shards_away else 1.0)
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, beat: Beat) -> None:
    text = json.dumps({"pid": os.getpid(), "at": round(time.time(), 3), **asdict(beat)})
    draft = path.with_suffix(".new")
    draft.write_text(text, "utf-8")
    try:
        draft.replace(path)
    except PermissionError:  # Windows replaces no file while somebody reads it; the next beat comes soon
        if sys.platform != "win32":
            raise


def condition(data_dir: Path, now: float | None = None) -> Condition:
    """How the bot on this data folder is, by what it last wrote. `now`: Unix seconds (None: the time now)."""
    path = data_dir / FILE_NAME
    now = time.time() if now is None else now
    try:
        found = json.loads(path.read_text("utf-8"))
        age = now - float(found["at"])
        beat = Beat(
            serving=bool(found["serving"]),
            shards=int(found["shards"]),
            shards_away=int(found["shards_away"]),
            away_since=None if found["away_since"] is None else float(found["away_since"]),
        )
    except FileNotFoundError:
        return Condition(False, f"no bot runs on {data_dir}; start it with `afterimage run`")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Condition(False, f"{path} cannot be read ({error}); look at the bot's log")
    if age > STALE_S:
        sentence = f"the bot last gave a sign of life {age:.0f} s ago; look at its log and start it again"
        return Condition(False, sentence)
    return connection_of(beat, now)


def connection_of(beat: Beat, now: float) -> Condition:
    """How the connection to Discord is at `now` (Unix seconds)."""
    if not beat.serving:
        return Condition(False, "the bot runs but is not connected to Discord; look at its log")
    if not beat.shards_away:
        return Condition(True, "connected")
    gone_s = now - beat.away_since if beat.away_since is not None else 0.0
    which = "the gateway" if beat.shards <= 1 else f"{beat.shards_away} of {beat.shards} gateway connections"
    sentence = f"Discord cut off {which} {gone_s:.0f} s ago, and the bot is connecting again"
    if gone_s > AWAY_S:
        return Condition(False, f"{sentence}; look at its log, the network, and Discord's status page")
    return Condition(True, f"connected, but {sentence}")
