"""One process of a fleet on its node: started, watched, restarted after a pause, ended by SIGTERM. Knows no Ray.

The bot is a child process, the same as `afterimage run` anywhere else. What this process knows of it is what any
command knows: its health file, its control socket and its data folder.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.fleet.plan import ProcessPlan, digest_of
from bot.fleet.words import RESTORING
from bot.observability.health import condition, last_beat
from indexer.clock import now_ms
from indexer.fleet.lease import WAITING
from indexer.platforms.processes import command
from indexer.supervisor import HEALTHY_S, RESTARTS

log = logging.getLogger(__name__)

CHILD = "bot.child"

# A bot that has begun to give signs of life and gives none for so long hangs: it is ended, and another one started.
# `afterimage health` complains after 35 s.
HANGS_S = 90.0
_LOOK_S = 1.0
_KILL_AFTER_S = 5.0  # beyond discord.shutdown_s, within which a bot ends by itself
_LINE_BYTES = 64 * 1024
_LAST_WORDS_S = 5.0  # a process that the bot has left behind may keep its log open
_LAST_LINES = 20  # of the log, for the reason why a process ended


class State(StrEnum):
    """What a process does. `RESTORING`: its backup comes from the storage. `WAITING`: another process has its lease.
    `AWAY`: it runs, not connected to Discord. `PAUSED`: it ended, and is started again.
    """

    STARTING = "starting"
    RESTORING = "restoring"
    WAITING = "waiting"
    SERVING = "serving"
    AWAY = "away"
    PAUSED = "paused"
    STOPPED = "stopped"


class Ended(Exception):
    """A child has ended. The message is its last word."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`reason` is empty where all is well. `starts`: how often the bot was started here."""

    state: State
    reason: str
    since_ms: int
    starts: int
    pid: int | None


class Supervisor:
    """`run` until `stop`. `environment`: of this node; the plan's own settings go before it."""

    def __init__(self, plan: ProcessPlan, environment: Mapping[str, str], child: str = CHILD) -> None:
        self.plan = plan
        self.folder = Path(os.path.expandvars(plan.folder)).expanduser()
        self._config = Path(plan.config)
        self._environment = plan.environment(environment) | {"AFTERIMAGE_DATA_DIR": str(self.folder)}
        self._child = child
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._words: deque[str] = deque(maxlen=_LAST_LINES)
        self._state, self._reason, self._since_ms, self._starts = State.STARTING, "", now_ms(), 0

    @property
    def standing(self) -> Standing:
        """The state now; whether the bot serves is read from its health file."""
        state, reason = self._state, self._reason
        if state is State.STARTING and self._beats():
            found = condition(self.folder)
            state, reason = (State.SERVING, "") if found.healthy else (State.AWAY, found.sentence)
        elif state is State.STARTING:
            for line in self._words:  # the last of them counts
                if WAITING in line or RESTORING in line:
                    state, reason = (State.WAITING if WAITING in line else State.RESTORING), line
        pid = None if self._process is None else self._process.pid
        return Standing(state, reason, self._since_ms, self._starts, pid)

    def other_configuration(self) -> bool:
        """Whether this node's file is another one than `fleet up` has read."""
        try:
            return digest_of(self._config) != self.plan.digest
        except OSError:
            return True

    async def run(self) -> None:
        """Keeps the bot running until `stop`; never raises but for what is a mistake of this code."""
        failures = 0
        try:
            while not self._stopping.is_set():
                began_s = time.monotonic()
                try:
                    await self._once()
                    reason = "it ended by itself"
                except (Ended, OSError) as error:
                    reason = str(error)
                if self._stopping.is_set():
                    break
                failures = 1 if time.monotonic() - began_s >= HEALTHY_S else failures + 1
                pause_s = RESTARTS.wait_s(failures)
                log.warning("process %s: %s; it is started again in %.1f s", self.plan.name, reason, pause_s)
                self._say(State.PAUSED, reason)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause_s)
        finally:
            self._say(State.STOPPED)
            self._ended.set()

    async def stop(self) -> None:
        """Ends the bot as SIGTERM does, and returns when it has ended."""
        self._stopping.set()
        await self._ended.wait()

    async def _once(self) -> None:
        """The bot from its start to its end. Raises Ended with its last word where that was no good one."""
        await asyncio.to_thread(self.folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        self._say(State.STARTING, self._reason)
        self._words.clear()
        given = json.dumps({"parent": os.getpid(), "config": self.plan.config})
        process = await asyncio.create_subprocess_exec(
            *command(given, self._child), env=self._environment, limit=_LINE_BYTES, process_group=0,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._process, self._starts = process, self._starts + 1
        reading = asyncio.create_task(_pass_on(process, self._words), name="log of the bot")
        try:
            silent = await self._done(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await asyncio.wait({reading}, timeout=_LAST_WORDS_S)
            reading.cancel()
            self._process = None
        if silent:
            raise Ended(f"it gave no sign of life for {HANGS_S:g} s and was ended")
        if process.returncode and not self._stopping.is_set():
            raise Ended(f"it ended with {process.returncode}: {self._words[-1] if self._words else 'it said nothing'}")

    async def _done(self, process: asyncio.subprocess.Process) -> bool:
        """Until it has ended by itself or by `stop`. True where it was ended because it hangs."""
        ending = asyncio.create_task(process.wait(), name="end of the bot")
        stopping = asyncio.create_task(self._stopping.wait(), name="end of the supervisor")
        try:
            while not ending.done():
                await asyncio.wait({ending, stopping}, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                silent = await asyncio.to_thread(self._silent, process.pid)
                if silent or self._stopping.is_set():
                    await self._terminate(process)
                    return silent
        finally:
            ending.cancel()
            stopping.cancel()
        return False

    def _silent(self, pid: int) -> bool:
        beat = last_beat(self.folder)
        return beat is not None and beat.pid == pid and time.time() - beat.at > HANGS_S

    async def _terminate(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), self.plan.shutdown_s + _KILL_AFTER_S)

    def _beats(self) -> bool:
        beat = last_beat(self.folder)
        return beat is not None and self._process is not None and beat.pid == self._process.pid

    def _say(self, state: State, reason: str = "") -> None:
        self._state, self._reason, self._since_ms = state, reason, now_ms()


async def _pass_on(process: asyncio.subprocess.Process, words: deque[str]) -> None:
    """What the bot writes to its log goes to this process's own, which Ray keeps; a line that is too long is cut."""
    assert process.stderr is not None
    while True:
        try:
            line = await process.stderr.readuntil()
        except asyncio.IncompleteReadError as rest:
            line = rest.partial
            if not line:
                return
        except asyncio.LimitOverrunError as error:
            line = await process.stderr.readexactly(error.consumed)
        os.write(2, line)
        if text := line.decode("utf-8", "replace").strip():
            words.append(text)
