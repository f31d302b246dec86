"""The bot itself, for whoever runs it: its state, its settings, and who did what."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from bot.config.show import values_in_force
from bot.control.operations import running_status
from bot.observability.health import connection_of
from bot.web.api.models.operator import (
    Audit,
    AuditEntry,
    CountQuery,
    Fault,
    ModelInfo,
    Part,
    Setting,
    SettingList,
    StatusInfo,
)
from bot.web.api.operation import Call, NoQuery, Operation
from indexer.clock import now_ms
from indexer.platforms.processes import resident_bytes
from indexer.records.api_keys import KeyScope


async def status(call: Call[NoQuery, None]) -> StatusInfo:
    parts, service = call.parts, call.parts.service
    beat = parts.beat()
    running: Any = await running_status(service, {}, lambda _: None)
    disk = await asyncio.to_thread(shutil.disk_usage, service.settings.data_dir)
    return StatusInfo(
        version=parts.version,
        started_ms=parts.started_ms,
        parts=[Part(check.name, check.ok, check.reason) for check in parts.checks()],
        gateway=connection_of(beat, now_ms() / 1000).sentence,
        gateway_latency_ms=None if beat.latency_ms is None else round(beat.latency_ms, 1),
        model=ModelInfo(
            name=running["model"]["name"],
            pretrained=running["model"]["pretrained"],
            loaded=running["model"]["awake"],
            runs=running["model"]["runs"],
        ),
        memory_bytes=resident_bytes(),
        database_bytes=await service.upkeep.database_bytes(),
        disk_free_bytes=disk.free,
        disk_bytes=disk.total,
        indexing_rests=service.disk_notices.full,
        faults=[
            Fault(fault["name"], fault["count"], fault["in_a_row"], fault["at_ms"], fault["last"])
            for fault in running["faults"]
        ],
    )


async def settings(call: Call[NoQuery, None]) -> SettingList:
    return SettingList([Setting(key, value, origin) for key, value, origin in values_in_force(call.parts.config)])


async def audit(call: Call[CountQuery, None]) -> Audit:
    """A key for one server reads the lines of that server alone."""
    entries = await call.parts.service.reports.audit(call.query.count, call.key.guild_id)
    found = []
    for entry in entries:
        detail = dict(entry.detail)
        request, key = detail.pop("request", None), detail.pop("key", None)
        found.append(
            AuditEntry(
                at_ms=entry.at_ms,
                action=entry.action,
                guild=None if entry.guild_id is None else str(entry.guild_id),
                actor=None if entry.actor_id is None else str(entry.actor_id),
                key=key,
                request=request,
                # Numbers among them may be ids, of more digits than a number of JavaScript has.
                detail={name: str(value) if _is_id(value) else value for name, value in detail.items()},
            )
        )
    return Audit(found)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53


OPERATIONS = (
    Operation(
        "status",
        "GET",
        "/status",
        "The state of the bot: its parts, model, memory, disk and gateway.",
        status,
        StatusInfo,
        everything=True,
    ),
    Operation(
        "settings",
        "GET",
        "/settings",
        "Every setting in force and where it comes from; secrets are hidden.",
        settings,
        SettingList,
        scope=KeyScope.ADMIN,
        everything=True,
    ),
    Operation(
        "audit",
        "GET",
        "/audit",
        "Who did what, the newest first.",
        audit,
        Audit,
        scope=KeyScope.ADMIN,
        query=CountQuery,
    ),
)
