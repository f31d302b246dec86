"""The keys of this interface. A key for one server makes and sees only keys for that server."""

from __future__ import annotations

from http import HTTPStatus

from bot.web.api.models.keys import CreatedKey, KeyInfo, Keys, NewKey
from bot.web.api.operation import BAD_QUESTION, Call, NoQuery, Operation
from bot.web.errors import ApiError
from indexer.clock import now_ms
from indexer.errors import TellPerson
from indexer.records.api_keys import ApiKey, KeyId, KeyScope
from indexer.records.ids import GuildId


def described(key: ApiKey) -> KeyInfo:
    return KeyInfo(
        id=key.id,
        name=key.name,
        scope=key.scope.value,
        guild=None if key.guild_id is None else str(key.guild_id),
        created_ms=key.created_ms,
        expires_ms=key.expires_ms,
        revoked_ms=key.revoked_ms,
        valid=key.valid(now_ms()),
    )


async def listed(call: Call[NoQuery, None]) -> Keys:
    return Keys([described(key) for key in await call.parts.service.api_keys.known(call.key.guild_id)])


async def create(call: Call[NoQuery, NewKey]) -> CreatedKey:
    wanted = None if call.body.guild is None else GuildId(int(call.body.guild))
    if call.key.guild_id is not None and wanted != call.key.guild_id:
        message = "This key is for one server, and makes keys for that server only: name it as `guild`."
        raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", message)
    service = call.parts.service
    if wanted is not None and wanted not in {guild.id for guild in await service.reports.guilds()}:
        raise TellPerson("key-guild", guild=str(wanted))
    key, secret = await service.api_keys.create(
        call.body.name, KeyScope(call.body.scope), guild_id=wanted, days=call.body.days
    )
    return CreatedKey(described(key), secret)


async def revoke(call: Call[NoQuery, None]) -> KeyInfo:
    try:
        key = await call.parts.service.api_keys.revoke(KeyId(call.ids["key"]), guild_id=call.key.guild_id)
    except TellPerson as error:
        raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.") from error
    return described(key)


OPERATIONS = (
    Operation(
        "keys", "GET", "/keys", "The keys of this interface, without their secrets.", listed, Keys, scope=KeyScope.ADMIN
    ),
    Operation(
        "createKey",
        "POST",
        "/keys",
        "Makes a key, and shows its secret this one time.",
        create,
        CreatedKey,
        scope=KeyScope.ADMIN,
        body=NewKey,
        status=HTTPStatus.CREATED,
        cost=5.0,
        refusals=(BAD_QUESTION,),
    ),
    Operation(
        "revokeKey",
        "DELETE",
        "/keys/{key}",
        "Revokes a key: it opens nothing from then on.",
        revoke,
        KeyInfo,
        scope=KeyScope.ADMIN,
        cost=5.0,
    ),
)
