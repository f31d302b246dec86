"""Makes, checks and revokes the keys of the HTTP interface.

A key is `afterimage_NUMBER_SECRET`. The number finds the row; the secret has 256 random bits, is shown once and stored
as its SHA-256. Secrets are compared by their hashes in constant time, also where the number is unknown.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.database.until_commit import UntilCommit
from indexer.errors import TellPerson
from indexer.records.api_keys import ApiKey, KeyId, KeyScope
from indexer.records.ids import GuildId
from indexer.store import api_keys, audit

SECRET_BYTES = 32
NAME_CHARACTERS = 100
DAY_MS = 86_400_000
MOST_DAYS = 3650

_TEXT = re.compile(r"afterimage_([0-9]{1,18})_([A-Za-z0-9_-]{43})", re.ASCII)
_NO_KEY = bytes(32)  # what the secret of an unknown number is compared with
REMEMBERED = 256  # rows of keys; each request needs one


class ApiKeys:
    """Of one open data folder. Safe to use from many tasks."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._stored = UntilCommit(db, api_keys.get, REMEMBERED)

    async def create(
        self, name: str, scope: KeyScope, *, guild_id: GuildId | None = None, days: int | None = None
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which nobody can read again. `days` None: it does not expire.

        Raises TellPerson for a name or a number of days that cannot be.
        """
        name = name.strip()
        if not 1 <= len(name) <= NAME_CHARACTERS:
            raise TellPerson("key-name", most=NAME_CHARACTERS)
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise TellPerson("key-days", most=MOST_DAYS)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        expires_ms = None if days is None else now_ms() + days * DAY_MS
        async with self._db.transaction(durable=True) as tx:
            key = await api_keys.add(tx, name, scope, guild_id, expires_ms, _hash(secret))
            detail = {"created": key.id, "scope": scope.value, "expires_ms": expires_ms}
            await audit.add(tx, "key.create", guild_id=guild_id, detail=detail)
        return key, f"afterimage_{key.id}_{secret}"

    async def known(self, guild_id: GuildId | None = None) -> list[ApiKey]:
        """Every key, or (`guild_id`) those for this guild alone; the newest first."""
        async with self._db.reader() as connection:
            return await api_keys.known(connection, guild_id)

    async def revoke(self, key_id: KeyId, *, guild_id: GuildId | None = None) -> ApiKey:
        """Durable when it returns: the key opens nothing from then on.

        Raises TellPerson where there is no such key, or (`guild_id`) none that is for this guild alone.
        """
        async with self._db.transaction(durable=True) as tx:
            stored = await api_keys.get(tx, key_id)
            if stored is None or (guild_id is not None and stored[0].guild_id != guild_id):
                raise TellPerson("key-unknown", key=str(key_id))
            revoked = await api_keys.revoke(tx, key_id)
            assert revoked is not None, "it was there in this transaction"
            await audit.add(tx, "key.revoke", guild_id=revoked.guild_id, detail={"revoked": key_id})
        return revoked

    async def check(self, text: str) -> ApiKey | None:
        """The key with this text; None where there is none, or it has expired or is revoked."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        stored = await self._stored.get(KeyId(int(match[1])))
        key, sha256 = (None, _NO_KEY) if stored is None else stored
        matches = hmac.compare_digest(_hash(match[2]), sha256)
        return key if key is not None and matches and key.valid(now_ms()) else None

    async def still_valid(self, key_id: KeyId) -> ApiKey | None:
        """The key as it is now, for whoever has shown its text before; None as in `check`."""
        stored = await self._stored.get(key_id)
        return stored[0] if stored is not None and stored[0].valid(now_ms()) else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
