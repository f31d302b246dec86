"""A reader of benchmark results sees which goals are missed, and which rows have none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import RESULTS, Report


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_every_stored_row_has_a_verdict_exactly_if_it_has_a_goal(file: Path) -> None:
    rows = json.loads(file.read_text("utf-8"))["rows"]
    assert [row["what"] for row in rows if bool(row["goal"]) != isinstance(row["ok"], bool)] == []


def test_a_goal_without_a_verdict_and_a_verdict_without_a_goal_are_refused() -> None:
    found = Report("name")
    with pytest.raises(ValueError, match="speed"):
        found.row("speed", 3, "ms", "≤ 4")
    with pytest.raises(ValueError, match="speed"):
        found.row("speed", 3, "ms", ok=True)
    assert found.rows == []


def test_parts_of_a_benchmark_make_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    for what, value in (("size", 7), ("speed", 3), ("size", 8)):
        part = Report("name")
        part.row(what, value, "")
        part.finish_part()
    rows = json.loads((tmp_path / "name.json").read_text())["rows"]
    assert [(row["what"], row["value"]) for row in rows] == [("speed", 3.0), ("size", 8.0)]


def test_the_summary_names_what_is_missed_and_counts_only_rows_with_a_goal() -> None:
    found = Report("name")
    found.row("size", 7, "MB")
    found.row("speed", 3, "ms", "≤ 4", ok=True)
    found.row("memory", 1500, "MB", "≤ 1,000", ok=False)
    assert found.summary() == "1 of 2 goals met\nmissed: memory: 1,500 MB (goal ≤ 1,000)"
