"""How far a guild's run is: counters while it runs, and the snapshot a person is shown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from indexer.clock import now_ms
from indexer.model import GuildId, snowflake_ms
from indexer.sentence import Sentence


class State(StrEnum):
    """What a run does. INCOMPLETE: it ended, but some channels could not be read to the end; see `reason`."""

    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of one run. Times are Unix milliseconds.

    `channels_total` and `places_total` grow while history is discovered. `messages` counts messages read,
    `messages_expected` is Discord's own count of those that are to come in all, where it gave one. A place is done
    when its picture is searchable or its failure is recorded; `failed` counts the latter. `read_back_to_ms` is the time
    down to which every channel has been read, None until that is known. `reason` says to a person why not all was read.
    """

    guild_id: GuildId
    state: State
    started_ms: int
    ended_ms: int | None = None
    channels_total: int = 0
    channels_done: int = 0
    channels_parked: int = 0
    messages: int = 0
    messages_expected: int | None = None
    places_total: int = 0
    places_done: int = 0
    failed: int = 0
    requests: int = 0
    read_back_to_ms: int | None = None
    reason: Sentence | None = None

    @property
    def fraction(self) -> float:
        """How much is done, 0–1, by the rarer of what was read and what was embedded; 1 only at the end."""
        if self.state is State.DONE:
            return 1.0
        read = 0.0
        if self.messages_expected:
            read = min(self.messages / self.messages_expected, 1.0)
        elif self.read_back_to_ms is not None:
            born = snowflake_ms(self.guild_id)  # when the guild was made: nothing in it is older
            read = min(max((self.started_ms - self.read_back_to_ms) / max(self.started_ms - born, 1), 0.0), 1.0)
        elif self.channels_total:
            read = self.channels_done / self.channels_total
        embedded = self.places_done / self.places_total if self.places_total else 1.0
        return min(read * embedded, 0.999)

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace so far; None where there is nothing to estimate from."""
        if self.state is not State.RUNNING or self.fraction < 0.01:
            return None
        elapsed = (now_ms() - self.started_ms) / 1000
        return elapsed * (1 - self.fraction) / self.fraction


class Tally:
    """The counters of one run. Belongs to one event loop."""

    def __init__(self, guild_id: GuildId) -> None:
        self.guild_id = guild_id
        self.state = State.RUNNING
        self.started_ms = now_ms()
        self.ended_ms: int | None = None
        self.channels_total = 0
        self.channels_done = 0
        self.channels_parked = 0
        self.messages = 0
        self.messages_expected: int | None = None
        self.places_total = 0
        self.places_done = 0
        self.failed = 0
        self.unreachable = 0  # of the failed ones: those that another day may bring
        self.requests = 0
        self.read_back_to_ms: int | None = None
        self.reason: Sentence | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def unfinished(self) -> int:
        """Places that were handed to the pipeline and are not done yet."""
        return self.places_total - self.places_done

    def began(self, count: int = 1) -> None:
        """`count` places were handed to the pipeline."""
        self.places_total += count
        if self.unfinished:
            self._settled.clear()

    def finished(self, *, failed: bool = False) -> None:
        """A place is done."""
        self.places_done += 1
        self.failed += failed
        if not self.unfinished:
            self._settled.set()

    def withdrew(self, count: int) -> None:
        """`count` places will not be done in this run (it was cancelled, or the message is gone)."""
        self.places_total -= count
        if not self.unfinished:
            self._settled.set()

    async def settled(self) -> None:
        """Waits until nothing is unfinished. Each place has its own deadlines, so this has none of its own."""
        await self._settled.wait()

    def snapshot(self) -> Progress:
        return Progress(
            guild_id=self.guild_id,
            state=self.state,
            started_ms=self.started_ms,
            ended_ms=self.ended_ms,
            channels_total=self.channels_total,
            channels_done=self.channels_done,
            channels_parked=self.channels_parked,
            messages=self.messages,
            messages_expected=self.messages_expected,
            places_total=self.places_total,
            places_done=self.places_done,
            failed=self.failed,
            requests=self.requests,
            read_back_to_ms=self.read_back_to_ms,
            reason=self.reason,
        )
