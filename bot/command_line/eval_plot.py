"""The plot of `afterimage eval --plot`: an SVG with a group of bars for each measure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from bot.command_line.evaluate import MEMORY, QUALITIES

COLOURS = {"vectors": "#5b8def", "words": "#e0913a", "hybrid": "#3fa66b", "reranked": "#8e5bd0", "second": "#b85c8a"}
BAR, GAP = 26, 28  # pixels: a bar's width, and the space between two groups
LEFT, TOP, HEIGHT = 48, 56, 220
LINES = (0.0, 0.25, 0.5, 0.75, 1.0)


def drawn(found: Mapping[str, Any]) -> str:
    """An SVG document: bars from 0 to 1, and the latencies and the memory as lines of text."""
    ways = found["ways"]
    group = len(ways) * BAR + GAP
    width = LEFT + len(QUALITIES) * group + GAP
    height = TOP + HEIGHT + 88
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{found["questions"]} questions</text>',
    ]
    for number, way in enumerate(ways):
        x = LEFT + number * 110
        parts.append(f'<rect x="{x}" y="30" width="12" height="12" fill="{COLOURS[way]}"/>')
        parts.append(f'<text x="{x + 17}" y="40">{escape(way)}</text>')
    for share in LINES:
        y = TOP + HEIGHT * (1 - share)
        parts.append(f'<line x1="{LEFT}" x2="{width - GAP}" y1="{y:g}" y2="{y:g}" stroke="#ccc"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:g}" text-anchor="end">{share:g}</text>')
    for at, name in enumerate(QUALITIES):
        start = LEFT + GAP / 2 + at * group
        for number, (way, scores) in enumerate(ways.items()):
            parts += _bar(start + number * BAR, scores[name], COLOURS[way])
        middle = start + len(ways) * BAR / 2
        parts.append(f'<text x="{middle:g}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{escape(name)}</text>')
    spent = " · ".join(f"{way} {_ms(scores['p50_ms'])} / {_ms(scores['p95_ms'])}" for way, scores in ways.items())
    parts.append(f'<text x="{LEFT}" y="{TOP + HEIGHT + 48}">p50 / p95 in ms: {escape(spent)}</text>')
    most = {process: max(scores["memory"].get(process, 0) for scores in ways.values()) for process in MEMORY}
    held = " · ".join(f"{process} {size / 1e6:.0f}" for process, size in most.items() if size)
    if held:
        parts.append(f'<text x="{LEFT}" y="{TOP + HEIGHT + 66}">most memory in MB: {escape(held)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _bar(x: float, value: float | None, colour: str) -> list[str]:
    if value is None:
        return []
    height = HEIGHT * value
    y = TOP + HEIGHT - height
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{BAR - 4}" height="{height:g}" fill="{colour}"/>',
        f'<text x="{x + (BAR - 4) / 2:g}" y="{y - 3:g}" text-anchor="middle" font-size="10">{value:.2f}</text>',
    ]


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
