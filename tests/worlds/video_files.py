"""Real videos for the tests, of drawn frames. Needs the extra `video`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

import av
import numpy as np
from PIL import Image

from tests.worlds.picture_files import scene

SIZE = (96, 64)
SCENES = tuple(scene(*SIZE, seed) for seed in (1, 2, 3))


@cache
def video(container: str = "mp4", *, seconds_each: int = 2, apart: int = 12, blank: bool = False) -> bytes:
    """Each of SCENES for some seconds, ten frames a second, a key frame after each `apart` frames.

    `blank`: before them a second of white.
    """
    shown = [Image.new("RGB", SIZE, "white")] * (10 * blank)
    shown += [picture for picture in SCENES for _ in range(10 * seconds_each)]
    return filmed(shown, container, apart)


def filmed(frames: Sequence[Image.Image], container: str, apart: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream({"webm": "libvpx", "mp4": "libx264"}.get(container, "mpeg4"), rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 2_000_000
        stream.codec_context.gop_size = apart
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame.convert("RGB")), format="rgb24")))
        output.mux(stream.encode())
    return file.getvalue()


def sound() -> bytes:
    """A file that has sound and nothing to see."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=8_000)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts = 8_000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return file.getvalue()


def turned(data: bytes) -> bytes:
    """The same MP4 whose track says that it is to be turned by a quarter, clockwise, as phones write it."""
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version and flags, times and number, reserved, layer and volume
    one = 1 << 16
    matrix = (0, one, 0, (1 << 32) - one, 0, 0, SIZE[1] << 16, 0, 1 << 30)
    return data[:at] + b"".join(value.to_bytes(4, "big") for value in matrix) + data[at + 36 :]
