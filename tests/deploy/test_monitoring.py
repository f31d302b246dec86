"""Alerts and dashboard ask for nothing that /metrics does not show, and the alerts come when they should."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]  # ships no types, and is read here only
from prometheus_client.parser import text_string_to_metric_families

from bot.config.loader import all_keys
from bot.config.tables import WebSettings
from bot.config.values import listen_address
from bot.web.metrics import Engine, Metrics, Reading
from bot.web.server import open_web
from indexer.records.ids import GuildId
from indexer.reports.status import Counts, GuildStatus, Status
from tests.worlds.waiting import until

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
ALERTS = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/afterimage.json").read_text())

CONDITIONS = {rule["expr"] for rule in ALERTS}  # which are empty as long as nothing is wrong
OF_PROMETHEUS = {"job", "instance"}  # labels that it adds to whatever it reads

METRIC = re.compile(r"\b(afterimage_\w+|process_\w+|python_\w+|up)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
LISTENS = re.compile(r'msg="Listening on".*? address=(\S+)')
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


@asynccontextmanager
async def exporter() -> AsyncIterator[str]:
    """The address of a web side all of whose metrics say something, and more with each second."""
    counts = Counts(messages=9, pictures=7, ready=6, pending=1, embeddings=7, channels=2, failures={"corrupt": 1})
    status = Status((GuildStatus(GuildId(5), "Town", True, counts, {"failed": 1}, 0.5),), counts, {}, 4096, 1)
    engine = Engine("demo", "openvino", "cpu", loaded=True, starts=1, workers=2, workers_died=0)
    began_s = time.monotonic()

    def reading() -> Reading:
        metrics.loop_lag_s.observe(0.1)
        metrics.searched({"scan": 2.0, "total": 30.0})
        metrics.indexed("decode", 0.02)
        passed = int(time.monotonic() - began_s)
        return Reading(
            "1",
            {"gateway": True, "model": True},
            status,
            1,
            0,
            0.1,
            passed,
            {"sweep": 1},
            promises_waiting=2,
            lease_s=20.0,
            caches={"answers": (passed, 1)},
            queues={"download": 3, "decode": 0, "encode": 2, "store": 0, "questions": 0, "events": 0},
            memory={"bot": 1, "model": 2, "pictures": 3},
            engine=engine,
        )

    metrics = Metrics(reading)
    metrics.searched({"scan": 2.0, "total": 30.0})
    async with open_web(WebSettings(listen="127.0.0.1:0"), metrics.routes()) as url:
        yield url


@pytest.fixture
async def known() -> Labels:
    """Every sample's name that a running web side shows, with its labels; `up` is Prometheus's own."""
    async with (
        exporter() as url,
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


def test_every_alert_is_tried_by_promtool() -> None:
    tried = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
    asked = [case for test in tried for case in test["alert_rule_test"]]
    assert {rule["alert"] for rule in ALERTS} == {case["alertname"] for case in asked if case.get("exp_alerts")}


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


@asynccontextmanager
async def prometheus(folder: Path, scraped: str) -> AsyncIterator[str]:
    """The address of a Prometheus that reads `scraped` each second, by the files of deploy/prometheus.

    It chooses its port itself, and says it: one that is chosen before may be another's when it starts.
    """
    shutil.copy(PROMETHEUS / "alerts.yml", folder)
    config = (PROMETHEUS / "prometheus.yml").read_text().replace("bot:8642", scraped.removeprefix("http://"))
    (folder / "prometheus.yml").write_text(config.replace("15s", "1s"))
    said, found = folder / "prometheus.log", ""
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:0", stdout=asyncio.subprocess.DEVNULL, stderr=log,
        )  # fmt: skip

    async def listens() -> bool:
        nonlocal found
        text = await asyncio.to_thread(said.read_text, "utf-8")
        assert process.returncode is None, text
        match = LISTENS.search(text)
        found = match[1] if match else ""
        return bool(found)

    try:
        await until(listens)
        yield f"http://{found}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed")
async def test_a_real_prometheus_reads_the_bot_and_answers_every_panel(tmp_path: Path) -> None:
    async with exporter() as url, prometheus(tmp_path, url) as address, aiohttp.ClientSession(address) as http:

        async def unanswered() -> list[str]:
            """Queries without an answer, or with an error. A rate needs two readings."""
            found = []
            for query in [query.replace("$guild", ".*") for query, _ in queries()]:
                async with http.get("/api/v1/query", params={"query": query}) as response:
                    answer = await response.json()
                if answer["status"] != "success" or (query not in CONDITIONS and not answer["data"]["result"]):
                    found.append(query)
            return found

        async def answered() -> bool:
            with suppress(aiohttp.ClientError):  # it still starts
                return await unanswered() == []
            return False

        await until(answered)
        async with http.get("/api/v1/rules") as response:
            groups = (await response.json())["data"]["groups"]
        assert [rule["health"] for group in groups for rule in group["rules"]] == ["ok"] * len(ALERTS)


@pytest.mark.parametrize("arguments", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")])
def test_prometheus_itself_takes_the_rules(arguments: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is in Debian's package prometheus")
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
