"""How far a guild's run is: the counters that the run counts in, and what a person is shown of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from indexer.clock import now_ms
from indexer.records.ids import GuildId, snowflake_ms
from indexer.sentence import Sentence


class State(StrEnum):
    """What a run does. INCOMPLETE: it ended, but some channels could not be read to the end; see `reason`."""

    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(slots=True)
class Progress:
    """One run. It changes while the run goes on, in its event loop; `dataclasses.replace` keeps a moment of it.

    Times are Unix milliseconds. `channels_total` and `places_total` grow while history is discovered. `messages` counts
    messages read, `messages_expected` is Discord's own count of those that are to come in all, where it gave one. A
    place is done when its picture is searchable or its failure is recorded; `failed` counts the latter, and
    `unreachable` those of them that another day may bring. `embedded` counts the pictures that the model embedded.
    `read_back_to_ms` is the time down to which every channel has been read, None until that is known. `reason` says to
    a person why not all was read.
    """

    guild_id: GuildId
    state: State = State.RUNNING
    started_ms: int = field(default_factory=now_ms)
    ended_ms: int | None = None
    channels_total: int = 0
    channels_done: int = 0
    channels_parked: int = 0
    messages: int = 0
    messages_expected: int | None = None
    places_total: int = 0
    places_done: int = 0
    failed: int = 0
    embedded: int = 0
    unreachable: int = 0
    requests: int = 0
    read_back_to_ms: int | None = None
    reason: Sentence | None = None
    _settled: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
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

    @property
    def fraction(self) -> float:
        """How much is done, 0–1, by the rarer of what was read and what was embedded; 1 only at the end."""
        if self.state is State.DONE:
            return 1.0
        read = 0.0
        if self.messages_expected:
            read = min(self.messages / self.messages_expected, 1.0)
        elif self.read_back_to_ms is not None:
            born_ms = snowflake_ms(self.guild_id)  # nothing in a guild is older than the guild
            read = min(max((self.started_ms - self.read_back_to_ms) / max(self.started_ms - born_ms, 1), 0.0), 1.0)
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
