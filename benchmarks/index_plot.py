"""The picture of the index benchmark: milliseconds a search, one group a filter, on a logarithmic scale."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.report import RESULTS


def draw(curves: dict[str, dict[str, float]]) -> None:
    """Writes benchmarks/results/index.png: `curves` maps an engine to its milliseconds by filter."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    plot: Any = import_module("matplotlib.pyplot")
    names = list(next(iter(curves.values())))
    figure, axes = plot.subplots(figsize=(11, 5.5), layout="constrained")
    width = 0.85 / len(curves)
    for at, (engine, values) in enumerate(curves.items()):
        colour: Any = plot.get_cmap("Greys")(0.25 + 0.09 * at)
        if engine.startswith("Afterimage"):
            colour = "#5865f2" if "100,000" in engine else "#1f2a8a"
        bars = axes.bar(
            [group + at * width for group in range(len(names))],
            [values[name] for name in names],
            width * 0.92,
            label=engine,
            color=colour,
        )
        axes.bar_label(bars, fmt="%.2g", fontsize=7, padding=1)
    axes.set_yscale("log")
    axes.set_xticks([group + 0.425 - width / 2 for group in range(len(names))], names)
    axes.set_ylabel("milliseconds a search, p50 (logarithmic)")
    axes.set_title("Ten best pictures under a filter: 512 dimensions, 100,000 rows where not said otherwise")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=2)
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "index.png", dpi=150)
    plot.close(figure)
