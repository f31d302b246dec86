"""The picture of the encode benchmark, drawn of its record: pictures a second and memory, one bar a way.

`python -m benchmarks.encode_plot` draws the record that is there anew.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, Final

from benchmarks.report import RESULTS

RATE: Final = "100 files → vectors, "
MEMORY: Final = "memory of all processes, "
OURS: Final = "#5865f2"
OTHERS: Final = "#a8a8b0"


def draw() -> None:
    """Writes benchmarks/results/encode.png of benchmarks/results/encode.json."""
    record = json.loads((RESULTS / "encode.json").read_text())
    rates, memory = _bars(record, RATE), _bars(record, MEMORY)
    goals = {
        row["what"].removeprefix(MEMORY): float(row["goal"].strip("≤ "))
        for row in record["rows"]
        if row["goal"] and row["what"].startswith(MEMORY)
    }
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    plot: Any = import_module("matplotlib.pyplot")
    figure, (left, right) = plot.subplots(1, 2, figsize=(11, 3.6), layout="constrained", sharey=True)
    for axes, bars, unit in ((left, rates, "pictures/s"), (right, memory, "MB")):
        names = [_short(name) for name in bars]
        colours = [OURS if name.startswith("ours") else OTHERS for name in bars]
        drawn = axes.barh(names, list(bars.values()), color=colours, height=0.66)
        axes.bar_label(
            drawn,
            [f"{value:,.3g} {unit}" if unit == "pictures/s" else f"{value:,.0f} MB" for value in bars.values()],
            fontsize=8,
            padding=3,
        )
        axes.margins(x=0.22)
        axes.spines[["top", "right"]].set_visible(False)
    for at, name in enumerate(memory):
        if name in goals:
            right.plot([goals[name]] * 2, [at - 0.4, at + 0.4], color="black", linewidth=1)
    left.invert_yaxis()
    left.set_title("100 mixed files → vectors", fontsize=10)
    right.set_title("memory of all processes, the most; line: goal", fontsize=10)
    figure.suptitle(f"ViT-B-32-256's shape, random weights · {record['machine']}", fontsize=9)
    figure.savefig(RESULTS / "encode.png", dpi=150)
    plot.close(figure)


def _bars(record: dict[str, Any], what: str) -> dict[str, float]:
    """The way of each row that begins so, without how it ran, and its value."""
    rows = [row for row in record["rows"] if row["what"].startswith(what)]
    return {row["what"].removeprefix(what).partition(" (openvino")[0]: row["value"] for row in rows}


def _short(name: str) -> str:
    return name.replace(" (", "\n(")


if __name__ == "__main__":
    draw()
