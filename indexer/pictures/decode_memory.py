"""How much memory decode workers may use, and how much a picture needs, computed before it is decoded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_SHARE = 4  # all workers together may take a quarter of the machine
_AT_START = 48 * 1024**2  # bytes resident in a worker that has decoded nothing yet
_LEAST, _MOST = 64 * 1024**2, 2 * 1024**3
_UNKNOWN = 4 * 1024**3  # assumed for a machine that does not report its memory

_CGROUPS = Path("/sys/fs/cgroup")

# Bytes a pixel in Pillow: one for what is one channel of 8 bits, two for 16, four for everything else.
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
_CONVERTED = ("1", "P", "PA", "I;16", "I;16B", "I;16L", "LA", "RGBa")
# A row is a block with a pointer to it.
_ROW = 8
# What the C libraries need in addition to Pillow's own picture, in bytes a pixel. WebP: two canvases and the frame's
# bytes. AVIF and HEIC: its planes twice, and the frame's bytes. A JPEG of several scans: two bytes a coefficient.
_BESIDE = {"WEBP": 12.0, "AVIF": 10.0, "HEIC": 10.0, "GIF": 9.0, "JPEG": 0.0, "PNG": 0.0, "BMP": 0.0, "TIFF": 4.0}
_COEFFICIENTS = 6.0


def worker_memory(processes: int) -> int:
    """Bytes of address space for each worker, beyond what it has at its start; all share a quarter of memory."""
    return max(min(machine_memory() // _SHARE // processes - _AT_START, _MOST), _LEAST)


def machine_memory() -> int:
    """Bytes of memory that this process can use: those of the machine, or of its container."""
    sizes = [_UNKNOWN]
    if sys.platform != "win32":
        with suppress(ValueError, OSError):
            sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _limit_files():
        with suppress(OSError, ValueError):  # "max" is no number: no limit
            sizes.append(int(path.read_text()))
    return min(sizes)


def _limit_files() -> Iterator[Path]:
    """The files in which Linux gives the memory limits of this process's groups."""
    yield _CGROUPS / "memory" / "memory.limit_in_bytes"  # version 1, inside a container
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                folder = _CGROUPS / line.removeprefix("0::").strip("/")
                yield from (
                    group / "memory.max" for group in (folder, *folder.parents) if group.is_relative_to(_CGROUPS)
                )


def picture_memory(file_format: str, mode: str, width: int, height: int, copies: int = 1, scanned: int = 0) -> int:
    """About how many bytes decoding takes at its peak.

    It is the sum of `copies` of the picture in Pillow's `mode`, one more in RGBA where it must be converted, and the
    memory of the format's library. `scanned` are the pixels of a JPEG of several scans: its library must keep all of
    them, also where it decodes at a smaller size.
    """
    converted = 4 if mode in _CONVERTED else 0
    a_pixel = _BYTES.get(mode, 4) * copies + converted + _BESIDE.get(file_format, 4.0)
    return int(height * _ROW * (copies + 1) + width * height * a_pixel + scanned * _COEFFICIENTS)
