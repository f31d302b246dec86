"""/metrics, in the text format of Prometheus: counts of the bot's state and work, without any word or id of a person.

`families` is pure: it converts one reading to metric families. Names follow
https://prometheus.io/docs/practices/naming/ (base units, `_total` for counters). docs/http.md lists them; a test
compares that list with this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot.web import metrics_text
from indexer.encode.cluster_encoder import ClusterState
from indexer.ingest.stage_times import STAGES
from indexer.reports.status import Status

# Else each series has a second line, which says when it began: the text format has no use for it.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there

# Upper bounds in seconds. Members should not notice a task that waits for up to 20 ms.
# A question from a warm model takes some 20 ms, one that loads it some seconds.
# Few of them: each is a line for each stage, and an answer takes 14 µs a line.
STAGE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# A picture waits for its turn in a stage, too: on a busy machine for seconds, and for a model that is loaded a minute.
INDEXING_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """The state at one moment. `status` was counted in the database some seconds earlier; None until it was counted.

    `ready` says for each part whether it works. `faults` counts the failures of each kind of background work since the
    start. `backup_s`: when the newest daily backup was made (Unix seconds). `promises_waiting`: promises
    that `fleet.storage` does not have yet; None where that is empty. `lease_s`: for how long the lease is held if it is
    not renewed, None where there is none. `caches`: how often each had what was asked
    for, and how often not. `queues`: how many wait in each bounded queue. `questions_refused`: questions over HTTP that
    found no room there. `memory`: resident bytes of each kind of process. `engine`: that of the bot's service, None
    until it is open. `own_shards`: those of this process, as the configuration writes them.
    """

    version: str
    ready: Mapping[str, bool]
    status: Status | None = None
    shards: int = 0
    shards_away: int = 0
    gateway_latency_s: float | None = None
    unparsed_events: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    disk_low: bool = False
    backup_s: float | None = None
    promises_waiting: int | None = None
    lease_s: float | None = None
    caches: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    questions_refused: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    engine: Engine | None = None
    own_shards: str = "0"


@dataclass(frozen=True, slots=True)
class Engine:
    """The processes beside the bot's own: the model's, and the workers that open pictures.

    `runtime` and `device` are empty before the model was loaded once. `cluster`: where its encoders are elsewhere.
    """

    model: str
    runtime: str
    device: str
    loaded: bool
    starts: int
    workers: int
    workers_died: int
    cluster: ClusterState | None = None


def families(reading: Reading) -> Iterator[Metric]:
    """The gauges and counters of one reading."""
    yield _one("afterimage_build_info", "1; the version is its label.", {"version": reading.version}, 1)
    yield _by("afterimage_ready", "Whether this part works (1) or not (0).", "part", reading.ready)
    yield _one("afterimage_gateway_shards", "Gateway connections that this bot keeps.", {}, reading.shards)
    help_text = "1; the label says which shards this process serves, as discord.shards does."
    yield _one("afterimage_gateway_shards_info", help_text, {"shards": reading.own_shards}, 1)
    yield _one("afterimage_gateway_shards_away", "Of them, those that are lost now.", {}, reading.shards_away)
    if reading.gateway_latency_s is not None:
        help_text = "The slowest heartbeat of the gateway connections."
        yield _one("afterimage_gateway_latency_seconds", help_text, {}, reading.gateway_latency_s)
    yield _counted(
        "afterimage_gateway_unparsed_events", "Events that could not be read.", {"": reading.unparsed_events}
    )
    yield _counted("afterimage_background_faults", "Failures of background work.", reading.faults, "work")
    yield _one("afterimage_disk_low", "1 while indexing rests because the disk is nearly full.", {}, reading.disk_low)
    if reading.backup_s is not None:
        help_text = "When the newest daily backup was made, in Unix seconds."
        yield _one("afterimage_backup_timestamp_seconds", help_text, {}, reading.backup_s)
    if reading.promises_waiting is not None:
        help_text = "Promises to members that fleet.storage has not taken yet."
        yield _one("afterimage_promises_waiting", help_text, {}, reading.promises_waiting)
    if reading.lease_s is not None:
        help_text = "1 while this process has the lease on its data folder's name."
        yield _one("afterimage_lease_held", help_text, {}, reading.lease_s > 0)
        help_text = "For how long it has the lease if it cannot renew it."
        yield _one("afterimage_lease_remaining_seconds", help_text, {}, reading.lease_s)
    yield _counted(
        "afterimage_cache_hits",
        "Questions that a cache could answer.",
        {n: h for n, (h, _) in reading.caches.items()},
        "cache",
    )
    yield _counted(
        "afterimage_cache_misses",
        "Questions that it could not.",
        {n: m for n, (_, m) in reading.caches.items()},
        "cache",
    )
    yield _by("afterimage_queue_items", "How many wait in a bounded queue.", "stage", reading.queues)
    yield _counted(
        "afterimage_questions_refused",
        "Questions over HTTP that were refused because too many waited.",
        {"": reading.questions_refused},
    )
    yield _by("afterimage_memory_bytes", "Resident memory, by kind of process.", "process", reading.memory)
    if reading.engine is not None:
        yield from _processes(reading.engine)
    if reading.status is not None:
        yield from _stored(reading.status)


def _processes(engine: Engine) -> Iterator[Metric]:
    labels = {"model": engine.model, "runtime": engine.runtime, "device": engine.device}
    yield _one("afterimage_model_info", "1; the labels say which model runs, and how.", labels, 1)
    yield _one("afterimage_model_loaded", "1 while the model's process is there.", {}, engine.loaded)
    yield _counted("afterimage_model_starts", "How often a process has loaded the model.", {"": engine.starts})
    yield _one("afterimage_decode_workers", "Processes that open pictures.", {}, engine.workers)
    yield _counted("afterimage_decode_workers_died", "Those that died over a picture.", {"": engine.workers_died})
    if engine.cluster is not None:
        yield _one("afterimage_cluster_up", "1 while the cluster with the encoders answers.", {}, engine.cluster.here)
        yield _one(
            "afterimage_cluster_encoders", "Encoders of the cluster that are there.", {}, engine.cluster.encoders
        )
        help_text = "Questions that this machine's own model answered, because the cluster was away or slow."
        yield _counted("afterimage_cluster_answered_here", help_text, {"": engine.cluster.answered_here})


def _stored(status: Status) -> Iterator[Metric]:
    yield _one("afterimage_database_bytes", "Size of the database file, without its log.", {}, status.database_bytes)
    if status.words:
        help_text = "Pictures and their words: read, with text, failed, left to read."
        yield _by("afterimage_words_in_pictures", help_text, "state", status.words)
    if status.captions:
        help_text = "Pictures and their captions: read, with text, failed, left to describe."
        yield _by("afterimage_captions_of_pictures", help_text, "state", status.captions)
    counts = {
        "messages": "Messages stored.",
        "pictures": "Readable pictures stored; in each server that shows it, a picture counts.",
        "embeddings": "Embeddings stored.",
        "channels": "Channels known.",
        "parked": "Channels that cannot be read now.",
        "pending": "Places of pictures that wait to be read.",
        "ready": "Places of pictures that can be searched.",
        "segment_bytes": "Size of the sealed index files.",
    }
    for name, text in counts.items():
        family = GaugeMetricFamily(f"afterimage_{_NAMES.get(name, name)}", text, labels=["guild"])
        for guild in status.guilds:
            family.add_metric([str(guild.id)], getattr(guild.counts, name))
        yield family
    read = GaugeMetricFamily("afterimage_history_read_ratio", "Share of its history that was read.", labels=["guild"])
    for guild in status.guilds:
        if guild.read is not None:
            read.add_metric([str(guild.id)], guild.read)
    yield read
    jobs = GaugeMetricFamily("afterimage_jobs", "Jobs that were asked for, by their state.", labels=["guild", "state"])
    for guild in status.guilds:
        for state, count in sorted(guild.jobs.items()):
            jobs.add_metric([str(guild.id), state], count)
    yield jobs
    failures = GaugeMetricFamily(
        "afterimage_failed_places", "Places of pictures that could not be read.", labels=["guild", "reason"]
    )
    for guild in status.guilds:
        for reason, count in sorted(guild.counts.failures.items()):
            failures.add_metric([str(guild.id), reason], count)
    yield failures


_NAMES = {
    "parked": "channels_parked",
    "pending": "pending_places",
    "ready": "ready_places",
    "segment_bytes": "index_bytes",
}


def _one(name: str, text: str, labels: Mapping[str, str], value: float) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), float(value))
    return family


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], float(value))
    return family


def _counted(name: str, text: str, values: Mapping[str, int], label: str = "") -> Metric:
    family = CounterMetricFamily(name, text, labels=[label] if label else [])
    for key, value in sorted(values.items()):
        family.add_metric([key] if label else [], value)
    return family


class _Families(Collector):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return families(self._read())


class Metrics:
    """Values observed as they happen, and values that `read` returns when asked, in one registry and one answer."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._registry = CollectorRegistry()
        self.loop_lag_s = Histogram(
            "afterimage_event_loop_lag_seconds",
            "How much later than asked the event loop woke a sleeping task.",
            buckets=LAG_BUCKETS,
            registry=self._registry,
        )
        self.search_stage_s = Histogram(
            "afterimage_search_stage_seconds",
            "How long each stage of a search took, and all of it (total).",
            ["stage"],
            buckets=STAGE_BUCKETS,
            registry=self._registry,
        )
        self.indexing_stage_s = Histogram(
            "afterimage_indexing_stage_seconds",
            "How long a picture was in each stage of indexing, waiting for its turn there included.",
            ["stage"],
            buckets=INDEXING_BUCKETS,
            registry=self._registry,
        )
        for stage in STAGES:  # there from the start: an alert compares them with the queues
            self.indexing_stage_s.labels(stage)
        self._registry.register(_Families(read))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def searched(self, stage_ms: Mapping[str, float]) -> None:
        """A search has ended. Its stages have names of this code."""
        for stage, took_ms in stage_ms.items():
            self.search_stage_s.labels(stage).observe(took_ms / 1000)

    def indexed(self, stage: str, took_s: float) -> None:
        """A picture has been in this stage of indexing."""
        self.indexing_stage_s.labels(stage).observe(took_s)

    def render(self) -> bytes:
        """Everything in the text format, version 0.0.4, which every version of Prometheus reads."""
        return metrics_text.text(self._registry)

    def routes(self) -> list[web.RouteDef]:
        async def metrics(_: web.Request) -> web.Response:
            headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
            return web.Response(body=self.render(), headers=headers, status=HTTPStatus.OK)

        return [web.get("/metrics", metrics)]
