"""Alerts and dashboard ask for nothing that /metrics does not show, and the alerts come when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]  # ships no types, and is read here only
from prometheus_client.parser import text_string_to_metric_families

from bot.config.loader import WebSettings, all_keys
from bot.config.values import listen_address
from bot.web.metrics import Metrics, Reading
from bot.web.server import open_web
from indexer.records.ids import GuildId
from indexer.reports.status import Counts, GuildStatus, Status

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
ALERTS = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/afterimage.json").read_text())

OF_PROMETHEUS = {"job", "instance"}  # labels that it adds to whatever it reads

METRIC = re.compile(r"\b(afterimage_\w+|process_\w+|python_\w+|up)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
SHOWN = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")

Labels = dict[str, set[str]]


def queries() -> Iterator[tuple[str, str]]:
    """(query, text that shows its labels) of every alert and panel."""
    for rule in ALERTS:
        yield rule["expr"], " ".join(rule["annotations"].values())
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]
    for variable in DASHBOARD["templating"]["list"]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]  # None fails the test as well
        yield metric, f"{{{{{label}}}}}"


def wrong(query: str, shown: str, known: Labels) -> list[str]:
    """Names of metrics and labels in a query, and in what is shown of it, that /metrics does not have."""
    found, labels = [], set(OF_PROMETHEUS)
    for name, inside in METRIC.findall(query):
        if name not in known:
            found.append(name)
            continue
        labels |= known[name]
        found += [label for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside) if label not in labels]
    grouped = {word.strip() for words in GROUPED.findall(query) for word in words.split(",")}
    if not METRIC.search(query):
        found.append(query)
    return found + sorted((grouped | set(SHOWN.findall(shown))) - labels)


@pytest.fixture
async def known() -> Labels:
    """Every sample's name that a running web side shows, with its labels; `up` is Prometheus's own."""
    counts = Counts(failures={"corrupt": 1})
    status = Status((GuildStatus(GuildId(5), "Town", True, counts, {"failed": 1}),), counts, {}, 4096, 1)
    metrics = Metrics(
        lambda: Reading(version="1", ready={"model": True}, status=status, gateway_latency_s=0.1, faults={"sweep": 1})
    )
    metrics.loop_lag_s.observe(0.1)
    async with (
        open_web(WebSettings(listen="127.0.0.1:0"), metrics.routes()) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/metrics") as response,
    ):
        text = await response.text()
    found: Labels = {"up": set()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_query_asks_for_what_there_is(known: Labels) -> None:
    asked = list(queries())
    assert len(asked) > 20
    assert {query: wrong(query, shown, known) for query, shown in asked if wrong(query, shown, known)} == {}


@pytest.mark.parametrize(
    ("query", "shown", "found"),
    [
        ("sum(afterimage_pending_plcaes)", "", ["afterimage_pending_plcaes"]),
        ('afterimage_ready{parts="model"}', "", ["parts"]),
        ("sum by (server) (afterimage_pictures)", "", ["server"]),
        ("afterimage_disk_low", "{{ $labels.guild }}", ["guild"]),
        ("rate(afterimage_gateway_unparsed_events[5m])", "", ["afterimage_gateway_unparsed_events"]),
        ('sum by (guild) (afterimage_pictures{guild=~"$guild"})', "{{guild}}", []),
    ],
)
def test_a_query_for_what_there_is_not_is_found(known: Labels, query: str, shown: str, found: list[str]) -> None:
    assert wrong(query, shown, known) == found


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    assert {"AfterimageNoGateway", "AfterimageQueueGrows", "AfterimageDiskLow", "AfterimageJobFailed"} <= {
        rule["alert"] for rule in ALERTS
    }
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["annotations"]["description"].endswith(".")


def test_prometheus_and_grafana_find_the_bot_where_compose_puts_it() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    listen = services["bot"]["environment"][all_keys()["web.listen"].variable]
    (scraped,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped["static_configs"] == [{"targets": [f"bot:{listen_address(listen)[1]}"]}]
    assert services["bot"]["environment"][all_keys()["web.hosts"].variable] == "bot"
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in services["grafana"]["volumes"]}
    provisioning = ROOT / mounted["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/afterimage.yml").read_text())["providers"]
    assert (ROOT / mounted[provider["options"]["path"]] / "afterimage.json").is_file()
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]}
    assert used == {source["uid"]}


@pytest.mark.parametrize("arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")])
def test_prometheus_itself_takes_the_rules(arguments: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is in Debian's package prometheus")
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
