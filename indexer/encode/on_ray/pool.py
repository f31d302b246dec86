"""Which encoder gets which batch, and what happens when one is lost. Pure: what an encoder is, `Replica` says.

Each encoder has at most BATCHES_AN_ENCODER batches of indexing: one that it works on, and one that is there when it is
done. A question goes at once to an encoder without another question, whose own queue puts it before the batches that
it has not begun. So a question waits for one batch at most. Questions stay with the same encoder: it works in small
batches while it is asked (batching.py), and the others in whole ones.

A file that is opened there is a FILE_SHARE of a batch: an encoder has some that are embedded, some that are opened and
some that are there when it is done.

A batch or file whose encoder is lost goes to another one at once. Ray's own retry would send it to the same actor
again, and wait until that has loaded its model anew.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from indexer.encode.batching import ATTENTIVE_S, Kind, Payload
from indexer.encode.model_on_demand import BATCHES_AN_ENCODER, FILES_AN_ENCODER
from indexer.encode.protocol import Choice, Facts
from indexer.errors import ModelAway, ModelUnavailable
from indexer.ports import Priority
from indexer.records.pictures import EncodedFile, Vectors

log = logging.getLogger(__name__)

HEALTH_EVERY_S = 2.0
HEALTH_DEADLINE_S = 4.0  # an encoder's event loop answers in milliseconds, also while its model works
AGAIN_S = 0.5  # the pause before a lost encoder is asked for again
REFUSED_AGAIN_S = 60.0  # that of one whose model cannot be had
OPENING_LOG_S = 30.0
NONE_S = 10.0  # how long indexing waits for any encoder to be there
MOST_TRIES = 3  # encoders that may be lost over one batch
FILE_SHARE = BATCHES_AN_ENCODER / FILES_AN_ENCODER  # of a batch; 1/16 is an exact number, so that sums of it are
# Between two batches of indexing to one encoder. On their way together each is slower: the first half of 8 pictures was
# there after 6.7 to 8.5 ms beside the other half, and after 5.6 ahead of it.
APART_S = 0.005
GROW_AFTER_S = 5.0  # all encoders have been full for so long: there is work for another one
LOOK_S = 1.0


Answer = TypeVar("Answer")


class ReplicaLost(Exception):
    """The encoder, its node or the way to it is gone, or it hangs: another one can do what it was asked."""


class Replica(Protocol):
    """An encoder in the cluster."""

    async def open(self) -> Facts:
        """What its model is, once that is loaded. Raises ReplicaLost, ModelUnavailable."""
        ...

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        """Raises ReplicaLost; ModelFailed (OutOfMemory) for what every encoder would fail on."""
        ...

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        """Opens and embeds a file; `wanted` as in protocol.py. Raises Rejected for one that cannot be read,
        ModelFailed where its node may not open it; ReplicaLost."""
        ...

    async def health(self) -> None:
        """Raises ReplicaLost."""
        ...


@dataclass(slots=True, eq=False)
class _Member:
    """An encoder that is there. `lost` is done when it no longer is."""

    slot: int
    replica: Replica
    facts: Facts
    lost: asyncio.Future[None]
    under_way: float = 0.0  # batches
    questions: int = 0
    asked_s: float = -math.inf
    next_s: float = -math.inf  # when the next batch of indexing may go there
    idle_since_s: float = 0.0

    def take(self, priority: Priority, share: float) -> None:
        self.under_way += share
        if priority is Priority.QUERY:
            self.questions += 1
            self.asked_s = asyncio.get_running_loop().time()

    async def apart(self) -> None:
        """Waits until what went there before has arrived."""
        now_s = asyncio.get_running_loop().time()
        begin_s = max(now_s, self.next_s)
        self.next_s = begin_s + APART_S
        await asyncio.sleep(begin_s - now_s)

    def end(self, priority: Priority, share: float) -> None:
        self.under_way -= share
        self.questions -= priority is Priority.QUERY
        self.idle_since_s = asyncio.get_running_loop().time()


class Pool:
    """From `minimum` to `maximum` encoders. `make` gets the number of one and finds or makes it; `has_room` says
    whether the cluster could have another; `changed` is told how the model runs when an encoder has come or gone.

    `idle_s`: after how long without a batch an encoder above the minimum is let go.
    """

    def __init__(
        self,
        make: Callable[[int], Awaitable[Replica]],
        minimum: int,
        maximum: int,
        *,
        has_room: Callable[[], Awaitable[bool]],
        changed: Callable[[Choice], None],
        idle_s: float = 600.0,
    ) -> None:
        self._make = make
        self._minimum, self._maximum = minimum, max(minimum, maximum)
        self._has_room = has_room
        self._changed = changed
        self._idle_s = idle_s
        self._members: dict[int, _Member] = {}
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._moved = asyncio.Condition()
        self._waiting = 0  # batches of indexing that no encoder has room for
        self._full_since_s: float | None = None
        self._refused: set[int] = set()
        self._facts: asyncio.Future[Facts] = asyncio.get_running_loop().create_future()

    async def open(self) -> Facts:
        """What the model is, as the first encoder tells. Raises ModelUnavailable where each of the first has none."""
        for slot in range(self._minimum):
            self._keep(slot)
        return self._told(await asyncio.shield(self._facts))

    async def run(self) -> None:
        """Grows and shrinks until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look()

    async def close(self) -> None:
        """Lets go of the encoders; they stay in the cluster for other pools."""
        keepers = list(self._keepers.values())
        for keeper in keepers:
            keeper.cancel()
        if keepers:
            await asyncio.wait(keepers)

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        """By one of the encoders. Raises ModelFailed (OutOfMemory), and ModelAway where none is there."""
        return await self._by_one(
            lambda replica: replica.encode(kind, payloads, priority), f"{len(payloads)} {kind}", priority
        )

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        """As of Replica, by one of the encoders. Raises ModelAway where none is there."""
        return await self._by_one(
            lambda replica: replica.encode_file(file, wanted), "a file", Priority.INDEXING, FILE_SHARE
        )

    async def _by_one(
        self, ask: Callable[[Replica], Coroutine[Any, Any, Answer]], what: str, priority: Priority, share: float = 1.0
    ) -> Answer:
        lost = 0
        while True:
            member = await self._chosen(priority, share)
            try:
                if priority is Priority.INDEXING and share == 1.0:
                    await member.apart()
                return await self._asked(member, ask)
            except ReplicaLost as error:
                lost += 1
                log.warning("encoder %d was lost over %s: %s", member.slot, what, error)
                self._drop(member)
                if lost >= MOST_TRIES:
                    raise ModelAway(f"{lost} encoders were lost over {what}, the last one: {error}") from error
            finally:
                await self._done(member, priority, share)

    async def _chosen(self, priority: Priority, share: float) -> _Member:
        """For a question one that others do not ask, of these one that was asked lately. Indexing waits for the one
        with the least under way, until that is not full.
        """
        async with self._moved:
            self._waiting += 1
            try:
                while True:
                    if not self._members:
                        await self._any_member(priority)
                    member = self._least_busy(priority)
                    if priority is Priority.QUERY or member.under_way < BATCHES_AN_ENCODER:
                        member.take(priority, share)
                        return member
                    await self._moved.wait()
            finally:
                self._waiting -= 1

    def _least_busy(self, priority: Priority) -> _Member:
        if priority is Priority.INDEXING:
            return min(self._members.values(), key=lambda member: member.under_way)
        lately_s = asyncio.get_running_loop().time() - ATTENTIVE_S
        return min(
            self._members.values(), key=lambda member: (member.questions, member.asked_s < lately_s, member.under_way)
        )

    async def _any_member(self, priority: Priority) -> None:
        """Waits until an encoder is there; a question does not wait. Raises ModelAway."""
        if priority is Priority.INDEXING:
            with suppress(TimeoutError):
                async with asyncio.timeout(NONE_S):
                    await self._moved.wait_for(lambda: bool(self._members))
        if not self._members:
            raise ModelAway("None of the cluster's encoders is there")

    async def _asked(self, member: _Member, ask: Callable[[Replica], Coroutine[Any, Any, Answer]]) -> Answer:
        asking = asyncio.ensure_future(ask(member.replica))
        try:
            either: set[asyncio.Future[Any]] = {asking, member.lost}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            raise ReplicaLost("it no longer answers")
        finally:
            asking.cancel()

    async def _done(self, member: _Member, priority: Priority, share: float) -> None:
        member.end(priority, share)
        async with self._moved:
            self._moved.notify_all()

    def _keep(self, slot: int) -> None:
        self._keepers[slot] = asyncio.create_task(self._keep_up(slot), name=f"encoder {slot}")

    async def _keep_up(self, slot: int) -> None:
        """Has the encoder, and has it again after it was lost, until cancelled."""
        while True:
            pause_s = AGAIN_S
            try:
                replica = await self._make(slot)
                facts = await self._opened(slot, replica)
                if self._facts.done() and not self._fits(facts):
                    raise ModelUnavailable(f"encoder {slot} has other weights than the first: {facts.spec}")
                await self._serve(slot, replica, facts)
            except ModelUnavailable as error:
                log.warning("encoder %d has no model: %s", slot, error)
                self._refused.add(slot)
                if len(self._refused) >= self._minimum and not self._facts.done():
                    self._facts.set_exception(error)
                pause_s = REFUSED_AGAIN_S
            except ReplicaLost as error:
                log.warning("encoder %d is away: %s", slot, error)
            await asyncio.sleep(pause_s)

    def _fits(self, facts: Facts) -> bool:
        first = self._facts.result()
        return (facts.spec, facts.pixel_spec) == (first.spec, first.pixel_spec)

    async def _opened(self, slot: int, replica: Replica) -> Facts:
        opening = asyncio.ensure_future(replica.open())
        try:
            while not (await asyncio.wait([opening], timeout=OPENING_LOG_S))[0]:
                if await self._has_room():
                    log.info("encoder %d is not there yet", slot)
                else:
                    log.warning(
                        "encoder %d is not there yet: no node of the cluster has room for it. One that runs there is"
                        " shared by whoever has its model, ray.cores and ray.gpus alone",
                        slot,
                    )
            return opening.result()
        finally:
            opening.cancel()

    async def _serve(self, slot: int, replica: Replica, facts: Facts) -> None:
        """The encoder takes batches until it is lost. Raises ReplicaLost."""
        loop = asyncio.get_running_loop()
        member = _Member(slot, replica, facts, loop.create_future(), idle_since_s=loop.time())
        self._members[slot] = member
        if not self._facts.done():
            self._facts.set_result(facts)
        log.info("encoder %d is there: %s", slot, facts.choice)
        await self._tell()
        try:
            while not member.lost.done():
                try:
                    async with asyncio.timeout(HEALTH_DEADLINE_S):
                        await replica.health()
                except TimeoutError as error:
                    raise ReplicaLost(f"it has not answered for {HEALTH_DEADLINE_S:g} s") from error
                await asyncio.wait({member.lost}, timeout=HEALTH_EVERY_S)
        finally:
            self._drop(member)
            await self._tell()

    def _drop(self, member: _Member) -> None:
        """No batch goes to it any more; those that it has go to others."""
        if not member.lost.done():
            del self._members[member.slot]
            member.lost.set_result(None)

    async def _tell(self) -> None:
        if self._facts.done() and self._facts.exception() is None:
            self._changed(self._told(self._facts.result()).choice)
        async with self._moved:
            self._moved.notify_all()

    def _told(self, facts: Facts) -> Facts:
        """The facts of the pool: it runs as its encoders do, with as many batches at once as they take together."""
        members = list(self._members.values())
        devices = sorted({member.facts.choice.device for member in members}) or [facts.choice.device]
        precisions = sorted({member.facts.choice.precision for member in members}) or [facts.choice.precision]
        streams = BATCHES_AN_ENCODER * len(members)
        return replace(facts, choice=Choice("ray", ", ".join(devices), ", ".join(precisions), streams))

    async def _look(self) -> None:
        """One more encoder where all have been full for a while and the cluster has room; one less where it is idle."""
        now_s = asyncio.get_running_loop().time()
        full = self._waiting and all(member.under_way >= BATCHES_AN_ENCODER for member in self._members.values())
        self._full_since_s = (self._full_since_s or now_s) if full else None
        opening = len(self._keepers) - len(self._members)
        if self._full_since_s is not None and now_s - self._full_since_s >= GROW_AFTER_S:
            self._full_since_s = None
            if not opening and len(self._keepers) < self._maximum and await self._has_room():
                log.info("all encoders are full: encoder %d is started", len(self._keepers))
                self._keep(len(self._keepers))
            return
        last = self._members.get(len(self._keepers) - 1)
        if last is None or last.slot < self._minimum or last.under_way or now_s - last.idle_since_s < self._idle_s:
            return
        log.info("encoder %d has had no batch for %.0f s: it is let go", last.slot, self._idle_s)
        keeper = self._keepers.pop(last.slot)
        keeper.cancel()
        await asyncio.wait([keeper])
