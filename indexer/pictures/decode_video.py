"""Frames of a video, through FFmpeg's libraries (PyAV).

Runs in the decode workers of what is indexed, and only where the extra `video` is installed. PyAV itself imports
`av.subtitles` when it opens a file, which a locked-down worker cannot, so that is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import av
import av.subtitles.stream
from PIL import Image

from indexer.errors import Reason, Rejected
from indexer.pictures.animation_frames import LOOKED_AT, FrameChoice, ShownFrame, Shrink

# FFmpeg's readers of the formats that file_type.py knows. No other may be tried: some open further files.
CONTAINERS: Final = {"MP4": "mov", "QuickTime": "mov", "WebM": "matroska"}
# Key frames can be decoded without others. Of a video with fewer of them, as short ones have, every frame is decoded.
_KEY_FRAMES = 8
# Pixels that are decoded of a video in all: 96 frames of 1920 × 1080, which take a second of processor time.
_MAX_PIXELS = 200_000_000
# Bytes for each pixel of the pictures that a decoder holds: 16 to refer to, and ours, at 12 bits a pixel; then RGB.
_HELD = 17 * 3 // 2 + 2 * 3
_MOST_PACKETS = 100_000  # 55 minutes of 30 frames a second


@dataclass(frozen=True, slots=True)
class Video:
    """`width` and `height` are upright, in pixels. `frames`: the one that stands for the video, then others."""

    width: int
    height: int
    frames: list[ShownFrame]


def decode_video(
    data: bytes, file_format: str, sought: int, max_pixels: int, memory_bytes: int, shrink: Shrink
) -> Video:
    """At most `sought` frames. The one that stands for the video looks most like its first that has something on it.
    Discord's own still picture is such a frame.

    Raises Rejected, and what PyAV raises for a damaged file.
    """
    with av.open(BytesIO(data), "r", format=CONTAINERS[file_format], metadata_errors="ignore") as container:
        if not container.streams.video:
            raise Rejected(Reason.VIDEO, f"{file_format} without a picture", file_format=file_format)
        stream = container.streams.video[0]
        width, height = stream.width, stream.height
        if not 0 < width * height <= max_pixels:
            raise Rejected(Reason.TOO_MANY_PIXELS, f"{width} × {height}")
        if width * height * _HELD > memory_bytes:
            raise Rejected(Reason.TOO_MUCH_MEMORY, f"{file_format}, {width} × {height}")
        stream.codec_context.thread_count = 1  # a locked-down worker may start none
        choice, turned, first = FrameChoice(sought), 0, True
        for frame in _looked_at(container, stream, max(_MAX_PIXELS // (width * height), 1)):
            turned = frame.rotation
            image = _upright(Image.fromarray(frame.to_ndarray(format="rgb24")), turned)
            start = stream.start_time or 0
            at_ms = round(((frame.pts or 0) - start) * (frame.time_base or 0) * 1000)
            choice.look_at(ShownFrame(shrink(image), max(at_ms, 0)), may_stand=True)
            first = False
    if first:
        raise Rejected(Reason.CORRUPT, f"{file_format}: no frame can be decoded")
    return Video(*((height, width) if turned % 180 else (width, height)), choice.chosen())


def _looked_at(container: av.container.InputContainer, stream: av.VideoStream, most: int) -> Iterator[av.VideoFrame]:
    """LOOKED_AT frames at most, evenly spread, of which no more than `most` are decoded."""
    keys, packets = [], 0
    for packet in container.demux(stream):
        packets += packet.pts is not None
        if packet.is_keyframe and packet.pts is not None:
            keys.append(packet.pts)
        if packets >= _MOST_PACKETS:
            break
    if len(keys) < _KEY_FRAMES:
        yield from _every_frame(container, stream, min(packets, most))
        return
    count = min(LOOKED_AT, most, len(keys))
    stream.codec_context.skip_frame = "NONKEY"
    for number in range(count):
        container.seek(keys[len(keys) * number // count], stream=stream)
        if (frame := next(container.decode(stream), None)) is not None:
            yield frame


def _every_frame(container: av.container.InputContainer, stream: av.VideoStream, count: int) -> Iterator[av.VideoFrame]:
    """Of the first `count` frames LOOKED_AT at most, evenly spread."""
    wanted = {count * number // LOOKED_AT for number in range(LOOKED_AT)} | {count - 1}
    container.seek(stream.start_time or 0, stream=stream)
    for number, frame in enumerate(container.decode(stream)):
        if number in wanted:
            yield frame
        if number >= count - 1:
            return


def _upright(image: Image.Image, degrees: int) -> Image.Image:
    """`degrees` counterclockwise are what the file says that it is to be turned by."""
    turns = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    turn = turns.get(degrees % 360)
    return image if turn is None else image.transpose(turn)
