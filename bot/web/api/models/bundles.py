"""Bundles: what is stored of a server, or of some of its channels, in one file."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bot.web.api.models.fields import Id


class NewBundle(Struct, forbid_unknown_fields=True):
    """What goes along. `channels`: these with their threads, null: all."""

    channels: Annotated[list[Id], Meta(min_length=1, max_length=500)] | None = None


class BundleInfo(Struct):
    """A bundle. While it is `making`, `done` of `total` of `step` are done (null: not known). It can be fetched while
    it is `ready`, until `expires_ms` at the latest. `reason`: why it is `gone`.
    """

    id: int
    channels: list[Id] | None
    began_ms: int
    state: Literal["making", "ready", "gone"]
    step: str
    done: int
    total: int | None
    name: str
    bytes: int
    expires_ms: int | None
    reason: str


class BundleList(Struct):
    """The newest bundles of a server since the bot has started."""

    bundles: list[BundleInfo]
