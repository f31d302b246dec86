"""The picture of the index benchmark: milliseconds a search, one group a filter, on a logarithmic scale."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.report import RESULTS

Curves = dict[str, dict[str, tuple[float, float]]]  # engine → filter → (milliseconds, recall@10)

OURS = ("#5865f2", "#1f2a8a")


def draw(curves: Curves) -> None:
    """Writes benchmarks/results/index.png. A bar that does not find everything says how much it finds."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    plot: Any = import_module("matplotlib.pyplot")
    names = list(next(iter(curves.values())))
    figure, axes = plot.subplots(figsize=(11, 6), layout="constrained")
    width = 0.88 / len(curves)
    greys = iter(plot.get_cmap("Greys")(0.22 + 0.1 * at) for at in range(9))
    blues = iter(OURS)
    for at, (engine, values) in enumerate(curves.items()):
        bars = axes.bar(
            [group + at * width for group in range(len(names))],
            [values[name][0] for name in names],
            width * 0.94,
            label=engine,
            color=next(blues) if engine.startswith("Afterimage") else next(greys),
        )
        labels = [_label(*values[name]) for name in names]
        axes.bar_label(bars, labels, fontsize=7, padding=1)
    axes.set_yscale("log")
    axes.margins(y=0.12)
    axes.set_xticks([group + 0.44 - width / 2 for group in range(len(names))], names)
    axes.set_ylabel("milliseconds a search, p50 (logarithmic)")
    axes.set_title("The ten best pictures under a filter · 512 dimensions, 100,000 rows where not said otherwise")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", frameon=False, fontsize=8, ncols=4)
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "index.png", dpi=150)
    plot.close(figure)


def _label(milliseconds: float, recall: float) -> str:
    return f"{milliseconds:.2g}" if recall >= 0.999 else f"{milliseconds:.2g}\nfinds\n{recall:.0%}"
