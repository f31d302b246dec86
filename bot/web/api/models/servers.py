"""Servers, their channels, and what could not be read there."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bot.web.api.models.fields import Id, PerPage, Share
from indexer.errors import Reason

FailureReason = Annotated[
    str, Meta(pattern=f"^({'|'.join(Reason)})$", description="Why a picture could not be read, as `failed` has it.")
]


class FailuresQuery(Struct, forbid_unknown_fields=True):
    """A page of failures: of every reason, or of one."""

    reason: FailureReason | None = None
    page: Annotated[int, Meta(ge=1, le=10_000, description="Counted from 1.")] = 1
    per_page: PerPage = 50


class RetryQuery(Struct, forbid_unknown_fields=True):
    """What is tried again: everything, or what failed for one reason."""

    reason: FailureReason | None = None


class GuildInfo(Struct):
    """A server, and what is stored of it. `consent`: somebody who manages it said that it may be read.

    `failed` has the places that could not be read, by reason.
    """

    id: Id
    name: str
    consent: bool
    channels: int
    parked: int
    messages: int
    pictures: int
    ready: int
    pending: int
    failed: dict[str, int]


class Guilds(Struct):
    """The servers that the key may see."""

    guilds: list[GuildInfo]


class ChannelInfo(Struct):
    """A channel or thread. `read` is the share of its history that was read, null where that means nothing.

    `parked` says why it cannot be read now. `imported`: only an archive knows it.
    """

    id: Id
    name: str
    kind: str
    parent: Id | None
    archived: bool
    imported: bool
    messages: int
    ready: int
    pending: int
    failed: int
    read: Share | None
    parked: str | None


class Channels(Struct):
    """The channels of a server."""

    channels: list[ChannelInfo]


class FailureInfo(Struct):
    """A picture that could not be read. `next_attempt_ms` null: it is not tried again by itself."""

    message: Id
    channel: Id
    channel_name: str
    file_name: str
    reason: str
    sentence: str
    attempts: int
    next_attempt_ms: int | None
    link: str | None


class Failures(Struct):
    """One page of failures, the newest message first."""

    failures: list[FailureInfo]
    total: int
    page: int
    more: bool


class Retried(Struct):
    """How many pictures will be tried again."""

    places: int
