"""The hits of a reply as one picture: a contact sheet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bot.commands.query_scope import Asker
from bot.replies.closeness import Asked, band_text, score_text
from bot.replies.contact_sheet import MAX_HITS, Cell, contact_sheet
from bot.replies.escape import plain
from bot.replies.pages import title
from bot.texts import Language, translate
from indexer.hit_pictures import Shown
from indexer.records.hits import Hit, SearchResult
from indexer.records.ids import ChannelId
from indexer.records.messages import PlaceFlag
from indexer.records.pictures import Pixels

if TYPE_CHECKING:
    from indexer.service import Service

FETCH_S = 12.0  # seconds for all pictures together; pictures that come later are drawn as empty boxes


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
    wanted = {hit.link: Shown(hit.place.channel_id, hit.place.message_id, hit.link) for hit in open_hits}
    pixels = await service.hit_pictures.pixels(service.decoder, who.user_id, wanted, FETCH_S)
    cells = [
        _cell(pixels.get(hit.link) if hit in open_hits else None, number, hit, asked, names, who.language)
        for number, hit in enumerate(hits)
    ]
    question_cells = [Cell(picture, translate(who.language, "sheet-asked")) for picture in pictures]
    heading = plain(asked.words, 100)
    if asked.author is not None and hits:
        heading = translate(who.language, "title-by", author=plain(hits[0].author_name, 40))
    if not heading:
        heading = translate(who.language, "sheet-heading") if pictures else title(asked, who.language)
    return await asyncio.to_thread(contact_sheet, question_cells, cells, heading)


def _cell(
    picture: Pixels | None, number: int, hit: Hit, asked: Asked, names: Mapping[ChannelId, str], language: Language
) -> Cell:
    channel = f"#{plain(names.get(hit.place.channel_id, ''), 40)}"
    below = " · ".join(filter(None, (score_text(hit, asked, language), channel)))
    return Cell(picture, " · ".join(filter(None, (str(number + 1), band_text(hit, asked, language)))), below)
