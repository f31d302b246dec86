"""One way to report a benchmark: a table for a person, and benchmarks/results/NAME.json for a program."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ok` is None where there is no goal, False where the goal is missed."""

    what: str
    value: float
    unit: str
    goal: str
    ok: bool | None


class Report:
    """Collects rows and prints each as it comes; `finish()` prints the table and writes the record."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[Row] = []

    def row(self, what: str, value: float, unit: str, goal: str = "", ok: bool | None = None) -> None:
        """Raises ValueError for a goal without a verdict, or a verdict without a goal."""
        if bool(goal) == (ok is None):
            raise ValueError(f"{what}: a row has a goal and whether it is met, or neither")
        self.rows.append(Row(what, float(value), unit, goal, ok))
        # A benchmark takes minutes: what it has measured is not lost when it is stopped.
        print(f"{what}: {value:,.4g} {unit}", flush=True)

    def summary(self) -> str:
        """How many goals are met, and which are missed; rows without a goal count in neither."""
        missed = [row for row in self.rows if row.ok is False]
        goals = sum(row.ok is not None for row in self.rows)
        lines = [f"missed: {row.what}: {row.value:,.4g} {row.unit} (goal {row.goal})" for row in missed]
        return "\n".join([f"{goals - len(missed)} of {goals} goals met", *lines])

    def finish_part(self) -> None:
        """As `finish`, of a part of a benchmark: the record keeps its other rows, which an earlier commit measured, and
        maybe another machine."""
        path = RESULTS / f"{self.name}.json"
        record = self._record([])
        if path.exists():
            record = json.loads(path.read_text())
        taken = {row.what for row in self.rows}
        rows = [row for row in record["rows"] if row["what"] not in taken]
        record["rows"] = rows + [{**asdict(row), "machine": _machine(), "commit": _commit()} for row in self.rows]
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        print(self.summary())

    def finish(self) -> None:
        table = Table(title=f"{self.name} · {_machine()}")
        for head in ("what", "value", "unit", "goal", "ok"):
            table.add_column(head, justify="right" if head == "value" else "left")
        for row in self.rows:
            mark = {True: "yes", False: "NO", None: ""}[row.ok]
            table.add_row(row.what, f"{row.value:,.4g}", row.unit, row.goal, mark)
        console = Console(width=None if sys.stdout.isatty() else 130)
        console.print(table)
        console.print(self.summary(), markup=False)
        RESULTS.mkdir(exist_ok=True)
        record = self._record([asdict(row) for row in self.rows])
        (RESULTS / f"{self.name}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")

    def _record(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {"command": f"make bench-{self.name}", "rows": rows, "machine": _machine(), "commit": _commit()}


def run(name: str, about: str | None, measure: Callable[[Report, Path], Coroutine[Any, Any, None]]) -> None:
    """The command of a benchmark that has no options: measures in a folder that is deleted at the end."""
    argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about).parse_args()
    report = Report(name)
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        asyncio.run(measure(report, Path(folder)))
    report.finish()


def _machine() -> str:
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _commit() -> str:
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return git.stdout.strip() or "unknown"
