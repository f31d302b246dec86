"""Keys of the HTTP interface, as they are known after they were made: without their secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from indexer.records.ids import GuildId

KeyId = NewType("KeyId", int)


class KeyScope(StrEnum):
    """What a key may do. Each scope includes the ones before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: KeyScope) -> bool:
        order = list(KeyScope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`guild_id`: the only server that the key is for; None: it is for every server. Times are Unix milliseconds.

    `expires_ms` None: it does not expire. `revoked_ms` None: it is not revoked.
    """

    id: KeyId
    name: str
    scope: KeyScope
    guild_id: GuildId | None
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def valid(self, at_ms: int) -> bool:
        """Whether the key opens anything at this time."""
        return self.revoked_ms is None and (self.expires_ms is None or at_ms < self.expires_ms)

    def may_see(self, guild_id: GuildId) -> bool:
        return self.guild_id is None or self.guild_id == guild_id
