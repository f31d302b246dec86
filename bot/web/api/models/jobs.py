"""Jobs that read history."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bot.web.api.models.fields import Id, Share


class JobProgress(Struct):
    """How far a job is. `messages_expected`: Discord's own count of what is to be read, null where it gave none.
    `seconds_left` null: it cannot be said yet.
    """

    fraction: Share
    channels_done: int
    channels_total: int
    channels_parked: int
    messages: int
    messages_expected: int | None
    places_done: int
    places_total: int
    failed: int
    seconds_left: float | None


class JobInfo(Struct):
    """A job that reads history. `scope`: the whole server, one channel, or what failed."""

    id: int
    scope: Literal["server", "channel", "failed"]
    channel: Id | None
    imported: bool
    state: Literal["running", "paused", "done", "cancelled", "failed"]
    reason: str
    created_ms: int
    updated_ms: int
    progress: JobProgress | None


class JobList(Struct):
    """The newest jobs of a server."""

    jobs: list[JobInfo]


class NewJob(Struct, forbid_unknown_fields=True):
    """What to read again: the whole server, the channel `channel`, or only what failed."""

    scope: Literal["server", "channel", "failed"] = "server"
    channel: Id | None = None
