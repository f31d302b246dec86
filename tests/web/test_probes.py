"""What an orchestrator asks."""

from __future__ import annotations

import aiohttp

from bot.config.tables import WebSettings
from bot.web.probes import Check, probe_routes
from bot.web.server import open_web


async def test_ready_only_while_every_part_works() -> None:
    parts = {"gateway": Check("gateway", True), "database": Check("database", False, "the disk is full")}

    async def checks() -> list[Check]:
        return list(parts.values())

    async with (
        open_web(WebSettings(listen="127.0.0.1:0"), probe_routes(checks)) as url,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{url}/healthz") as response:
            assert (response.status, await response.json()) == (200, {"status": "alive"})
        async with session.get(f"{url}/readyz") as response:
            assert response.status == 503
            body = await response.json()
        assert body["status"] == "not ready"
        assert body["checks"]["database"] == {"ok": False, "reason": "the disk is full"}
        parts["database"] = Check("database", True)
        async with session.get(f"{url}/readyz") as response:
            assert response.status == 200
            assert (await response.json())["status"] == "ready"
