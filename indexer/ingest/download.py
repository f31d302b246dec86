"""Downloads the picture of one item, from its archive or from its link."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from indexer.backoff import Backoff
from indexer.clock import now_ms
from indexer.crawl.histories import Histories
from indexer.errors import ChannelClosed, LinkExpired, ReadersBusy, Reason, Rejected, RetryLater
from indexer.ingest.items import Item
from indexer.ports import Archive
from indexer.records.ids import DISCORD
from indexer.records.messages import Message, PictureRef
from indexer.records.pictures import DecodedPicture, EncodedFile

# Tries for one file while its worker waits: 4 within about 5 s. If all fail, the failure is stored with a next attempt.
FETCH_BACKOFF = Backoff(tries=4, first_s=0.5, longest_s=4.0)

# Hashing 64 KiB takes 0.05 ms. Larger files are hashed in a thread.
HASH_INLINE_BYTES = 64 * 1024


class Fetches(Protocol):
    """The part of Fetcher that the pipeline needs."""

    async def fetch(
        self,
        url: str,
        *,
        proxy_url: str | None = None,
        width: int | None = None,
        height: int | None = None,
        max_bytes: int | None = None,
    ) -> bytes: ...


class Decodes(Protocol):
    """The part of Decoder that the pipeline needs."""

    async def decode(self, data: bytes, *, thumbnail: bool = False) -> DecodedPicture: ...


class EncodesFiles(Protocol):
    """The part of ClusterFiles that the pipeline needs."""

    def joined(self) -> AbstractAsyncContextManager[None]: ...

    async def encode(self, file: bytes, sha256: bytes, *, thumbnail: bool) -> EncodedFile | None: ...


class PlaceGone(Exception):
    """The message does not show the picture any more. `message` is its version of `asked_ms` (Unix milliseconds), None
    where it was deleted.
    """

    def __init__(self, message: Message | None, asked_ms: int) -> None:
        super().__init__()
        self.message = message
        self.asked_ms = asked_ms


async def download(
    item: Item, fetcher: Fetches, histories: Histories, backoff: Backoff, *, max_video_bytes: int = 0
) -> bytes:
    """The bytes of the item's picture: from its archive where the archive has the file, or else from its link.

    `max_video_bytes` above 0: of the video that it is the still of, so large at most.
    If the link has expired, Discord is asked once for the message and its new link. The place is GONE if that link has
    expired too, or if Discord does not show the message of an archive. Raises Rejected, RetryLater when `backoff` has
    no more tries, ChannelClosed, or PlaceGone.
    """
    try:
        if item.origin_id != DISCORD and not max_video_bytes:
            archive = await histories.of(item.origin_id)
            data = await archive.picture(item.ref) if isinstance(archive, Archive) else None
            if data is not None:
                return data
        return await _fetch_with_retries(item.ref, fetcher, backoff, max_video_bytes)
    except LinkExpired as error:
        if item.origin_id != DISCORD and not histories.connected:
            raise Rejected(Reason.GONE, f"{error} Nobody here can ask Discord for a fresh one.") from error
        asked_ms = now_ms()
        message = await _ask_anew(item, histories)
    fresh = next((ref for ref in message.pictures if ref.link == item.ref.link), None) if message is not None else None
    if fresh is None:
        raise PlaceGone(message, asked_ms)
    try:
        return await _fetch_with_retries(fresh, fetcher, backoff, max_video_bytes)
    except LinkExpired as error:
        raise Rejected(Reason.GONE, f"a fresh link of message {item.message_id} does not work either") from error


async def _ask_anew(item: Item, histories: Histories) -> Message | None:
    try:
        return await histories.discord.message(item.channel_id, item.message_id)
    except ChannelClosed as error:
        if item.origin_id == DISCORD:
            raise
        raise Rejected(Reason.GONE, f"an archive's link has expired, and {error}") from error


async def _fetch_with_retries(ref: PictureRef, fetcher: Fetches, backoff: Backoff, max_video_bytes: int) -> bytes:
    failures = 0
    while True:
        try:
            if max_video_bytes:
                return await fetcher.fetch(ref.video_url, max_bytes=max_video_bytes)
            return await fetcher.fetch(ref.url, proxy_url=ref.proxy_url, width=ref.width, height=ref.height)
        except RetryLater as error:
            failures += 1
            wait_s = backoff.wait_s(failures, error.retry_after)
            if failures >= backoff.tries or wait_s > backoff.longest_s:
                raise
            await asyncio.sleep(wait_s)


async def sha256_of(data: bytes) -> bytes:
    """SHA-256 of `data`; large files are hashed in a thread."""
    if len(data) <= HASH_INLINE_BYTES:
        return hashlib.sha256(data).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).digest())


def failure_of(error: Exception) -> Reason:
    """The reason that is recorded for a place."""
    if isinstance(error, Rejected):
        return error.reason
    if isinstance(error, ChannelClosed):
        return Reason.FORBIDDEN
    if isinstance(error, ReadersBusy):
        return Reason.READERS_BUSY
    if isinstance(error, RetryLater):
        return Reason.UNREACHABLE
    return Reason.INTERNAL
