"""Tags of pictures: of one, of all that a question names, and which there are."""

from __future__ import annotations

from contextlib import nullcontext
from http import HTTPStatus
from typing import Any

from bot.control.confirmed import require_confirmed
from bot.control.selection import Selecting, Selection
from bot.web.api.models.tags import BulkTagged, BulkTags, PictureTags, TagChange, TagInfo, TagList
from bot.web.api.operation import BAD_QUESTION, CONFLICT, WITH_MODEL_S, Call, NoQuery, Operation
from bot.web.api.search import filtered
from bot.web.errors import ApiError
from indexer.errors import TellPerson
from indexer.query.tag_names import tag_names
from indexer.records.api_keys import KeyScope
from indexer.records.ids import PlaceId


async def selected(call: Call[Any, Any], q: str) -> Selection:
    """What the question names on the server of the path.

    Raises TellPerson where it names nothing, ApiError where too many questions wait.
    """
    service = call.parts.service
    async with call.parts.admission.turn(call.key.id):
        wish, filter_, _ = await filtered(call, q)
        selecting = Selecting(service.reports, lambda: nullcontext(service), service.settings.search)
        return await selecting.of_wish(wish, call.guild.id, filter_, lambda _: None)


async def change_one(call: Call[NoQuery, TagChange]) -> PictureTags:
    tags, place_id = call.parts.service.tags, PlaceId(call.ids["place"])
    add, remove = _names(call.body)
    if await tags.of_picture(call.guild.id, place_id) is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.")
    changed = await tags.change(call.guild.id, [place_id], add=add, remove=remove)
    if changed.full:
        raise TellPerson("tag-full")
    return PictureTags(list(await tags.of_picture(call.guild.id, place_id) or ()))


async def change_many(call: Call[NoQuery, BulkTags]) -> BulkTagged:
    tags, guild_id = call.parts.service.tags, call.guild.id
    add, remove = _names(call.body)
    selection = await selected(call, call.body.q)
    places = selection.places if selection.hits is not None else await tags.inside(guild_id, selection.filter)
    if call.body.confirm is None:
        return BulkTagged(len(places), changed=0, full=0, done=False)
    require_confirmed(call.body.confirm, len(places))
    changed = await tags.change(guild_id, places, add=add, remove=remove)
    return BulkTagged(changed.places, changed.changed, changed.full, done=True)


async def listed(call: Call[NoQuery, None]) -> TagList:
    counted = await call.parts.service.tags.counted(call.guild.id)
    return TagList([TagInfo(count.tag, count.places) for count in counted])


def _names(body: TagChange | BulkTags) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tags to add and to remove. Raises TellPerson for what cannot be a tag, and where there is none."""
    add, remove = tag_names(body.add), tag_names(body.remove)
    if not (add or remove):
        raise TellPerson("tag-none")
    return add, remove


OPERATIONS = (
    Operation(
        "tags",
        "GET",
        "/guilds/{guild}/tags",
        "The tags of a server's pictures, and how many have each.",
        listed,
        TagList,
    ),
    Operation(
        "tagMany",
        "POST",
        "/guilds/{guild}/tags",
        "Gives tags to all pictures that a question names, or takes them away; counts them first.",
        change_many,
        BulkTagged,
        scope=KeyScope.WRITE,
        body=BulkTags,
        cost=10.0,
        longest_s=WITH_MODEL_S,
        refusals=(BAD_QUESTION, CONFLICT),
    ),
    Operation(
        "tagPicture",
        "POST",
        "/guilds/{guild}/places/{place}/tags",
        "Gives tags to one picture, and takes tags from it.",
        change_one,
        PictureTags,
        scope=KeyScope.WRITE,
        body=TagChange,
        refusals=(BAD_QUESTION,),
    ),
)
