"""/metrics of all processes as one text: each line gets a label that says of which process it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LABEL = "fleet_process"  # `process` is a label of afterimage_memory_bytes already


@dataclass(slots=True)
class _Family:
    """A metric: the lines that say what it is, and its samples."""

    head: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


def together(texts: Mapping[str, str], starts: Mapping[str, int]) -> str:
    """`texts`: what each process answered, by its name; empty where it did not. `starts`: how often its bot was started
    by the supervisor that it has now.

    The text format wants all lines of one metric together: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    families: dict[str, _Family] = {}
    for process, text in sorted(texts.items()):
        _take(families, process, text)
    lines = [
        "# HELP afterimage_fleet_process_up Whether this process of the fleet answers (1) or not (0).",
        "# TYPE afterimage_fleet_process_up gauge",
        *(_sample("afterimage_fleet_process_up", name, int(bool(text))) for name, text in sorted(texts.items())),
        "# HELP afterimage_fleet_process_starts_total How often its bot was started by its supervisor of now.",
        "# TYPE afterimage_fleet_process_starts_total counter",
        *(_sample("afterimage_fleet_process_starts_total", name, count) for name, count in sorted(starts.items())),
    ]
    for family in families.values():
        lines += [*family.head, *family.samples]
    return "\n".join(lines) + "\n"


def _take(families: dict[str, _Family], process: str, text: str) -> None:
    """Adds the lines of one process, as bot/web/metrics_text.py writes them: HELP, TYPE, then the samples."""
    family, first = _Family(), False
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            first = name not in families
            family = families.setdefault(name, _Family())
        if line.startswith("#"):
            family.head += [line] if first else []
        elif line:
            family.samples.append(_labelled(line, process))


def _labelled(line: str, process: str) -> str:
    series, _, value = line.rpartition(" ")
    name, brace, labels = series.partition("{")
    return f"{name}{{{_label(process)}{',' + labels if brace else '}'} {value}"


def _sample(name: str, process: str, value: float) -> str:
    return f"{name}{{{_label(process)}}} {value}"


def _label(process: str) -> str:
    escaped = process.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{LABEL}="{escaped}"'
