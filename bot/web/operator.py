"""What the HTTP side reports about the bot:
from the gateway's beat and the open service, available from the first second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from bot.config.tables import Config
from bot.links import is_discord
from bot.observability.health import Beat, connection_of
from bot.observability.process_memory import process_memory
from bot.web.api.api import Api
from bot.web.api.parts import Parts
from bot.web.archives import open_archives
from bot.web.console.routes import console_routes
from bot.web.metrics import Engine, Metrics, Reading
from bot.web.probes import Check, probe_routes
from indexer.clock import now_ms
from indexer.encode.cluster_encoder import ClusterEncoder, ClusterState
from indexer.encode.encoder import ModelEncoder
from indexer.encode.model_on_demand import NOT_CHOSEN
from indexer.ingest.stage_times import DECODE
from indexer.platforms.processes import resident_bytes
from indexer.reports.status import Status
from indexer.service import Service
from indexer.supervisor import supervised

if TYPE_CHECKING:  # imported where it is configured
    from indexer.fleet.lease import LeaseStatus

# Counting 100,000 pictures takes a tenth of a second. This interval is short enough for a graph; a count for each
# request would cost too much.
COUNTED_EVERY_S = 15.0
LAG_EVERY_S = 0.5

COUNTS = "counts"  # the name of this work in the counts of faults

STARTING = "the bot is still starting"
NOT_IN_A_ROW = 3  # number of failures after which a part counts as not working


class Operator:
    """The bot's state for an operator. `service` is None until the data folder is open."""

    def __init__(self, config: Config, version: str, beat: Callable[[], Beat]) -> None:
        self.service: Service | None = None
        self._config = config
        self._api = Api()
        self._version = version
        self._started_ms = now_ms()
        self._beat = beat
        self._status: Status | None = None
        self._starting = STARTING
        self.metrics = Metrics(self.reading)

    def routes(self) -> list[web.RouteDef]:
        async def checks() -> Sequence[Check]:
            return self.checks()

        return [*probe_routes(checks), *self.metrics.routes(), *self._api.routes(), *console_routes()]

    @asynccontextmanager
    async def serving(self, service: Service) -> AsyncIterator[None]:
        """The interface and its console are answered until the block ends."""
        from indexer.bundle_exports import open_bundle_exports  # takes a start's time only where HTTP is on

        async with (
            open_archives(self._config, service) as archives,
            open_bundle_exports(service) as bundles,
        ):
            parts = Parts(
                service=service,
                config=self._config,
                version=self._version,
                started_ms=self._started_ms,
                beat=self._beat,
                checks=self.checks,
                opens=is_discord(self._config.discord.api_base),
                bundles=bundles,
                admission=self._api.admission,
                archives=archives,
            )
            async with self._api.serving(parts):
                yield

    def waits(self, reason: str) -> None:
        """Why the start waits for another process; empty: it goes on."""
        self._starting = reason or STARTING

    def checks(self) -> tuple[Check, ...]:
        """The parts that members need, each with the reason if it does not work."""
        beat = self._beat()
        gateway = connection_of(beat, time.time())
        parts = (
            Check("gateway", gateway.healthy, gateway.sentence if beat.shards_away or not gateway.healthy else ""),
            self._part("database", COUNTS, "the database cannot be read"),
            self._part("index", "upkeep", "the index cannot be kept up"),
            self._part("model", "model", "the model cannot be loaded"),
        )
        lease = None if self.service is None or self.service.lease is None else self.service.lease.status
        cluster = None if self.service is None else _cluster(self.service)
        return (
            *parts,
            *(() if lease is None else (_lease_check(lease),)),
            *(() if cluster is None else (_cluster_check(cluster),)),
        )

    def reading(self) -> Reading:
        """Everything that /metrics shows, except values that are observed as they happen."""
        beat, service = self._beat(), self.service
        return Reading(
            version=self._version,
            ready={check.name: check.ok for check in self.checks()},
            status=self._status,
            shards=beat.shards,
            shards_away=beat.shards_away,
            own_shards=str(self._config.discord.shards),
            gateway_latency_s=None if beat.latency_ms is None else beat.latency_ms / 1000,
            unparsed_events=beat.unparsed_events,
            faults={} if service is None else {fault.name: fault.count for fault in service.faults},
            disk_low=service is not None and service.disk_notices.full,
            backup_s=None if service is None else service.backups.newest_s,
            promises_waiting=None if service is None or service.promises is None else service.promises.status.waiting,
            lease_s=self._lease_s(),
            caches={} if service is None else service.caches.served(),
            queues={"events": beat.events_waiting, "search": self._api.admission.waiting}
            | ({} if service is None else _queues(service)),
            questions_refused=self._api.admission.refused,
            memory=_memory(service),
            engine=None if service is None else _engine(service),
        )

    def _lease_s(self) -> float | None:
        """0 where another process has the lease, or may have it; None where the configuration wants none."""
        if self.service is not None:
            return None if self.service.lease is None else self.service.lease.status.remaining_s
        fleet = self._config.settings.fleet
        return 0.0 if fleet.storage and fleet.lease_s else None

    def watching(self, tasks: asyncio.TaskGroup, service: Service) -> list[asyncio.Task[None]]:
        """Starts counting what the open service holds, until the caller cancels these tasks."""
        self.service = service
        service.searcher.searched = self.metrics.searched
        service.pipeline.times.observed = self.metrics.indexed
        counting = supervised(COUNTS, lambda: self._count(service), service.faults)
        return [
            tasks.create_task(counting, name=COUNTS),
            tasks.create_task(self._watch_loop(), name="loop lag"),
        ]

    async def _count(self, service: Service) -> None:
        while True:
            self._status = await service.status()
            await asyncio.sleep(COUNTED_EVERY_S)

    async def _watch_loop(self) -> None:
        """Observes how late the event loop wakes sleeping tasks, until cancelled."""
        while True:
            asked_s = time.perf_counter() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.metrics.loop_lag_s.observe(max(time.perf_counter() - asked_s, 0.0))

    def _part(self, name: str, work: str, wrong: str) -> Check:
        """Whether a part works, judged by the background work that uses it."""
        if self.service is None:
            return Check(name, False, self._starting)
        fault = next((fault for fault in self.service.faults if fault.name == work), None)
        if fault is None or fault.in_a_row < NOT_IN_A_ROW:
            return Check(name, True)
        return Check(name, False, f"{wrong}, {fault.in_a_row} times in a row; the log says why")


