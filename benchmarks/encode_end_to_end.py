"""From files to vectors: rclip, a plain bot and ours, each in processes of its own, in turn, on the same files.

Memory is what all processes of each take while they read the files, at the most.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.calibrated_int8 import calibrate
from benchmarks.mixed_files import write_copies, write_originals
from benchmarks.process_memory import watched
from benchmarks.random_model import random_checkpoint, random_model, write_onnx
from benchmarks.report import Report

_ROUNDS: Final = 3
_HERE: Final = Path(__file__).parent
_RCLIP: Final = _HERE.parent / ".venv-rclip" / "bin" / "python"
_LONGEST_S: Final = 600.0
_INT8: Final = "ours, int8"
_MEMORY_MB: Final = {"ours": 950, _INT8: 600}


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    peak_mb: float
    said: str


def measure(report: Report, folder: Path) -> None:
    """Adds the rows of this file to the report. Makes its files in `folder`."""
    originals, copies, exports, onnx = (folder / name for name in ("originals", "copies", "models", "visual.onnx"))
    originals.mkdir()
    copies.mkdir()
    count = write_originals(originals)
    write_copies(copies, count)
    checkpoint = random_checkpoint(folder)
    write_onnx(random_model(), onnx)
    ours = [sys.executable, "-m", "benchmarks.encode_ours"]
    ways: dict[str, list[str]] = {
        "rclip": [str(_RCLIP), str(_HERE / "rclip_index.py"), str(originals), str(onnx)],
        "a plain bot (Pillow, open_clip in float32, one by one)": [
            sys.executable, "-m", "benchmarks.encode_naive", str(originals), str(checkpoint)
        ],
        "ours": [*ours, str(originals), str(checkpoint), str(exports)],
        "ours, small copies": [*ours, str(copies), str(checkpoint), str(exports)],
    }  # fmt: skip
    _run(ways["ours"])  # the export and its trial, once
    if why_not := calibrate(exports):
        report.row(f"int8 is not used: {why_not}", 0.0, "pictures/s")
    else:
        ways[_INT8] = [*ways["ours"], "int8"]
    runs: dict[str, list[_Run]] = {way: [] for way in ways}
    for _ in range(_ROUNDS):
        for way, command in ways.items():
            runs[way].append(_run(command))
    rate = {way: count / statistics.median(run.seconds for run in found) for way, found in runs.items()}
    for way, found in runs.items():
        said = found[0].said.removeprefix("ready").strip()
        report.row(f"{count} files → vectors, {way}{f' ({said})' if said else ''}", rate[way], "pictures/s")
        memory = statistics.median(run.peak_mb for run in found)
        if (bound := _MEMORY_MB.get(way)) is None:
            report.row(f"memory of all processes, {way}", memory, "MB")
        else:
            report.row(f"memory of all processes, {way}", memory, "MB", f"≤ {bound}", memory <= bound)
    first, plain, own, small = list(rate.values())[:4]
    report.row("originals, ours against rclip", own / first, "×", "≥ 2.1", own / first >= 2.1)
    report.row("originals, ours against a plain bot", own / plain, "×", "≥ 4", own / plain >= 4)
    if _INT8 in rate:
        eighth = rate[_INT8] / first
        report.row("originals, ours in int8 against rclip", eighth, "×", "≥ 2.7", eighth >= 2.7)
    report.row("small copies against originals, ours", small / own, "×", "≥ 1.3", small / own >= 1.3)


def _run(command: Sequence[str]) -> _Run:
    """One process: it says that it is ready, is told to begin, and says the seconds that it took.

    Raises RuntimeError where it ends before, or takes longer than _LONGEST_S.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = threading.Timer(_LONGEST_S, process.kill)
    deadline.start()
    try:
        ready = process.stdout.readline().strip()
        with watched(process.pid) as peak:
            process.stdin.write("\n")
            process.stdin.flush()
            seconds = process.stdout.readline()
        process.stdin.close()  # it ends
    except BaseException:
        process.kill()
        raise
    finally:
        status = process.wait()  # the deadline holds for this too
        deadline.cancel()
    if not seconds:
        raise RuntimeError(f"{' '.join(command[:3])} did not say how long it took (status {status}, see above)")
    return _Run(float(seconds), peak.mb, ready)
