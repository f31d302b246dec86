"""Keys of the HTTP interface. A secret is stored as its hash alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiosqlite

from indexer.clock import now_ms
from indexer.database.database import first
from indexer.records.api_keys import ApiKey, KeyId, KeyScope
from indexer.records.ids import GuildId

_COLUMNS = "key_id, name, scope, guild_id, created_ms, expires_ms, revoked_ms"


async def add(
    tx: aiosqlite.Connection,
    name: str,
    scope: KeyScope,
    guild_id: GuildId | None,
    expires_ms: int | None,
    sha256: bytes,
) -> ApiKey:
    row = await first(
        tx,
        "INSERT INTO api_keys (name, scope, guild_id, sha256, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 -- a constant
        f" RETURNING {_COLUMNS}",
        (name, scope.value, guild_id, sha256, now_ms(), expires_ms),
    )
    assert row is not None, "an insert has one row"
    return _key(row)


async def get(connection: aiosqlite.Connection, key_id: KeyId) -> tuple[ApiKey, bytes] | None:
    """The key and the hash of its secret."""
    row = await first(
        connection,
        f"SELECT {_COLUMNS}, sha256 FROM api_keys WHERE key_id = ?",  # noqa: S608 -- a constant
        (key_id,),
    )
    return None if row is None else (_key(row[:-1]), bytes(row[-1]))


async def known(connection: aiosqlite.Connection, guild_id: GuildId | None = None) -> list[ApiKey]:
    """Every key, or (`guild_id`) those for this guild alone; the newest first."""
    rows = await connection.execute_fetchall(
        f"SELECT {_COLUMNS} FROM api_keys WHERE ?1 IS NULL OR guild_id = ?1 ORDER BY key_id DESC",  # noqa: S608 -- a constant
        (guild_id,),
    )
    return [_key(row) for row in rows]


async def revoke(tx: aiosqlite.Connection, key_id: KeyId) -> ApiKey | None:
    """The key, which opens nothing any more; None where there is none. An earlier time of revocation stays."""
    row = await first(
        tx,
        f"UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, ?) WHERE key_id = ? RETURNING {_COLUMNS}",  # noqa: S608 -- a constant
        (now_ms(), key_id),
    )
    return None if row is None else _key(row)


def _key(row: Sequence[Any]) -> ApiKey:
    key_id, name, scope, guild_id, created_ms, expires_ms, revoked_ms = row
    return ApiKey(
        id=KeyId(key_id),
        name=name,
        scope=KeyScope(scope),
        guild_id=None if guild_id is None else GuildId(guild_id),
        created_ms=created_ms,
        expires_ms=expires_ms,
        revoked_ms=revoked_ms,
    )
