"""/metrics as Prometheus reads it."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, Info
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bot.config.tables import WebSettings
from bot.web import metrics_text
from bot.web.errors import CODES
from bot.web.metrics import Engine, Metrics, Reading
from bot.web.server import open_web
from indexer.encode.cluster_encoder import ClusterState
from indexer.records.ids import GuildId
from indexer.reports.status import Counts, GuildStatus, Status

ROOT = Path(__file__).resolve().parents[2]


CLUSTER = ClusterState("auto", here=False, since_ms=0, reason="it is slow", encoders=2, answered_here=7)
ENGINE = Engine("demo", "openvino", "cpu", loaded=False, starts=2, workers=3, workers_died=1, cluster=CLUSTER)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@given(st.text(), st.floats(), st.integers(0, 2**63))
def test_the_text_is_what_the_library_itself_writes(label: str, value: float, count: int) -> None:
    class Families(Collector):
        def collect(self) -> list[Metric]:
            gauge = GaugeMetricFamily("afterimage_gauge", 'A "help" \\ of\ntwo lines.', labels=["z", "a"])
            gauge.add_metric([label, "x"], value)
            counter = CounterMetricFamily("afterimage_counter", "Counted.", labels=["name"])
            counter.add_metric([label], count)
            return [gauge, counter, GaugeMetricFamily("afterimage_plain", "One.", value=value)]

    registry = CollectorRegistry()
    registry.register(Families())
    histogram = Histogram("afterimage_seconds", "Took.", ["stage"], buckets=(0.1, 1.0), registry=registry)
    histogram.labels(label).observe(abs(value))
    for _ in range(2):  # the second time from what is kept
        assert metrics_text.text(registry) == generate_latest(registry)


def test_a_kind_of_metric_that_is_not_known_is_not_left_out_in_silence() -> None:
    registry = CollectorRegistry()
    Info("afterimage_kind", "Another kind.", registry=registry).info({"a": "b"})
    with pytest.raises(ValueError, match="is a info"):
        metrics_text.text(registry)


async def test_what_is_stored_waits_and_fails_is_counted() -> None:
    counts = Counts(channels=3, parked=1, messages=7, places=6, ready=4, pending=1, pictures=4, failures={"corrupt": 1})
    status = Status((GuildStatus(GuildId(5), "Town", True, counts, {"failed": 2}, 0.25),), counts, {}, 4096, 1)
    reading = Reading(
        version="1.2.3",
        ready={"gateway": True, "model": False},
        status=status,
        shards=2,
        gateway_latency_s=0.04,
        unparsed_events=9,
        faults={"sweep": 2},
        caches={"answers": (3, 4)},
        lease_s=9.5,
        queues={"encode": 5, "events": 0},
        questions_refused=6,
        memory={"bot": 1000, "model": 2000},
        engine=ENGINE,
    )
    metrics = Metrics(lambda: reading)
    metrics.loop_lag_s.observe(0.004)
    metrics.searched({"scan": 3.0, "total": 40.0})
    metrics.indexed("decode", 0.02)
    async with (
        open_web(WebSettings(listen="127.0.0.1:0"), metrics.routes()) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/metrics") as response,
    ):
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = samples(await response.text())
    assert (found["afterimage_lease_held", ()], found["afterimage_lease_remaining_seconds", ()]) == (1, 9.5)
    guild = ("guild", "5")
    assert found["afterimage_messages", (guild,)] == 7
    assert found["afterimage_channels_parked", (guild,)] == 1
    assert found["afterimage_jobs", (guild, ("state", "failed"))] == 2
    assert found["afterimage_failed_places", (guild, ("reason", "corrupt"))] == 1
    assert found["afterimage_ready", (("part", "model"),)] == 0
    assert found["afterimage_ready", (("part", "gateway"),)] == 1
    assert found["afterimage_gateway_unparsed_events_total", ()] == 9
    assert found["afterimage_background_faults_total", (("work", "sweep"),)] == 2
    assert found["afterimage_questions_refused_total", ()] == 6
    assert found["afterimage_event_loop_lag_seconds_bucket", (("le", "0.005"),)] == 1
    assert found["afterimage_search_stage_seconds_bucket", (("le", "0.005"), ("stage", "scan"))] == 1
    assert found["afterimage_search_stage_seconds_bucket", (("le", "0.025"), ("stage", "total"))] == 0
    answers = (("cache", "answers"),)
    assert (found["afterimage_cache_hits_total", answers], found["afterimage_cache_misses_total", answers]) == (3, 4)
    assert found["afterimage_model_info", (("device", "cpu"), ("model", "demo"), ("runtime", "openvino"))] == 1
    assert (found["afterimage_model_loaded", ()], found["afterimage_model_starts_total", ()]) == (0, 2)
    assert (found["afterimage_decode_workers", ()], found["afterimage_decode_workers_died_total", ()]) == (3, 1)
    assert (found["afterimage_cluster_up", ()], found["afterimage_cluster_encoders", ()]) == (0, 2)
    assert found["afterimage_cluster_answered_here_total", ()] == 7
    assert found["afterimage_indexing_stage_seconds_bucket", (("le", "0.01"), ("stage", "decode"))] == 0
    assert found["afterimage_indexing_stage_seconds_bucket", (("le", "0.05"), ("stage", "decode"))] == 1
    assert found["afterimage_indexing_stage_seconds_count", (("stage", "store"),)] == 0  # there from the start
    assert found["afterimage_queue_items", (("stage", "encode"),)] == 5
    assert found["afterimage_memory_bytes", (("process", "model"),)] == 2000
    assert found["afterimage_history_read_ratio", (guild,)] == 0.25
    assert found["process_resident_memory_bytes", ()] > 0
    assert "Town" not in str(found)  # names are what people gave; ids are enough to tell servers apart


@given(st.dictionaries(st.text(max_size=20), st.integers(0, 10**9), max_size=5))
def test_whatever_a_name_holds_the_text_can_be_read_back(faults: dict[str, int]) -> None:
    text = Metrics(lambda: Reading(version="1", ready={}, faults=faults)).render().decode()
    found = samples(text)
    for name, count in faults.items():
        assert found["afterimage_background_faults_total", (("work", name),)] == count


def test_every_metric_stands_in_the_document() -> None:
    counts = Counts(failures={"corrupt": 1})
    status = Status((GuildStatus(GuildId(5), "Town", True, counts, read=1.0),), counts, {}, 4096, 1)
    reading = Reading(
        version="1", ready={"model": True}, status=status, gateway_latency_s=0.1, faults={"sweep": 1}, engine=ENGINE,
        queues={"encode": 1}, memory={"bot": 1}, backup_s=1.0, caches={"answers": (1, 1)},
        promises_waiting=0, lease_s=9.0,
    )  # fmt: skip
    text = Metrics(lambda: reading).render().decode()
    document = (ROOT / "docs" / "http.md").read_text("utf-8")
    for family in text_string_to_metric_families(text):
        if family.name.startswith("afterimage_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            assert f"`{name}`" in document


def test_every_code_stands_in_the_document_with_its_meaning() -> None:
    document = (ROOT / "docs" / "http.md").read_text("utf-8")
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in document
