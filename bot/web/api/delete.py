"""Messages leave the index, and may come back: counted first, and deleted where that count is confirmed."""

from __future__ import annotations

from bot.control.confirmed import require_confirmed
from bot.control.delete import require_undeletable
from bot.web.api.models.tags import BulkDelete, BulkDeleted, BulkUndelete, BulkUndeleted
from bot.web.api.operation import BAD_QUESTION, CONFLICT, WITH_MODEL_S, Call, NoQuery, Operation
from bot.web.api.search import filtered
from bot.web.api.tags import selected
from indexer.records.api_keys import KeyScope


async def delete(call: Call[NoQuery, BulkDelete]) -> BulkDeleted:
    """Where it takes too long, or the connection ends, the bot deletes the rest by itself."""
    deletions, guild_id = call.parts.service.deletions, call.guild.id
    selection = await selected(call, call.body.q)
    meant = await deletions.meant(guild_id, selection.filter, selection.messages)
    count = len(meant.message_ids)
    if call.body.confirm is None:
        return BulkDeleted(count, meant.pictures, deleted=0, done=False)
    require_confirmed(call.body.confirm, count)
    deleted = await deletions.delete(guild_id, meant)
    await call.parts.service.made_safe()
    return BulkDeleted(count, meant.pictures, deleted, done=True)


async def undelete(call: Call[NoQuery, BulkUndelete]) -> BulkUndeleted:
    wish, filter_, _ = await filtered(call, call.body.q)
    require_undeletable(wish)
    deletions = call.parts.service.deletions
    returned = await deletions.take_back(filter_.channels, call.guild.id, *filter_.message_ids)
    await call.parts.service.made_safe()
    return BulkUndeleted(returned)


OPERATIONS = (
    Operation(
        "deleteMessages",
        "POST",
        "/guilds/{guild}/messages/delete",
        "Deletes all messages that a question names from the index; counts them first.",
        delete,
        BulkDeleted,
        scope=KeyScope.ADMIN,
        body=BulkDelete,
        cost=10.0,
        longest_s=WITH_MODEL_S,
        refusals=(BAD_QUESTION, CONFLICT),
    ),
    Operation(
        "undeleteMessages",
        "POST",
        "/guilds/{guild}/messages/undelete",
        "Lets messages that were deleted here come back with the next reading.",
        undelete,
        BulkUndeleted,
        scope=KeyScope.ADMIN,
        body=BulkUndelete,
        cost=5.0,
        refusals=(BAD_QUESTION,),
    ),
)
