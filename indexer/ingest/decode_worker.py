"""One decode worker: a process that reads pictures from its standard input and writes squares to its standard output.

Imports only Pillow and numpy beside the standard library, so that it starts fast and stays small.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from PIL import AvifImagePlugin

from indexer.errors import Rejected
from indexer.ingest.decode_picture import Limits, decode_picture
from indexer.ingest.decode_protocol import ANSWER, READY, REQUEST
from indexer.model import DecodedPicture, PixelSpec, ResizeMode


def answer_to(data: bytes, spec: PixelSpec, limits: Limits) -> tuple[bytes, list[bytes]]:
    """The JSON header and the frames' bytes for one file."""
    try:
        picture = decode_picture(data, spec, limits)
    except Rejected as rejected:
        return json.dumps({"reason": rejected.reason, "detail": rejected.detail}).encode(), []
    return header_of(picture), [frame.tobytes() for frame in picture.frames]


def header_of(picture: DecodedPicture) -> bytes:
    return json.dumps(
        {
            "sha256": picture.sha256.hex(),
            "frames": len(picture.frames),
            "width": picture.width,
            "height": picture.height,
            "format": picture.format,
            "frame_count": picture.frame_count,
            "byte_count": picture.byte_count,
            "perceptual_hash": picture.perceptual_hash,
        }
    ).encode()


def serve(requests: BinaryIO, answers: BinaryIO, spec: PixelSpec, limits: Limits, timeout_s: float) -> None:
    """Answer requests until their end."""
    while head := requests.read(REQUEST.size):
        (length,) = REQUEST.unpack(head)
        data = requests.read(length)
        if len(data) < length:
            return
        _limit_time(timeout_s)
        header, frames = answer_to(data, spec, limits)
        _limit_time(0)
        del data
        answers.write(ANSWER.pack(len(header)))
        answers.write(header)
        for frame in frames:
            answers.write(frame)
        answers.flush()


def _limit_memory(beyond_bytes: int) -> None:
    """Cap the address space at what is mapped now plus `beyond_bytes`, where the system can; forbid files and cores."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        cap = pages * resource.getpagesize() + beyond_bytes
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    """Let the system end this process after so much processor time (SIGPROF); 0: no limit.

    Processor time, since a picture must not be called slow because the machine is busy. It also ends a worker whose bot
    is gone in the middle of a picture.
    """
    with suppress(AttributeError):  # Windows has none
        signal.setitimer(signal.ITIMER_PROF, seconds)


def main(arguments: str) -> None:
    """Run until standard input ends. `arguments` is JSON, written by indexer.ingest.decode."""
    settings = json.loads(arguments)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a worker is one core's worth of work
    spec = PixelSpec(settings["size"], ResizeMode(settings["resize_mode"]), settings["interpolation"], settings["fill"])
    limits = Limits(max_pixels=settings["max_pixels"], frames=settings["frames"])
    # A library that prints must not print into an answer: answers go to a copy of standard output, which then
    # becomes standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory(settings["memory_bytes"])
    answers.write(READY)
    answers.flush()
    with suppress(BrokenPipeError):  # whoever asked is gone
        serve(sys.stdin.buffer, answers, spec, limits, settings["timeout_s"])
    os._exit(0)  # nothing to clean up, and an interpreter's own farewell takes 20 ms
