"""The readers of pictures on an encoder's node: the bot's own, in the same locked-down processes, with its limits."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from indexer.errors import ReadersBusy, Stop
from indexer.pictures.decoder import READERS_VERSION, Decoder, open_decoder
from indexer.pictures.small_copy import webp
from indexer.records.pictures import DecodedPicture, PixelSpec
from indexer.settings import DecodeSettings

MOST = 4  # bots with limits of their own that an encoder opens files for


class NotOpenedHere(Exception):
    """This node may not open the file, or cannot: whoever asks opens it."""


@dataclass(slots=True, eq=False)
class _Opened:
    """Readers with the limits of one bot."""

    decoder: Decoder
    stack: AsyncExitStack
    under_way: int = 0
    asked_s: float = 0.0


class NodeReaders:
    """Starts readers when they are asked. Belongs to one event loop."""

    def __init__(self) -> None:
        self._opened: dict[str, _Opened] = {}
        self._opening = asyncio.Lock()

    async def read(self, file: bytes, wanted: dict[str, Any], spec: PixelSpec) -> tuple[DecodedPicture, bytes]:
        """The decoded picture, and its thumbnail as WebP, empty where none is `wanted` (as in protocol.py).

        Raises Rejected as the bot's own readers do, and NotOpenedHere.
        """
        if wanted["readers"] != READERS_VERSION:
            raise NotOpenedHere(
                "its node has other readers of pictures than this machine: install the same version of Afterimage"
                " there, with the same extras"
            )
        opened = await self._of(wanted["decode"], spec)
        opened.under_way += 1
        try:
            picture = await opened.decoder.decode(file, thumbnail=wanted["thumbnail"])
        except (ReadersBusy, Stop) as error:
            raise NotOpenedHere(str(error)) from error
        finally:
            opened.under_way -= 1
            opened.asked_s = time.monotonic()
        small_copy = b"" if picture.thumbnail is None else await asyncio.to_thread(webp, picture.thumbnail)
        return picture, small_copy

    async def _of(self, decode: dict[str, Any], spec: PixelSpec) -> _Opened:
        limits = json.dumps(decode, sort_keys=True)
        async with self._opening:
            if limits not in self._opened:
                if len(self._opened) >= MOST:
                    raise NotOpenedHere(f"it opens files for {MOST} bots with other limits ([decode]) already")
                stack = AsyncExitStack()
                try:
                    decoder = await stack.enter_async_context(open_decoder(DecodeSettings(**decode), spec))
                except Stop as error:
                    raise NotOpenedHere(str(error)) from error
                self._opened[limits] = _Opened(decoder, stack, asked_s=time.monotonic())
            return self._opened[limits]

    async def rest(self, idle_s: float) -> None:
        """Ends readers that nobody has asked for so long."""
        async with self._opening:
            for limits, opened in list(self._opened.items()):
                if not opened.under_way and time.monotonic() - opened.asked_s >= idle_s:
                    del self._opened[limits]
                    await opened.stack.aclose()
