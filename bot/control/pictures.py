"""The pictures of a command's question, and small copies of those that its answer shows."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.control.handler import Values
from bot.texts.errors import english
from indexer.errors import AfterimageError, Reason, Rejected, RetryLater, Stop, TellPerson
from indexer.hit_pictures import HitPictures, Shown
from indexer.pictures.decoder import Decoder
from indexer.pictures.small_copy import webp
from indexer.ports import Priority
from indexer.records.ids import PlaceId, UserId
from indexer.records.pictures import DecodedPicture, Pixels
from indexer.thumbnails.kept_thumbnails import KeptThumbnails

if TYPE_CHECKING:  # aiohttp takes as long as the rest of a command's imports, and most commands fetch nothing
    from indexer.pictures.fetch import Fetcher

OpenDecoder = Callable[[], AbstractAsyncContextManager[Decoder]]
OpenFetcher = Callable[[], "AbstractAsyncContextManager[Fetcher]"]
OpenThumbnails = Callable[[], AbstractAsyncContextManager[KeptThumbnails]]

NOBODY = UserId(0)  # whose turn it is to have a picture opened: no member's
MOST_PICTURES = 10  # of one question
LINK_CHARACTERS = 2_048
COPIES_S = 30.0  # for all copies of one answer


@dataclass(frozen=True, slots=True)
class Pictures:
    """Opens pictures. Decoder, fetcher and thumbnails are opened when they are needed."""

    open_decoder: OpenDecoder
    open_fetcher: OpenFetcher
    open_thumbnails: OpenThumbnails
    hits: HitPictures

    async def asked(self, values: Values) -> tuple[DecodedPicture, ...]:
        """The pictures of a question: `files` ([name, bytes] each) lie in `attached`, one after the other; `links` are
        downloaded by the rules of every download. Raises TellPerson, RetryLater.
        """
        files, links = _files(values), _links(values)
        if len(files) + len(links) > MOST_PICTURES:
            raise TellPerson("cli-many-pictures", most=MOST_PICTURES)
        if not (files or links):
            return ()
        named = [*files, *[(link, await self._downloaded(link)) for link in links]]
        async with self.open_decoder() as decoder, decoder.turn_of(NOBODY) as turn:
            opened = []
            for name, data in named:
                try:
                    opened.append(await turn.decode(data))
                except Rejected as error:
                    raise TellPerson("cli-picture", path=name, reason=english(error)) from error
            return tuple(opened)

    async def copies(self, wanted: Mapping[PlaceId, Shown]) -> dict[PlaceId, str]:
        """Small copies (WebP, base64) of those places' pictures that can be had: kept ones, else from their source."""
        if not wanted:
            return {}
        async with self.open_thumbnails() as thumbnails:
            found = {place_id: _base64(kept) for place_id, kept in (await thumbnails.of(wanted)).items()}
        missing = {place_id: shown for place_id, shown in wanted.items() if place_id not in found}
        if missing:
            async with self.open_decoder() as decoder:
                pixels = await self.hits.pixels(decoder, NOBODY, missing, COPIES_S)
            found |= await asyncio.to_thread(lambda: {key: _as_text(picture) for key, picture in pixels.items()})
        return found

    async def encoded(self, pictures: Sequence[DecodedPicture]) -> list[str]:
        """Small copies of pictures that are open already, in order."""
        return await asyncio.to_thread(lambda: [_as_text(picture.frames[0]) for picture in pictures])

    async def _downloaded(self, link: str) -> bytes:
        try:
            async with self.open_fetcher() as fetcher:
                return await fetcher.fetch(link, priority=Priority.QUERY)
        except Rejected as error:
            if error.reason is Reason.HOST_NOT_ALLOWED:
                raise TellPerson("cli-host", link=link) from error
            raise TellPerson("cli-picture", path=link, reason=english(error)) from error
        except (RetryLater, Stop):
            raise
        except AfterimageError as error:  # a link of Discord's that has expired
            raise TellPerson("cli-picture", path=link, reason=english(error)) from error


def _as_text(pixels: Pixels) -> str:
    return _base64(webp(pixels))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _files(values: Values) -> Sequence[tuple[str, bytes]]:
    """Raises TellPerson where the request's sizes do not fit what came with it."""
    attached: bytes = values.get("attached", b"")
    named: Any = values.get("files", [])
    found: list[tuple[str, bytes]] = []
    start = 0
    if not isinstance(named, list):
        raise TellPerson("cli-needs", name="files")
    for entry in named:
        match entry:
            case [str(name), int(size)] if 0 <= size <= len(attached) - start:
                found.append((name, attached[start : start + size]))
                start += size
            case _:
                raise TellPerson("cli-needs", name="files")
    if start != len(attached):
        raise TellPerson("cli-needs", name="files")
    return found


def _links(values: Values) -> Sequence[str]:
    links: Any = values.get("links", [])
    if not isinstance(links, list) or not all(isinstance(link, str) and len(link) <= LINK_CHARACTERS for link in links):
        raise TellPerson("cli-needs", name="links")
    return links
