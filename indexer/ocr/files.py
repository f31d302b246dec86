"""A file of a picture to read: an archive's own, or a download of about the size that is read."""

from __future__ import annotations

import math

from indexer.errors import AfterimageError, Reason, Rejected, RetryLater
from indexer.hit_pictures import HitPictures, Shown
from indexer.ports import Priority
from indexer.store.readings import Source

# Of the square root of max_pixels, on the shorter side. A copy has 1.3 times what is asked for
# (indexer/pictures/hosts.py), so one of 16 : 9 has about max_pixels. The reader shrinks what is larger.
_SHORTER_SIDE = 0.57


class Files:
    """Belongs to one event loop."""

    def __init__(self, pictures: HitPictures, max_pixels: int) -> None:
        self._pictures = pictures
        self._least_px = round(math.sqrt(max_pixels) * _SHORTER_SIDE)

    async def of(self, source: Source) -> bytes:
        """Raises Rejected where this place has no file that could be read, RetryLater where it cannot be had now."""
        shown = Shown(source.channel_id, source.message_id, source.link, source.path)
        try:
            async with self._pictures.room(shown):
                return await self._pictures.file_bytes(shown, least_px=self._least_px, priority=Priority.INDEXING)
        except (Rejected, RetryLater):
            raise
        except AfterimageError as error:  # the channel is closed, the link is dead, or the message shows it no more
            raise Rejected(Reason.GONE, str(error)) from error