def _queues(service: Service) -> dict[str, int]:
    decoder = service.decoder
    return {**service.pipeline.waiting, DECODE: decoder.waiting, "questions": decoder.questions_waiting}


def _memory(service: Service | None) -> dict[str, int]:
    """As far as /proc tells."""
    if service is not None:
        return process_memory(service.encoder, service.searcher, service.decoder.pids)
    own = resident_bytes()
    return {} if own is None else {"bot": own}


def _engine(service: Service) -> Engine:
    encoder, decoder = service.encoder, service.decoder
    own = encoder if isinstance(encoder, ModelEncoder | ClusterEncoder) else None
    choice = NOT_CHOSEN if own is None else own.choice
    return Engine(
        model=encoder.spec.name,
        runtime=choice.runtime,
        device=choice.device,
        loaded=encoder.awake,
        starts=0 if own is None else own.starts,
        workers=decoder.workers,
        workers_died=decoder.died,
        cluster=_cluster(service),
    )


def _cluster(service: Service) -> ClusterState | None:
    return service.encoder.state if isinstance(service.encoder, ClusterEncoder) else None


def _lease_check(lease: LeaseStatus) -> Check:
    """The bot ends when it is lost; until then members are served, and the reason stands there all the same."""
    ends = f"the lease on {lease.name} cannot be renewed ({lease.fault}): the bot stops in {lease.remaining_s:.0f} s"
    return Check("lease", lease.held, ends if lease.fault or not lease.held else "")


def _cluster_check(cluster: ClusterState) -> Check:
    """Members are served while it is away, so the bot is ready; the reason stands there all the same."""
    away = f"the cluster at {cluster.address} is away ({cluster.reason}): this machine's own model answers"
    return Check("cluster", True, "" if cluster.here else away)
