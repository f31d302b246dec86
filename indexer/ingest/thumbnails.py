"""Thumbnails in the pipeline: made while a picture is decoded, kept after its embedding is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from indexer.errors import Rejected, RetryLater
from indexer.ingest.download import Decodes
from indexer.ingest.items import Content, Prepared
from indexer.pictures.small_copy import webp
from indexer.records.pictures import DecodedPicture
from indexer.thumbnails.kept_thumbnails import KeptThumbnails


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

    async def keep(self, embedded: Sequence[Prepared]) -> None:
        """Keeps those of pictures whose embeddings are stored."""
        if self._kept is not None:
            await self._kept.put(
                {prepared.content.sha256: prepared.thumbnail for prepared in embedded if prepared.thumbnail}
            )

    async def make_up(self, sha256: bytes, data: bytes) -> None:
        """Makes the one of a picture that was embedded before, if it is missing."""
        if self._kept is None or not await self._kept.lacks(sha256):
            return
        try:
            _, small_copy = await self.decode(data, thumbnail=True)
        except (Rejected, RetryLater):
            return
        await self._kept.put({sha256: small_copy})
