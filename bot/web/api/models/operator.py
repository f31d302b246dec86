"""The bot itself: its state, its settings, and who did what."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bot.web.api.models.fields import Id


class CountQuery(Struct, forbid_unknown_fields=True):
    """How many, the newest first."""

    count: Annotated[int, Meta(ge=1, le=500)] = 100


class AuditEntry(Struct):
    """Who did what. `actor` is a member, `key` a key of this interface, `request` the request's id."""

    at_ms: int
    action: str
    guild: Id | None
    actor: Id | None
    key: int | None
    request: str | None
    detail: dict[str, str | int | float | bool | None]


class Audit(Struct):
    """The newest lines of the audit log."""

    entries: list[AuditEntry]


class Part(Struct):
    """A part that members need."""

    name: str
    ok: bool
    reason: str


class ModelInfo(Struct):
    """The model. `runs`: how it runs, or ran last; empty before it was loaded once."""

    name: str
    pretrained: str
    loaded: bool
    runs: str


class Fault(Struct):
    """Background work that failed since the start."""

    name: str
    count: int
    in_a_row: int
    at_ms: int
    last: str


class StatusInfo(Struct):
    """How the bot is. Sizes are bytes; `memory_bytes` is that of the bot's own process, null where unknown."""

    version: str
    started_ms: int
    parts: list[Part]
    gateway: str
    gateway_latency_ms: float | None
    model: ModelInfo
    memory_bytes: int | None
    database_bytes: int
    disk_free_bytes: int
    disk_bytes: int
    indexing_rests: bool
    faults: list[Fault]


class Setting(Struct):
    """A setting in force, as the configuration file would write it, and where it comes from."""

    key: str
    value: str
    origin: str


class SettingList(Struct):
    """Every setting in force. Secrets are hidden."""

    settings: list[Setting]


class Done(Struct):
    """It is done."""

    done: bool = True


class ErrorBody(Struct):
    """`code` is one of the documented codes, `id` the request's, which the log names too."""

    code: str
    message: str
    details: dict[str, str | int | float | bool | list[str] | None]
    id: str


class Error(Struct):
    """Every refusal has this shape."""

    error: ErrorBody
