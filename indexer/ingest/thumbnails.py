"""Thumbnails in the pipeline: made while a picture is decoded, kept after its embedding, before its run ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from indexer.errors import Rejected, RetryLater
from indexer.ingest.download import Decodes
from indexer.ingest.items import Content
from indexer.pictures.small_copy import webp
from indexer.records.pictures import DecodedPicture
from indexer.thumbnails.kept_thumbnails import KeptThumbnails

log = logging.getLogger(__name__)

# The longest that thumbnails wait for their file, in seconds: a purge reads all of it. Those that waited in vain are
# made when somebody looks at their pictures.
KEEP_S = 60.0


class Thumbnails:
    """Belongs to one event loop. Without `kept` none is made."""

    def __init__(self, decoder: Decodes, kept: KeptThumbnails | None) -> None:
        self._decoder = decoder
        self._kept = kept

    def wanted(self, content: Content) -> bool:
        """Whether one is kept of this content."""
        return self._kept is not None and any(self._kept.keeps(item.origin_id) for item in content.items)

    async def decode(self, data: bytes, *, thumbnail: bool) -> tuple[DecodedPicture, bytes]:
        """The decoded picture, and its thumbnail (WebP, some 10 KB; empty where none is wanted). Raises as `Decoder`.

        The thumbnail's pixels are not kept: a file waits for the encoder in a twentieth of their room.
        """
        picture = await self._decoder.decode(data, thumbnail=thumbnail)
        if picture.thumbnail is None:
            return picture, b""
        small_copy = await asyncio.to_thread(webp, picture.thumbnail)
        return replace(picture, thumbnail=None), small_copy

    async def keep(self, made: Mapping[bytes, bytes]) -> None:
        """Keeps these (SHA-256 of the picture's file → WebP) if their pictures are stored. Takes KEEP_S at most."""
        if self._kept is None:
            return
        try:
            async with asyncio.timeout(KEEP_S):
                await self._kept.put(made)
        except TimeoutError:
            log.warning("%d thumbnails are not kept: their file was busy for %.0f s", len(made), KEEP_S)

    async def missing(self, sha256: bytes, data: bytes) -> dict[bytes, bytes]:
        """The one of a picture that was embedded before, for `keep`. Empty where it is kept, or cannot be made."""
        if self._kept is None or await self._kept.has(sha256):
            return {}
        try:
            _, small_copy = await self.decode(data, thumbnail=True)
        except (Rejected, RetryLater):
            return {}
        return {sha256: small_copy}
