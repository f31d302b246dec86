"""Pictures as the interface shows them: as the command line's JSON has them, with a small copy."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bot.control.search import listed
from bot.replies.answer_json import hit_json
from bot.replies.closeness import Asked
from bot.web.api.models.pictures import Hit
from bot.web.api.parts import Parts
from indexer.records.hits import Hit as FoundHit
from indexer.records.hits import PlaceDetail
from indexer.records.ids import ChannelId, GuildId, PlaceId

Names = Mapping[ChannelId, str]


def hit(parts: Parts, guild_id: GuildId, found: FoundHit, asked: Asked, names: Names) -> Hit:
    """An answer of a search."""
    place_id = found.place.place_id
    own = {"thumbnail": thumbnail_path(guild_id, place_id)}
    return msgspec.convert({**hit_json(guild_id, found, asked, names, opens=parts.opens), **own}, Hit)


def shown(parts: Parts, detail: PlaceDetail, names: Names) -> Hit | None:
    """A place with which nothing was compared; None where its picture is gone by now."""
    found = listed(detail)
    return None if found is None else hit(parts, detail.guild_id, found, Asked(), names)


def thumbnail_path(guild_id: GuildId, place_id: PlaceId) -> str:
    return f"/api/v1/guilds/{guild_id}/places/{place_id}/thumbnail"
