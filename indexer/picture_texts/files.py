"""A file of a picture to read: an archive's own, or a download of about the size that is read."""

from __future__ import annotations

from indexer.errors import AfterimageError, Reason, Rejected, RetryLater
from indexer.hit_pictures import HitPictures, Shown
from indexer.ports import Priority
from indexer.store.readings import Source


class Files:
    """Belongs to one event loop."""

    def __init__(self, pictures: HitPictures) -> None:
        self._pictures = pictures

    async def of(self, source: Source, least_px: int) -> bytes:
        """`least_px`: the shorter side of a copy that will do, in pixels.

        Raises Rejected where this place has no file that could be read, RetryLater where it cannot be had now.
        """
        shown = Shown(source.channel_id, source.message_id, source.link, source.path)
        try:
            async with self._pictures.room(shown):
                return await self._pictures.file_bytes(shown, least_px=least_px, priority=Priority.INDEXING)
        except (Rejected, RetryLater):
            raise
        except AfterimageError as error:  # the channel is closed, the link is dead, or the message shows it no more
            raise Rejected(Reason.GONE, str(error)) from error
