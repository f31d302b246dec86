"""Fetches the pictures of some hits again for a contact sheet: none of them is kept on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bot.commands.query_scope import Asker
from bot.replies.closeness import Asked, band_text, score_text
from bot.replies.contact_sheet import MAX_HITS, Cell, contact_sheet
from bot.replies.escape import plain
from bot.replies.pages import title
from bot.texts import Language, translate
from indexer.errors import AfterimageError
from indexer.ports import Priority
from indexer.records.hits import Hit, SearchResult
from indexer.records.ids import ChannelId, MessageId, UserId
from indexer.records.messages import PlaceFlag
from indexer.records.pictures import Pixels

if TYPE_CHECKING:
    from indexer.service import Service

FETCH_S = 12.0  # seconds for all pictures together; pictures that come later are drawn as empty boxes
AT_ONCE = 6


async def sheet(
    service: Service,
    asked: Asked,
    pictures: Sequence[Pixels],
    result: SearchResult,
    names: Mapping[ChannelId, str],
    who: Asker,
) -> bytes:
    """A PNG of the result's first hits. Spoilers stay hidden."""
    hits = result.hits[:MAX_HITS]
    open_hits = [hit for hit in hits if not hit.place.flags & PlaceFlag.SPOILER]
    wanted = {hit.link: (hit.place.channel_id, hit.place.message_id) for hit in open_hits}
    pixels = await fetch_pixels(service, who.user_id, wanted, FETCH_S)
    cells = [
        _cell(pixels.get(hit.link) if hit in open_hits else None, number, hit, asked, names, who.language)
        for number, hit in enumerate(hits)
    ]
    question_cells = [Cell(picture, translate(who.language, "sheet-asked")) for picture in pictures]
    heading = plain(asked.words, 100)
    if not heading:
        heading = translate(who.language, "sheet-heading") if pictures else title(asked, who.language)
    return await asyncio.to_thread(contact_sheet, question_cells, cells, heading)


def _cell(
    picture: Pixels | None, number: int, hit: Hit, asked: Asked, names: Mapping[ChannelId, str], language: Language
) -> Cell:
    channel = f"#{plain(names.get(hit.place.channel_id, ''), 40)}"
    below = " · ".join(filter(None, (score_text(hit, asked, language), channel)))
    return Cell(picture, " · ".join(filter(None, (str(number + 1), band_text(hit, asked, language)))), below)


async def fetch_pixels(
    service: Service,
    member: UserId,
    wanted: Mapping[str, tuple[ChannelId, MessageId]],
    within_s: float,
) -> dict[str, Pixels]:
    """The pictures with these links that could be fetched within `within_s` seconds, on behalf of `member`.

    Several are downloaded at the same time. They are opened one after another, in the member's turn.
    """
    found: dict[str, Pixels] = {}
    downloads = asyncio.Semaphore(AT_ONCE)
    opening = asyncio.Lock()  # so that these pictures together take one of the member's places in the queue of turns

    async def get(link: str, channel_id: ChannelId, message_id: MessageId) -> None:
        async with downloads:
            with suppress(AfterimageError):
                data = await _download(service, channel_id, message_id, link)
                async with opening, service.decoder.turn_of(member) as turn:
                    found[link] = (await turn.decode(data)).frames[0]

    with suppress(TimeoutError):
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
            for link, where in wanted.items():
                tasks.create_task(get(link, *where))
    return found


async def _download(service: Service, channel_id: ChannelId, message_id: MessageId, link: str) -> bytes:
    """A picture's file, by the signed address in its message. Raises AfterimageError."""
    shown = await service.hit_verifier.picture(channel_id, message_id, link)
    if shown is None:
        raise AfterimageError(f"message {message_id} does not show the picture any more")
    return await service.fetcher.fetch(
        shown.url, proxy_url=shown.proxy_url, width=shown.width, height=shown.height, priority=Priority.QUERY
    )
