"""The features of a question's candidates: those that are kept, and those that are made of their pictures in time.

A picture is had as the comparison of pixels has it (docs/adr/0040): a small copy that is kept, an archive's file, else
a copy from Discord, with the fetcher's limits on bytes and hosts. It is opened in a locked-down reader, in the turn of
the member who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from indexer.errors import AfterimageError, ReadersBusy, Rejected
from indexer.features.kept_features import KeptFeatures
from indexer.pictures.decoder import Decoder
from indexer.records.ids import GuildId, PlaceId, UserId
from indexer.records.pictures import Features, Pixels
from indexer.search.second_model import Opened

AT_ONCE = 6  # pictures that one question has under way
NOBODY: Final = UserId(0)  # whose turn it is where no member asks


class PictureFiles(Protocol):
    """Gives files of stored pictures for a model whose input has `least_px` pixels a side."""

    async def nearby(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        """Only what is on this machine. None where nothing of this place is."""
        ...

    async def file(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        """Also from Discord. None where this guild has no such place. Raises AfterimageError."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A candidate: the SHA-256 of its picture's file, and a place that the asker may see."""

    sha256: bytes
    place_id: PlaceId


@dataclass(slots=True)
class Downloads:
    """How many small copies this question may still download."""

    left: int


class CandidateFeatures:
    """Belongs to one event loop."""

    def __init__(self, kept: KeptFeatures, files: Callable[[Decoder], PictureFiles]) -> None:
        """`files` gets the readers of the second model."""
        self._kept = kept
        self._files = files

    async def known(
        self, opened: Opened, asker: UserId | None, wanted: Sequence[Wanted], *, all_: bool
    ) -> dict[bytes, Features]:
        """Those that are kept and may be used for this asker; `all_` as of `KeptFeatures.of`."""
        await self._kept.of_model(opened.reranker.spec)
        return await self._kept.of(asker, [candidate.sha256 for candidate in wanted], all_=all_)

    async def frames(
        self, opened: Opened, guild_id: GuildId, asker: UserId | None, wanted: Sequence[Wanted], downloads: Downloads
    ) -> dict[bytes, Pixels]:
        """The model's square of each of these pictures that could be had and opened.

        What is on this machine comes first; then the first of the others are downloaded, as many as may be. Which ones
        these are must not hang on which answer comes sooner.
        """
        files = self._files(opened.readers)
        least_px = opened.reranker.pixel_spec.size
        had = await self._all(wanted, lambda place_id: files.nearby(guild_id, place_id, least_px))
        away = [candidate for candidate in wanted if candidate.sha256 not in had][: downloads.left]
        downloads.left -= len(away)
        had |= await self._all(away, lambda place_id: files.file(guild_id, place_id, least_px))
        found = {}
        for candidate in wanted:
            data = had.get(candidate.sha256)
            if data is not None and (frame := await self.opened(opened, asker, data)) is not None:
                found[candidate.sha256] = frame
        return found

    async def _all(
        self, wanted: Sequence[Wanted], get: Callable[[PlaceId], Awaitable[bytes | None]]
    ) -> dict[bytes, bytes]:
        """Those files that `get` could give."""
        turns = asyncio.Semaphore(AT_ONCE)
        found: dict[bytes, bytes] = {}

        async def one_of(candidate: Wanted) -> None:
            async with turns:
                with suppress(AfterimageError):
                    if (data := await get(candidate.place_id)) is not None:
                        found[candidate.sha256] = data

        async with asyncio.TaskGroup() as tasks:
            for candidate in wanted:
                tasks.create_task(one_of(candidate))
        return found

    async def file(self, opened: Opened, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        """A file of the picture that was asked with; None where it cannot be had."""
        with suppress(AfterimageError):
            return await self._files(opened.readers).file(guild_id, place_id, opened.reranker.pixel_spec.size)
        return None

    async def opened(self, opened: Opened, asker: UserId | None, data: bytes) -> Pixels | None:
        """The model's square of a file; None where it cannot be opened."""
        # One turn a picture: the member's next question needs the turn, too.
        with suppress(ReadersBusy, Rejected):
            async with opened.readers.turn_of(asker or NOBODY) as turn:
                return (await turn.decode(data)).frames[0]
        return None

    async def make(self, opened: Opened, asker: UserId | None, frames: Mapping[bytes, Pixels]) -> dict[bytes, Features]:
        """The features of these squares, which are kept. Raises as `Reranker.features`."""
        if not frames:
            return {}
        rows = await opened.reranker.features(list(frames.values()))
        made = dict(zip(frames, rows, strict=True))
        await self._kept.keep(asker, made)
        return made
