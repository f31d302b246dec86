"""What an import costs: parsing against other parsers, storing, memory, a second import. Run by `make bench-archive`.

    python -m benchmarks.archive [--megabytes 1000] [--stored 200] [--pictures 1000]

Each figure is taken in a process of its own, so that its peak of memory is its own. `--stored`: megabytes of the
document whose messages are all stored, with their words.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.archive_bundles import trip
from benchmarks.archive_export import write_pictures, write_text
from benchmarks.archive_imports import first_and_second, records_into_sqlite
from benchmarks.report import RESULTS, Report
from indexer.archives import exporter_schema
from indexer.archives.export import open_export
from indexer.archives.export_index import Options
from indexer.archives.message_stream import Element, MessageStream

assert sys.platform == "linux", "it reads the memory of processes as Linux counts it"

RATE = 30_000  # messages/s
MEMORY_MB = 200
SHARE_OF_LOAD = 0.1  # of the peak of json.load


def parse(path: Path) -> int:
    """Every message as a record."""
    with path.open("rb") as file:
        stream = MessageStream(file)
        exporter_schema.header(stream.header())
        return sum(exporter_schema.message(found.data).id > 0 for found in stream if isinstance(found, Element))


def index(path: Path) -> int:
    """What `afterimage import --dry-run` does."""
    options = Options(keep_all=True, stickers=False, bots=True, max_file_bytes=1 << 20, spool_folder=path.parent)
    return sum(counts.messages for counts in open_export(path, options).index.survey.counts.values())


def ijson_items(path: Path) -> int:
    import ijson.backends.yajl2_c as ijson

    with path.open("rb") as file:
        return sum(1 for _ in ijson.items(file, "messages.item", use_float=True, buf_size=1 << 20))


def load(path: Path) -> int:
    with path.open("rb") as file:
        return len(json.load(file)["messages"])


CHILDREN: dict[str, Callable[[Path], Any]] = {
    "nothing": lambda path: 0,
    "parse": parse,
    "index": index,
    "ijson": ijson_items,
    "load": load,
    "text": lambda path: asyncio.run(first_and_second(path, None)),
    "pictures": lambda path: asyncio.run(first_and_second(path, "demo")),
    "records": lambda path: asyncio.run(records_into_sqlite(path)),
}


def child(name: str, path: Path) -> dict[str, Any]:
    """What a process of its own found: `found`, `wall_s`, `cpu_s`, `peak_mb`."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.archive", "--child", name, str(path)], stdout=subprocess.PIPE, check=True
    )
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    print(f"{name}: {told}", file=sys.stderr, flush=True)
    return told


def tell(name: str, path: Path) -> None:
    begun, cpu = time.perf_counter(), time.process_time()
    found = CHILDREN[name](path)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({"found": found, "wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb}))


def parsing(report: Report, folder: Path, megabytes: int, smaller: int) -> None:
    """A large document through the own parser; a smaller one through it and its peers."""
    small, large = folder / "small.json", folder / "large.json"
    write_text(small, smaller)
    count = write_text(large, megabytes)
    base_mb = child("nothing", small)["peak_mb"]
    report.row("messages in the large document", count, "messages")
    report.row("size of the large document", megabytes, "MB")
    report.row("memory of the process before it reads", base_mb, "MB")
    own_large = child("index", large)
    rate = own_large["found"] / own_large["wall_s"]
    report.row(
        "read the large document, with the place of each message", rate, "messages/s", f"≥ {RATE:,}", rate >= RATE
    )
    peak_mb = own_large["peak_mb"]
    report.row("… its peak of memory", peak_mb, "MB", f"≤ {MEMORY_MB}", peak_mb <= MEMORY_MB)
    own, ijson, loaded = (child(name, small) for name in ("parse", "ijson", "load"))
    for what, found in (("own parser", own), ("ijson, yajl2_c", ijson), ("json.load", loaded)):
        report.row(f"{smaller} MB, {what}: processor time", found["found"] / found["cpu_s"], "messages/s")
        report.row(f"{smaller} MB, {what}: peak of memory", found["peak_mb"], "MB")
    report.row(
        "own parser against ijson, processor time",
        ijson["cpu_s"] / own["cpu_s"],
        "×",
        "≥ 1",
        own["cpu_s"] <= ijson["cpu_s"],
    )
    share = own["peak_mb"] / loaded["peak_mb"]
    report.row("own parser against json.load, peak of memory", share, "×", f"≤ {SHARE_OF_LOAD}", share <= SHARE_OF_LOAD)


def importing(report: Report, folder: Path, stored: int, pictures: int) -> None:
    """Through the pipeline into SQLite: text, pictures with the demo model, and each a second time."""
    text = folder / "stored.json"
    write_text(text, stored)
    told = child("text", text)
    found = told["found"]
    rate = found["messages"] / found["first_s"]
    report.row(
        f"{stored} MB of text parsed and stored, all words indexed", rate, "messages/s", f"≥ {RATE:,}", rate >= RATE
    )
    report.row("… processor time", found["messages"] / found["first_cpu_s"], "messages/s")
    report.row("… its peak of memory", told["peak_mb"], "MB", f"≤ {MEMORY_MB}", told["peak_mb"] <= MEMORY_MB)
    ratio = found["first_s"] / found["second_s"]
    report.row("… imported again", ratio, "× faster", "≥ 5", ratio >= 5)
    write_pictures(folder / "pictures", pictures)
    found = child("pictures", folder / "pictures")["found"]
    report.row(f"{pictures} saved pictures imported, demo model", found["embedded"] / found["first_s"], "pictures/s")
    again = found["embedded_again"]
    report.row("… embedded by a second import", again, "pictures", "0", again == 0)
    ratio = found["first_s"] / found["second_s"]
    report.row("… imported again", ratio, "× faster", "≥ 5", ratio >= 5)
    records = child("records", folder)["found"]
    report.row("30,000 records into SQLite with embeddings at hand", records, "s", "≤ 6", records <= 6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--stored", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--child", nargs=2, metavar=("NAME", "PATH"), help="one figure, as JSON")
    given = parser.parse_args()
    if given.child:
        tell(given.child[0], Path(given.child[1]))
        return
    report = Report("archive")
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS) as folder:
        parsing(report, Path(folder), given.megabytes, min(200, given.megabytes))
        importing(report, Path(folder), given.stored, given.pictures)
        asyncio.run(trip(report, Path(folder)))
    report.finish()


if __name__ == "__main__":
    main()
