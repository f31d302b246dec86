"""What is known of a decoded picture beside its pixels, as JSON: from a reader's process, and from another machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from indexer.records.colours import are_samples
from indexer.records.pictures import DecodedPicture, Moment, Pixels

MOST_COUNT = 2**31


def header_of(picture: DecodedPicture) -> dict[str, Any]:
    """For JSON. `frames` is how many there are; `thumbnail` is [width, height], or None."""
    return {
        "sha256": picture.sha256.hex(),
        "frames": len(picture.frames),
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "frame_count": picture.frame_count,
        "byte_count": picture.byte_count,
        "perceptual_hash": picture.perceptual_hash,
        "colours": picture.colours.hex(),
        "thumbnail": None if picture.thumbnail is None else picture.thumbnail.shape[1::-1],
        "moments": [(moment.at_ms, moment.perceptual_hash) for moment in picture.moments],
    }


def number(header: Mapping[str, object], key: str, most: int) -> int:
    """Raises ValueError for what is none, or is larger, KeyError where it is missing."""
    value = header[key]
    if not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"{key} = {value!r}")
    return value


def picture_of(
    header: Mapping[str, object], byte_count: int, frames: Sequence[Pixels] = (), thumbnail: Pixels | None = None
) -> DecodedPicture:
    """The picture that a header speaks of, with these pixels. Raises ValueError, KeyError or TypeError for what no
    picture has: whoever wrote it has read an untrusted file."""
    return DecodedPicture(
        sha256=bytes.fromhex(str(header["sha256"])),
        frames=tuple(frames),
        width=number(header, "width", MOST_COUNT),
        height=number(header, "height", MOST_COUNT),
        format=str(header["format"]),
        frame_count=number(header, "frame_count", MOST_COUNT),
        byte_count=byte_count,
        perceptual_hash=number(header, "perceptual_hash", 2**64 - 1),
        colours=_colours(header["colours"]),
        thumbnail=thumbnail,
        moments=_moments(header["moments"], number(header, "frames", MOST_COUNT)),
    )


def _colours(digits: object) -> bytes:
    """Raises ValueError for what no picture has."""
    colours = bytes.fromhex(str(digits))
    if not are_samples(colours):
        raise ValueError(f"colours = {digits!r}")
    return colours


def _moments(found: object, frames: int) -> tuple[Moment, ...]:
    """Raises ValueError for what no animation of so many frames has."""
    moments = []
    for pair in found if isinstance(found, list) else [None]:
        match pair:
            case [int(at_ms), int(bits)] if 0 <= at_ms < 2**31 and 0 <= bits < 2**64:
                moments.append(Moment(at_ms, bits))
            case _:
                raise ValueError(f"moments = {found!r}")
    if moments and len(moments) != frames:
        raise ValueError(f"moments = {found!r} of {frames} frames")
    return tuple(moments)
