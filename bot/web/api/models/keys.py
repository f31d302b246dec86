"""Keys, and the console's session."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bot.web.api.models.fields import Id


class KeyInfo(Struct):
    """A key, without its secret. `guild` null: it is for every server."""

    id: int
    name: str
    scope: Literal["read", "write", "admin"]
    guild: Id | None
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    valid: bool


class Keys(Struct):
    """Keys, the newest first."""

    keys: list[KeyInfo]


class NewKey(Struct, forbid_unknown_fields=True):
    """The key to make. `days` null: it does not expire."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scope: Literal["read", "write", "admin"] = "read"
    guild: Id | None = None
    days: Annotated[int, Meta(ge=1, le=3650)] | None = None


class CreatedKey(Struct):
    """The new key. `secret` is shown this one time."""

    key: KeyInfo
    secret: str


class SignIn(Struct, forbid_unknown_fields=True):
    """A key, for the console's cookie."""

    key: Annotated[str, Meta(max_length=200)]


class SessionInfo(Struct):
    """The key that the console is signed in with, and the token that changes need (X-CSRF-Token)."""

    key: KeyInfo
    csrf: str
