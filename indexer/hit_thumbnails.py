"""Small copies of found pictures, for a person who looks at them in a browser.

The bytes come from an archive's file, or else from Discord by the link that the message shows now (hit_pictures.py).
They are opened in a decode worker, as any picture is. What `thumbnails.keep` says is kept on the disk, and read there
first (thumbnails/kept_thumbnails.py).
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import Database
from indexer.database.until_commit import UntilCommit
from indexer.errors import AfterimageError, RetryLater
from indexer.hit_pictures import HitPictures, Shown
from indexer.lru import LruCache
from indexer.pictures.decoder import Decoder
from indexer.pictures.small_copy import QUALITY
from indexer.pictures.small_copy import webp as webp_of
from indexer.ports import Priority
from indexer.records.caches import Remembered
from indexer.records.ids import GuildId, PictureId, PlaceId
from indexer.records.pictures import THUMBNAIL_SIDE
from indexer.store import places
from indexer.store.places import ShownPlace
from indexer.thumbnails.kept_thumbnails import KeptThumbnails

AT_ONCE = 6  # thumbnails that are made at the same time; the others wait
WAIT_S = 8.0  # the longest wait for one of these turns and for the copy itself
# A copy has 8 KB on the average, so these are some 4 MB. A page of results is looked at again within minutes.
REMEMBERED, LIFETIME_S = 512, 600.0
# The shorter side of a copy from Discord that is compared by its pixels, before the fetcher's headroom: with it the
# longer one is about THUMBNAIL_SIDE.
COMPARED_PX = 160
PLACES = 1024  # where copies are shown, remembered until the next commit


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`webp`: the file. `tag` changes with the picture, and with the way in which copies are made."""

    tag: str
    webp: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a thumbnail before it is made; `made` where it was made a short time ago."""

    tag: str
    made: Thumbnail | None


class HitThumbnails:
    """Belongs to one event loop."""

    def __init__(self, db: Database, pictures: HitPictures, decoder: Decoder, kept: KeptThumbnails) -> None:
        self._pictures = pictures
        self._decoder = decoder
        self._kept = kept
        self._turns = asyncio.Semaphore(AT_ONCE)
        # By the place, not by its picture: a file may have been replaced since it was indexed, and what it shows now is
        # nothing for those who see the same picture in another place.
        self._made: LruCache[PlaceId, bytes] = LruCache(REMEMBERED, LIFETIME_S)
        self._places = UntilCommit(db, _place, PLACES)

    @property
    def remembered(self) -> Remembered:
        """Those in memory."""
        return self._made

    async def known(self, guild_id: GuildId, place_id: PlaceId) -> Known | None:
        """The tag of the place's thumbnail; None where this guild has no such place with a picture.

        A picture that is not stored any more is not known, whatever is remembered.
        """
        place = await self._places.get((guild_id, place_id))
        if place is None:
            return None
        tag, webp = _tag(place.picture_id), self._made.get(place_id)
        return Known(tag, None if webp is None else Thumbnail(tag, webp))

    async def of(self, guild_id: GuildId, place_id: PlaceId) -> Thumbnail | None:
        """The thumbnail of the place's picture; None where this guild has no such place with a picture.

        A picture that is not stored any more is not shown, whatever is remembered. Raises AfterimageError where the
        picture cannot be had; RetryLater where it cannot be had now.
        """
        place = await self._places.get((guild_id, place_id))
        if place is None:
            return None
        webp = self._made.get(place_id)
        if webp is None:
            webp = (await self._kept.of([place_id])).get(place_id)
            if webp is None:
                sha256, webp = await self._make(place)
                await self._kept.put({sha256: webp})
            self._made.put(place_id, webp)
        return Thumbnail(_tag(place.picture_id), webp)

    async def file(self, guild_id: GuildId, place_id: PlaceId, least_px: int = COMPARED_PX) -> bytes | None:
        """The thumbnail of the place's picture where there is one already and it is large enough for `least_px` pixels,
        else a file that shows it. As `of`.

        Nothing is opened but a file that may be large, since the caller holds several files at once: of it the
        thumbnail is made. Whoever opens any other file does so in a member's turn.
        """
        place = await self._places.get((guild_id, place_id))
        if place is None:
            return None
        if self._pictures.may_be_large(_shown(place)):
            thumbnail = await self.of(guild_id, place_id)
            return None if thumbnail is None else thumbnail.webp
        webp = await self._small(place_id) if least_px <= THUMBNAIL_SIDE else None
        return webp or await self._pictures.file_bytes(_shown(place), least_px=least_px)

    async def nearby(self, guild_id: GuildId, place_id: PlaceId, least_px: int = COMPARED_PX) -> bytes | None:
        """As `file`, but only what is on this machine: a thumbnail, an archive's file, or else None. Raises nothing.

        A thumbnail that is too small for `least_px` is taken where there is nothing else: it is still the picture.
        """
        place = await self._places.get((guild_id, place_id))
        if place is None:
            return None
        large_enough = least_px <= THUMBNAIL_SIDE
        webp = await self._small(place_id)
        if webp is not None and large_enough:
            return webp
        if not self._pictures.may_be_large(_shown(place)):
            return await self._pictures.saved(_shown(place)) or webp
        with suppress(AfterimageError):
            thumbnail = await self.of(guild_id, place_id)
            return None if thumbnail is None else thumbnail.webp
        return None

    async def download(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        """As `file`, without a thumbnail, and behind everything that members wait for."""
        place = await self._places.get((guild_id, place_id))
        if place is None:
            return None
        return await self._pictures.file_bytes(_shown(place), least_px=COMPARED_PX, priority=Priority.INDEXING)

    async def _small(self, place_id: PlaceId) -> bytes | None:
        return self._made.get(place_id) or (await self._kept.of([place_id])).get(place_id)

    async def _make(self, place: ShownPlace) -> tuple[bytes, bytes]:
        """The SHA-256 of the file that the place shows now, and its thumbnail."""
        try:
            async with asyncio.timeout(WAIT_S), self._turns, self._pictures.room(_shown(place)):
                data = await self._pictures.file_bytes(_shown(place))
                pixels = await self._decoder.preview(data)
        except TimeoutError:
            raise RetryLater(f"a small copy of place {place.place_id} was not made within {WAIT_S:.0f} s") from None
        return await asyncio.to_thread(lambda: (hashlib.sha256(data).digest(), webp_of(pixels)))


async def _place(connection: aiosqlite.Connection, place: tuple[GuildId, PlaceId]) -> ShownPlace | None:
    return await places.place_in(connection, *place)


def _shown(place: ShownPlace) -> Shown:
    return Shown(place.channel_id, place.message_id, place.link, place.path)


def _tag(picture_id: PictureId) -> str:
    """Ids of pictures are never used twice, and a picture never changes."""
    return f"{picture_id}-{QUALITY}"
