"""Whether pictures that were found are copies of the one that was asked with, by their pixels.

The pictures are had within a budget, as small copies where there are any, and compared in the readers of pictures, in
the turn of the member who asks. A question waits for that as long as it wants to; what comes later is remembered for
the same member.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from indexer.errors import AfterimageError, ReadersBusy, Rejected
from indexer.lru import LruCache
from indexer.pictures.decoder import Decoder
from indexer.records.caches import Remembered
from indexer.records.copies import Copy
from indexer.records.ids import GuildId, PictureId, PlaceId, UserId
from indexer.supervisor import Faults, contained

NAME: Final = "comparing pictures"  # of this work among the faults
# Seconds for all pictures of one question to be had. A comparison that has begun is finished.
BUDGET_S = 0.8
# Questions whose pictures are compared at the same time. Of more, the hash alone decides.
AT_ONCE = 8
# What was told of a question and a picture. A page is turned and asked anew within minutes.
REMEMBERED, LIFETIME_S = 8_192, 900.0
# A picture that could not be had in time is not tried again for the same question before that.
AGAIN_S = 60.0
NOBODY = UserId(0)  # whose turn it is where no member asks

Told = Mapping[PictureId, Copy | None]
_Pair = tuple[UserId | None, bytes, PictureId]  # who asks, the SHA-256 of the picture that was asked with, a candidate


class PictureFiles(Protocol):
    """Gives files of stored pictures, small ones where there are any."""

    async def file(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        """None where this guild has no such place. Raises AfterimageError."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One picture that a member asks with: its SHA-256, and its small copy, or (`place_id`) where it is shown."""

    guild_id: GuildId
    asker: UserId | None
    sha256: bytes
    small_copy: bytes = b""
    place_id: PlaceId | None = None


class CopyChecker:
    """Belongs to one event loop. Made by `open_copy_checker`."""

    def __init__(self, files: PictureFiles, decoder: Decoder, faults: Faults) -> None:
        self._files = files
        self._decoder = decoder
        self._faults = faults
        # Also by who asked: how soon an answer comes must not tell what another member asked.
        self._told: LruCache[_Pair, tuple[Copy | None]] = LruCache(REMEMBERED, LIFETIME_S)
        self._tried: LruCache[_Pair, bool] = LruCache(REMEMBERED, AGAIN_S)
        self._running: dict[tuple[UserId | None, bytes], asyncio.Task[None]] = {}

    @property
    def remembered(self) -> Remembered:
        """What was found out."""
        return self._told

    async def told(self, asked: Asked, candidates: Mapping[PictureId, PlaceId], within_s: float) -> tuple[Told, bool]:
        """What is known of the candidates (each with a place that the asker may see) after `within_s` seconds at most,
        and whether some are still being compared.

        A picture that cannot be had, and one whose comparison fails, is not among what is told. Where the caller is
        cancelled, so is the comparison.
        """
        key = (asked.asker, asked.sha256)
        missing = {
            picture: place
            for picture, place in candidates.items()
            if self._known(asked, picture) is None and self._tried.get((*key, picture)) is None
        }
        running = self._running.get(key)
        if missing and running is None and len(self._running) < AT_ONCE:
            running = asyncio.create_task(self._compare(asked, missing), name=NAME)
            self._running[key] = running
            running.add_done_callback(lambda _: self._running.pop(key, None))
        if running is not None:
            try:
                await asyncio.wait({running}, timeout=within_s)
            except asyncio.CancelledError:
                running.cancel()
                raise
        known = {picture: self._known(asked, picture) for picture in candidates}
        return (
            {picture: verdict[0] for picture, verdict in known.items() if verdict is not None},
            running is not None and not running.done(),
        )

    async def finished(self, asked: Asked) -> None:
        """Waits until nothing of this question is being compared, twice the budget at most."""
        running = self._running.get((asked.asker, asked.sha256))
        if running is not None:
            await asyncio.wait({running}, timeout=2 * BUDGET_S)

    def _known(self, asked: Asked, picture_id: PictureId) -> tuple[Copy | None] | None:
        return self._told.get((asked.asker, asked.sha256, picture_id))

    async def close(self) -> None:
        """Ends what is being compared."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _compare(self, asked: Asked, candidates: Mapping[PictureId, PlaceId]) -> None:
        deadline = time.monotonic() + BUDGET_S
        pairs = [(asked.asker, asked.sha256, picture_id) for picture_id in candidates]
        for pair in pairs:
            self._tried.put(pair, True)
        try:
            with contained(NAME, self._faults):
                async with asyncio.TaskGroup() as fetching:
                    question = fetching.create_task(self._question(asked, deadline))
                    copies = {
                        picture_id: fetching.create_task(self._had(asked.guild_id, place_id, deadline))
                        for picture_id, place_id in candidates.items()
                    }
                    await self._compare_with(asked, question, copies, deadline)
        except asyncio.CancelledError:  # whoever asks again tries again
            for pair in pairs:
                self._tried.pop(pair)
            raise

    async def _compare_with(
        self,
        asked: Asked,
        question: asyncio.Task[bytes | None],
        copies: Mapping[PictureId, asyncio.Task[bytes | None]],
        deadline: float,
    ) -> None:
        if (own := await question) is None:
            return
        for picture_id, copy in copies.items():
            if (candidate := await copy) is None or time.monotonic() > deadline:
                continue
            # Not while files come: the member's next question needs the turn, too.
            with suppress(ReadersBusy, Rejected):
                async with self._decoder.turn_of(asked.asker or NOBODY) as turn:
                    verdict = await turn.compare(own, candidate)
                self._told.put((asked.asker, asked.sha256, picture_id), (verdict,))
                self._tried.pop((asked.asker, asked.sha256, picture_id))

    async def _question(self, asked: Asked, deadline: float) -> bytes | None:
        if asked.place_id is None:
            return asked.small_copy
        return await self._had(asked.guild_id, asked.place_id, deadline)

    async def _had(self, guild_id: GuildId, place_id: PlaceId, deadline: float) -> bytes | None:
        """A file of the picture; None where it cannot be had until then."""
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                return await self._files.file(guild_id, place_id)
        except (AfterimageError, TimeoutError):
            return None


@asynccontextmanager
async def open_copy_checker(files: PictureFiles, decoder: Decoder, faults: Faults) -> AsyncIterator[CopyChecker]:
    """A checker whose comparisons end with the block."""
    checker = CopyChecker(files, decoder, faults)
    try:
        yield checker
    finally:
        await checker.close()
