"""Gets the pictures of hits again, for whoever looks at them: none of them is kept on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from indexer.crawl.hit_verifier import HitVerifier
from indexer.errors import AfterimageError
from indexer.picture_links import largest_file
from indexer.pictures.decoder import Decoder
from indexer.ports import Priority
from indexer.records.ids import ChannelId, MessageId, UserId
from indexer.records.pictures import Pixels

if TYPE_CHECKING:  # aiohttp takes as long as the rest of a command's imports, and most commands fetch nothing
    from indexer.pictures.fetch import Fetcher

AT_ONCE = 6  # downloads
LARGE_AT_ONCE = 1  # camera raw files of up to 128 MB each (indexer/picture_links.py), of all who look

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a picture is shown. `path`: where an archive has the file; empty: only its message has the picture."""

    channel_id: ChannelId
    message_id: MessageId
    link: str
    path: str = ""


class HitPictures:
    """Reads a file of an archive, or downloads what the message shows now."""

    def __init__(self, max_bytes: int, verifier: HitVerifier | None = None, fetcher: Fetcher | None = None) -> None:
        """`max_bytes` is the largest file that is read. Without verifier and fetcher only files are."""
        self._max_bytes = max_bytes
        self._verifier = verifier
        self._fetcher = fetcher
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    def may_be_large(self, shown: Shown) -> bool:
        """Whether the file may have more bytes than others: a camera raw file."""
        return largest_file(shown.path, self._max_bytes) > self._max_bytes

    def room(self, shown: Shown) -> AbstractAsyncContextManager[None]:
        """Hold it from before `file_bytes` until the bytes are not needed any more: a large file waits for its turn."""
        return self._large if self.may_be_large(shown) else nullcontext()

    async def pixels(
        self, decoder: Decoder, member: UserId, wanted: Mapping[Key, Shown], within_s: float
    ) -> dict[Key, Pixels]:
        """The pictures that could be had within `within_s` seconds, as the model's squares, on behalf of `member`.

        Several are downloaded at the same time. They are opened one after another, in the member's turn.
        """
        found: dict[Key, Pixels] = {}
        downloads = asyncio.Semaphore(AT_ONCE)
        opening = (
            asyncio.Lock()
        )  # so that these pictures together take one of the member's places in the queue of turns

        async def get(key: Key, shown: Shown) -> None:
            async with downloads, self.room(shown):
                with suppress(AfterimageError):
                    data = await self.file_bytes(shown)
                    async with opening, decoder.turn_of(member) as turn:
                        found[key] = (await turn.decode(data)).frames[0]

        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
                for key, shown in wanted.items():
                    tasks.create_task(get(key, shown))
        return found

    async def saved(self, shown: Shown) -> bytes | None:
        """An archive's file; None where there is none."""
        if not shown.path:
            return None
        # Imported where an archive's file is read: it takes a twelfth of a start, and most bots never read one.
        from indexer.archives.saved_file import saved_file

        return await asyncio.to_thread(saved_file, shown.path, largest_file(shown.path, self._max_bytes))

    async def file_bytes(self, shown: Shown, *, least_px: int = 0, priority: Priority = Priority.QUERY) -> bytes:
        """A picture's file: from the disk, or by the signed address in its message. `least_px` and `priority` as of the
        fetcher.

        Raises AfterimageError.
        """
        if (data := await self.saved(shown)) is not None:
            return data
        if self._verifier is None or self._fetcher is None:
            raise AfterimageError("no bot runs here that could ask Discord for the picture")
        picture = await self._verifier.picture(shown.channel_id, shown.message_id, shown.link)
        if picture is None:
            raise AfterimageError(f"message {shown.message_id} does not show the picture any more")
        return await self._fetcher.fetch(
            picture.url,
            proxy_url=picture.proxy_url,
            width=picture.width,
            height=picture.height,
            priority=priority,
            least_px=least_px,
        )
