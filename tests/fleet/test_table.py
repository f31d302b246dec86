"""`fleet status` and `fleet metrics` of processes that are there and of those that are not."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bot.fleet.metrics import together
from bot.fleet.plan import ProcessPlan
from bot.fleet.table import as_dict, rows, text, well
from indexer.errors import RetryLater
from tests.worlds.json_schemas import assert_schema

PLANS = [ProcessPlan(name, f"{at}/3", f"/var/lib/{name}", "/etc/config.toml") for at, name in enumerate("abc")]
SERVING: dict[str, Any] = {
    "process": "a",
    "shards": "0/3",
    "folder": "/var/lib/a",
    "state": "serving",
    "reason": "",
    "since_ms": 1_795_365_917_957,
    "starts": 1,
    "node": {"host": "north", "id": "6d293ef74e62"},
    "servers": 2,
    "pictures": 12_345,
    "pending": 7,
    "events_waiting": 3,
    "latency_ms": 40.5,
    "backup": "2026-11-22T03:00:00+00:00",
    "notes": [],
}


def test_a_process_that_is_away_or_missing_has_its_row_and_a_reason() -> None:
    found = rows(PLANS, {"a": SERVING, "b": RetryLater("its node has died"), "z": SERVING | {"process": "z"}})
    assert [(row["process"], row["state"]) for row in found] == [
        ("a", "serving"),
        ("b", "no answer"),
        ("c", "missing"),
        ("z", "serving"),
    ]
    assert not well(found)
    assert_schema("fleet", as_dict(found))
    shown = text(found)
    assert "north 6d293e  serving since 11-22" in shown
    assert "12,345" in shown
    assert "b: its node has died" in shown
    assert "c: `afterimage fleet up` starts it" in shown
    assert "z: not in the file any more" in shown


def test_metrics_of_all_are_one_text_in_which_each_series_says_whose_it_is() -> None:
    one = '# HELP x_total Some.\n# TYPE x_total counter\nx_total{guild="1"} 2.0\nx_total 1.0\n'
    whole = together({"a": one, "b": one.replace("2.0", "3.0"), "c": ""}, {"a": 1, "b": 4})
    families = list(text_string_to_metric_families(whole))
    assert len({family.name for family in families}) == len(families), "the lines of a metric stand together"
    samples = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}
    assert samples[("x_total", ("fleet_process", "b"), ("guild", "1"))] == 3.0
    assert samples[("x_total", ("fleet_process", "a"))] == 1.0
    assert samples[("afterimage_fleet_process_up", ("fleet_process", "c"))] == 0.0
    assert samples[("afterimage_fleet_process_starts_total", ("fleet_process", "b"))] == 4.0
