"""Turns to send an IDENTIFY that processes of all machines take, in `fleet.storage`.

    identify/APPLICATION/BUCKET/000000000007    {"holder": "a", "ttl_s": 10}
    identify/APPLICATION/BUCKET/000000000008    {"holder": "", "ttl_s": 10}     a's IDENTIFY is 5 s old

Whoever creates the next number has the turn, and HOLD_S to use it. It creates the number after that once its IDENTIFY
is as old as Discord wants. Where it does not, because it died, others go on a whole time to live after they have seen
its number: then an IDENTIFY that it sent at the last moment is old enough, too (indexer/fleet/claim.py).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from bot.gateway.identify_turns import GAP_S, IdentifyTurns
from indexer.errors import RetryLater
from indexer.fleet.claim import StoredClaim
from indexer.fleet.object_storage import Storage

logger = logging.getLogger(__name__)

# From a look at the storage until the IDENTIFY is sent: an answer of the storage, one of Discord, and a connection.
HOLD_S = 5.0

LOOK_S = 0.5  # between two looks while another process has the turn

# A storage that has not answered for so long is given up, and not asked again for REST_S. A start has 20 s of waiting
# for it behind it (indexer/fleet/promises.py).
DEADLINE_S = 10.0
REST_S = 60.0


def time_to_live_s(hold_s: float, gap_s: float) -> float:
    """For which others wait where a turn is not given back: its IDENTIFY may have been sent at its end."""
    return hold_s + gap_s


class TurnsInStorage:
    """Of one process. A turn there, and then one of those of this machine, which are all that counts where the storage
    does not answer: a bot must connect without it. `spawn` runs work in the background.
    """

    def __init__(
        self,
        here: IdentifyTurns,
        storage: Storage,
        bot: int,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        gap_s: float = GAP_S,
        hold_s: float = HOLD_S,
    ) -> None:
        self._here = here
        self._storage = storage
        self._bot = bot
        self._spawn = spawn
        self._gap_s = gap_s
        self._hold_s = hold_s
        self._ttl_s = time_to_live_s(hold_s, gap_s)
        self._claims: dict[int, StoredClaim] = {}
        self._own: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # among this process's shards
        self._taken: set[int] = set()  # buckets whose turn it has in the storage
        self._rests_until_s = float("-inf")

    async def take(self, bucket: int) -> None:
        await self._own[bucket].acquire()
        try:
            while True:
                if await self._take_there(bucket):
                    self._taken.add(bucket)
                await self._here.take(bucket)
                if self.holds(bucket):
                    return
                self._here.give_back(bucket)
                self._let_go(bucket, 0.0)
        except BaseException:
            self._let_go(bucket, 0.0)
            self._own[bucket].release()
            raise

    def holds(self, bucket: int) -> bool:
        return bucket not in self._taken or self._claims[bucket].held

    def sent(self, bucket: int) -> None:
        self._here.sent(bucket)
        self._let_go(bucket, self._gap_s)
        self._own[bucket].release()

    def give_back(self, bucket: int) -> None:
        self._here.give_back(bucket)
        self._let_go(bucket, 0.0)
        self._own[bucket].release()

    def close(self) -> None:
        self._here.close()
        self._taken.clear()  # their time passes, and this process's end waits for no storage

    async def _take_there(self, bucket: int) -> bool:
        """False where the storage does not answer. An answer that comes after the turn would have ended is none."""
        if time.monotonic() < self._rests_until_s:
            return False
        claim = self._claims.get(bucket)
        if claim is None:
            folder = f"identify/{self._bot}/{bucket}"
            claim = self._claims[bucket] = StoredClaim(self._storage, folder, self._ttl_s, self._hold_s)
        answered_s = time.monotonic()
        while True:
            began_s, why = time.monotonic(), "it answers too slowly"
            try:
                async with asyncio.timeout(answered_s + DEADLINE_S - began_s):
                    if await claim.attempt():
                        return True
                if time.monotonic() - began_s < self._hold_s:
                    answered_s = time.monotonic()
            except RetryLater as error:
                why = str(error)
            except TimeoutError:
                pass
            if time.monotonic() - answered_s >= DEADLINE_S:
                break
            await asyncio.sleep(random.uniform(LOOK_S / 2, LOOK_S))
        self._rests_until_s = time.monotonic() + REST_S
        logger.warning(
            "fleet.storage gives no turn to connect (%s): this process takes turns with those of this machine alone."
            " Where one elsewhere connects at the same moment, Discord refuses one of them, which tries again.",
            why,
        )
        return False

    def _let_go(self, bucket: int, after_s: float) -> None:
        if bucket in self._taken:
            self._taken.remove(bucket)
            claim = self._claims[bucket]
            self._spawn(self._free(claim, claim.stop(), after_s))

    async def _free(self, claim: StoredClaim, number: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await claim.free(number)
        await asyncio.sleep(2 * self._ttl_s + LOOK_S)
        await claim.delete_outdated()
