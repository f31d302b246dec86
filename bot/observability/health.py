"""Whether the bot is alive and connected. The bot writes this next to its data, and `afterimage health` reads it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.errors import RetryLater
from indexer.supervisor import Faults, contained

FILE_NAME = "health.json"
BEAT_S = 10.0
# Three missed beats: the event loop hangs, or the process has ended.
STALE_S = 35.0
# Discord moves a connection to another node several times a day; a resume takes a few seconds.
AWAY_S = 30.0


@dataclass(frozen=True, slots=True)
class Beat:
    """The bot's report about itself. `serving`: it has been connected, knows its servers, and is not about to stop.

    `away_since` (Unix seconds) is the time of the first loss among the `shards_away` gateway connections that are away
    now. `latency_ms` is that of the slowest heartbeat. `unparsed_events` counts gateway events that could not be
    parsed, `events_waiting` those that wait to be taken in. `which` are the shards of this process, where it does not
    serve all of the bot's. Until `waits_until` (Unix seconds) it waits for Discord's daily limit before it connects.
    """

    serving: bool
    shards: int = 0
    which: str = ""
    waits_until: float | None = None
    shards_away: int = 0
    away_since: float | None = None
    latency_ms: float | None = None
    unparsed_events: int = 0
    events_waiting: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """`sentence` describes the bot's condition; where it is not `healthy`, it also says what to do."""

    healthy: bool
    sentence: str


async def keep_beating(data_dir: Path, beat: Callable[[], Beat], faults: Faults) -> None:
    """Writes the state every BEAT_S seconds until cancelled, then removes the file.

    If the file cannot be written (a full disk), the next beat tries again. Meanwhile `afterimage health` reports no
    sign of life.
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
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except PermissionError as error:  # Windows does not replace a file that is being read; the next beat comes soon
        if sys.platform != "win32":
            raise RetryLater(f"{path} cannot be written: {error.strerror}") from error
    except OSError as error:
        raise RetryLater(f"{path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class LastBeat:
    """Which process gave the last sign of life, when (Unix seconds), and what it said there of its events."""

    pid: int
    at: float
    events_waiting: int
    latency_ms: float | None


def last_beat(data_dir: Path) -> LastBeat | None:
    """None where no bot has given one since the last ended, or where it cannot be read."""
    try:
        state = json.loads((data_dir / FILE_NAME).read_text("utf-8"))
        latency = state["latency_ms"]
        return LastBeat(
            pid=int(state["pid"]),
            at=float(state["at"]),
            events_waiting=int(state["events_waiting"]),
            latency_ms=None if latency is None else float(latency),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def condition(data_dir: Path, now: float | None = None) -> Condition:
    """The condition of the bot on this data folder, by its last report.
    `now`: Unix seconds (None: the current time).
    """
    path = data_dir / FILE_NAME
    now = time.time() if now is None else now
    try:
        state = json.loads(path.read_text("utf-8"))
        age = now - float(state["at"])
        beat = Beat(
            serving=bool(state["serving"]),
            shards=int(state["shards"]),
            shards_away=int(state["shards_away"]),
            away_since=None if state["away_since"] is None else float(state["away_since"]),
            which=str(state.get("which", "")),
            waits_until=None if state.get("waits_until") is None else float(state["waits_until"]),
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
    """The state of the connection to Discord at `now` (Unix seconds)."""
    if beat.waits_until is not None and beat.waits_until > now:
        wait = f"{beat.waits_until - now:.0f} s"
        return Condition(False, f"Discord lets the bot open no more sessions for {wait}; its log says why it waits")
    if not beat.serving:
        return Condition(False, "the bot runs but is not connected to Discord; look at its log")
    if not beat.shards_away:
        return Condition(True, f"connected, with {beat.which}" if beat.which else "connected")
    gone_s = now - beat.away_since if beat.away_since is not None else 0.0
    which = "the gateway" if beat.shards <= 1 else f"{beat.shards_away} of {beat.shards} gateway connections"
    sentence = f"Discord cut off {which} {gone_s:.0f} s ago, and the bot is connecting again"
    if gone_s > AWAY_S:
        return Condition(False, f"{sentence}; look at its log, the network, and Discord's status page")
    return Condition(True, f"connected, but {sentence}")
