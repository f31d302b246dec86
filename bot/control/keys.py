"""`keys-create`, `keys-list` and `keys-revoke`: the keys of the HTTP interface, made by whoever has the data folder."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from bot.control.handler import Handler, Tell, Values
from bot.control.operations import optional_id
from indexer.api_keys import ApiKeys
from indexer.clock import now_ms
from indexer.errors import TellPerson
from indexer.records.api_keys import ApiKey, KeyId, KeyScope
from indexer.records.ids import GuildId


class Store(Protocol):
    """What has keys: the running service, and a data folder that a command has opened."""

    @property
    def api_keys(self) -> ApiKeys: ...


def keys(store: Store) -> dict[str, Handler]:
    """The operations on this store's keys."""
    return {
        "keys-create": partial(_create, store),
        "keys-list": partial(_list, store),
        "keys-revoke": partial(_revoke, store),
    }


async def _create(store: Store, values: Values, tell: Tell) -> Values:
    """`name`, `scope`, `guild` or null, `days` or null → `key` and its `secret`."""
    guild_id, days = optional_id(values, "guild"), values.get("days")
    try:
        scope = KeyScope(str(values.get("scope")))
    except ValueError:
        raise TellPerson("cli-needs", name="scope") from None
    key, secret = await store.api_keys.create(
        str(values.get("name", "")),
        scope,
        guild_id=None if guild_id is None else GuildId(guild_id),
        days=days if isinstance(days, int) else None,
    )
    return {"key": _as_json(key), "secret": secret}


async def _list(store: Store, values: Values, tell: Tell) -> Values:
    """→ `keys`, the newest first."""
    return {"keys": [_as_json(key) for key in await store.api_keys.known()]}


async def _revoke(store: Store, values: Values, tell: Tell) -> Values:
    """`key` → the `key` as it is now."""
    key_id = optional_id(values, "key")
    if key_id is None:
        raise TellPerson("cli-needs", name="key")
    return {"key": _as_json(await store.api_keys.revoke(KeyId(key_id)))}


def _as_json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope.value,
        "guild": None if key.guild_id is None else str(key.guild_id),
        "created_ms": key.created_ms,
        "expires_ms": key.expires_ms,
        "revoked_ms": key.revoked_ms,
        "valid": key.valid(now_ms()),
    }
