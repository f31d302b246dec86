"""A picture file's bytes → the model's square input. Runs in the decode workers; imports only Pillow and numpy."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from indexer.errors import Reason, Rejected
from indexer.pictures.animation_frames import different_frames, representative_frame
from indexer.pictures.decode_cost import check_frames, check_jpeg
from indexer.pictures.decode_memory import picture_memory
from indexer.pictures.decode_repair import MAX_PROFILE, ends_early, with_end, without_extras
from indexer.pictures.decode_square import TRANSPOSE, Shrunk, square, thumbnail
from indexer.pictures.file_type import FORMATS, VIDEO_FORMATS, breaks_off, picture_format
from indexer.pictures.perceptual_hash import SIDE, perceptual_hash
from indexer.pictures.raw_type import RAW_FORMATS
from indexer.records.colours import samples
from indexer.records.pictures import THUMBNAIL_SIDE, DecodedPicture, Moment, Pixels, PixelSpec, ResizeMode

PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE  # Pillow allows a megabyte, but a printer's profile is larger when unpacked

# A picture is first averaged by a whole factor, and stays at least this many times larger than the input; only the rest
# is interpolated. Then the cosine to the embedding of the slow way is ≥ .99997. At 1 × it fell to .9975 (measured).
_HEADROOM = 2
_ORIENTATION = 0x0112
_SAMPLE = 64  # a stripe of a 64th of the picture keeps its colour
_NAMES = {"MPO": "JPEG", "HEIF": "HEIC"}  # Pillow's name → ours
_EARLY = ("truncated", "not enough", "unexpected end", "premature")  # the words of the decoders for missing bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a picture may cost, in pixels and bytes of memory. `frames`: how many an animation should give.
    `thumbnail`: whether one is made too. `videos`: whether they are opened. `copy_pixels`: the thumbnail is a larger
    copy, of at most so many pixels; 0: no such copy.
    """

    max_pixels: int
    memory_bytes: int = 2 * 1024**3
    frames: int = 1
    thumbnail: bool = False
    videos: bool = False
    copy_pixels: int = 0

    def thumbnail_ratio(self, width: int, height: int) -> float:
        """By how much a picture is shrunk to its thumbnail, at most 1; 0: none is made."""
        if self.copy_pixels:
            return min(math.sqrt(self.copy_pixels / max(width * height, 1)), 1.0)
        return min(THUMBNAIL_SIDE / max(width, height, 1), 1.0) if self.thumbnail else 0.0


def decode_picture(data: bytes, spec: PixelSpec, limits: Limits) -> DecodedPicture:
    """Decodes a file. For any bytes it raises only Rejected, with the reason."""
    file_format = picture_format(data, videos=limits.videos)
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            check_frames(data, file_format)
            file = data
            if file_format in VIDEO_FORMATS:
                return _decode_video(data, file_format, spec, limits)
            if file_format in RAW_FORMATS:
                decoded = _decode_raw(data, file_format, spec, limits)
                return replace(decoded, sha256=hashlib.sha256(data).digest(), byte_count=len(data))
            if file_format == "PNG":
                file = without_extras(data)
            elif file_format == "JPEG" and ends_early(data):
                file = _with_end(data, spec, limits)
            with Image.open(BytesIO(file), formats=("HEIF",) if file_format == "HEIC" else FORMATS) as image:
                decoded = _decode_open(image, file, spec, limits)
            return replace(decoded, sha256=hashlib.sha256(data).digest(), byte_count=len(data))
    except Rejected:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Rejected(Reason.TOO_MANY_PIXELS, str(error)) from error
    except MemoryError as error:
        raise Rejected(Reason.TOO_MUCH_MEMORY, f"{len(data)} bytes of {file_format}") from error
    except Exception as error:  # on hostile bytes Pillow's plugins raise nearly any type; all are handled alike
        text = f"{file_format}: {type(error).__name__}: {error}"[:300]
        early = breaks_off(data, file_format) or any(word in text.lower() for word in _EARLY)
        raise Rejected(Reason.TRUNCATED if early else Reason.CORRUPT, text) from error


def _prepare(image: Image.Image, data: bytes, spec: PixelSpec, limits: Limits) -> tuple[str, int]:
    """The format of an opened picture, and the factor by which its decoder will shrink it.

    Raises Rejected where decoding would cost more than allowed.
    """
    width, height = image.size
    if width * height > limits.max_pixels:
        raise Rejected(Reason.TOO_MANY_PIXELS, f"{width} × {height}")
    file_format = _NAMES.get(str(image.format), str(image.format))
    scale, scans = 1, 1
    if file_format == "JPEG":
        scans = check_jpeg(data, width * height)
        scale = _draft(image, spec, limits)
    copies = 1 if _factor(image, spec, limits) > 1 else 3  # without shrinking, every step makes another full copy
    needed = picture_memory(file_format, image.mode, *image.size, copies, width * height if scans > 1 else 0)
    if needed > limits.memory_bytes:
        raise Rejected(Reason.TOO_MUCH_MEMORY, f"{file_format}, {width} × {height}: about {needed:,} bytes")
    return file_format, scale


def _with_end(data: bytes, spec: PixelSpec, limits: Limits) -> bytes:
    """Adds the missing end marker to a JPEG. Raises Rejected where pixels are missing too."""
    ended, continued = with_end(data)
    if _pixels(ended, spec, limits) != _pixels(continued, spec, limits):
        raise Rejected(Reason.TRUNCATED, "JPEG without an end")
    return ended


def _pixels(data: bytes, spec: PixelSpec, limits: Limits) -> bytes:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        _prepare(image, data, spec, limits)
        return image.tobytes()


def _decode_raw(data: bytes, file_format: str, spec: PixelSpec, limits: Limits) -> DecodedPicture:
    """By the preview that the camera embedded, where it is large enough and sound; else developed."""
    from indexer.pictures.decode_raw import open_raw, size_of  # the worker has imported it, where the extra is there

    raw = open_raw(data, limits.max_pixels)
    size = (raw.height, raw.width) if raw.orientation >= 5 else (raw.width, raw.height)
    preview = raw.preview()
    decoded: DecodedPicture | None = None
    if preview is not None:
        with suppress(Exception):  # a broken preview: the sensor's data may be whole
            if _most_shrunk(*size_of(preview), spec, limits) >= 1:
                with Image.open(BytesIO(preview), formats=("JPEG",)) as image:
                    decoded = _decode_open(image, preview, spec, limits, turned=raw.orientation)
    if decoded is None:
        half = _most_shrunk(raw.width // 2, raw.height // 2, spec, limits) >= 1
        picture = Image.fromarray(raw.developed(half, limits.memory_bytes))
        decoded = _decode_open(picture, b"", spec, limits, turned=raw.orientation)
    return replace(decoded, width=size[0], height=size[1], format=file_format)


def _decode_video(data: bytes, file_format: str, spec: PixelSpec, limits: Limits) -> DecodedPicture:
    from indexer.pictures.decode_video import decode_video  # the worker has imported it, where the extra is there

    def shrink(frame: Image.Image) -> Shrunk:
        return _shrink(frame, spec, limits, frame.size)

    video = decode_video(data, file_format, limits.frames, limits.max_pixels, limits.memory_bytes, shrink)
    return _made(
        data,
        file_format,
        [frame.shrunk for frame in video.frames],
        (video.width, video.height),
        spec,
        limits,
        at_ms=[frame.at_ms for frame in video.frames],
    )


def _decode_open(
    image: Image.Image, data: bytes, spec: PixelSpec, limits: Limits, *, turned: int = 1
) -> DecodedPicture:
    """`turned` is the EXIF orientation where the picture itself names none."""
    width, height = image.size
    file_format, scale = _prepare(image, data, spec, limits)
    # A TIFF's pages and a JPEG's second view are not an animation.
    animates = file_format in ("PNG", "WEBP", "GIF", "AVIF")
    frame_count = max(int(getattr(image, "n_frames", 1)), 1) if animates else 1
    at_ms: list[int] = []

    def shrink(frame: Image.Image) -> Shrunk:
        return _shrink(frame, spec, limits, frame.size)

    if frame_count > 1 and limits.frames > 1:
        shown = different_frames(image, frame_count, limits.frames, shrink)
        pictures, at_ms = [frame.shrunk for frame in shown], [frame.at_ms for frame in shown]
    elif frame_count > 1:
        pictures = [representative_frame(image, data, frame_count, shrink)]
    else:
        image.load()
        pictures = [_shrink(image, spec, limits, (width / scale, height / scale))]
    # Pillow turns a TIFF upright when it loads it; other formats only name their orientation. It is read after loading:
    # a PNG may have EXIF after its pixels, and to read it Pillow would load the pixels and ignore their damage.
    orientation = 1 if file_format == "TIFF" else _orientation(image)
    orientation = turned if orientation == 1 else orientation
    upright = (height, width) if orientation >= 5 else (width, height)
    return _made(
        data,
        file_format,
        pictures,
        upright,
        spec,
        limits,
        orientation=orientation,
        frame_count=frame_count,
        at_ms=at_ms,
    )


def _made(
    data: bytes,
    file_format: str,
    pictures: Sequence[Shrunk],
    upright: tuple[int, int],
    spec: PixelSpec,
    limits: Limits,
    *,
    orientation: int = 1,
    frame_count: int = 1,
    at_ms: Sequence[int] = (),
) -> DecodedPicture:
    """`pictures`: the one that stands for the file first. `upright`: width and height of the original, when turned."""
    ratio = limits.thumbnail_ratio(*upright)
    hashes = [perceptual_hash(_greys(picture, orientation)) for picture in pictures]
    return DecodedPicture(
        sha256=hashlib.sha256(data).digest(),
        frames=tuple(square(picture, upright, orientation, spec) for picture in pictures),
        width=upright[0],
        height=upright[1],
        format=file_format,
        frame_count=frame_count,
        byte_count=len(data),
        perceptual_hash=hashes[0],
        colours=samples(_sample(pictures[0])),
        thumbnail=thumbnail(pictures[0], upright, orientation, ratio) if ratio else None,
        moments=tuple(map(Moment, at_ms, hashes)) if at_ms else (),
    )


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 -- broken EXIF raises any error, and the picture can be used without it
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _draft(image: Image.Image, spec: PixelSpec, limits: Limits) -> int:
    """Makes libjpeg decode at 1/2, 1/4 or 1/8 where that leaves the headroom. Returns the factor."""
    width, height = image.size
    scale = 1 / _most_shrunk(width, height, spec, limits)
    if scale < 1:
        image.draft(None, (max(int(width * scale), 1), max(int(height * scale), 1)))
    return round(width / image.width)


def _most_shrunk(width: int, height: int, spec: PixelSpec, limits: Limits) -> float:
    """How many times a picture can be shrunk so that the headroom remains, and enough for a thumbnail."""
    side = max(width, height) if spec.resize_mode is ResizeMode.LONGEST else min(width, height)
    most = side / (spec.size * _HEADROOM)
    ratio = limits.thumbnail_ratio(width, height)
    return min(most, 1 / ratio) if ratio else most


def _factor(image: Image.Image, spec: PixelSpec, limits: Limits) -> int:
    """The largest whole factor by which a picture can be averaged so that the headroom remains."""
    return max(int(_most_shrunk(*image.size, spec, limits)), 1)


def _shrink(image: Image.Image, spec: PixelSpec, limits: Limits, extent: tuple[float, float]) -> Shrunk:
    """A loaded picture as 8-bit RGB on white in sRGB, shrunk by a whole factor that leaves the headroom.

    `extent` is the picture's true size in the pixels of `image`.
    """
    profile = image.info.get("icc_profile")
    factor = _factor(image, spec, limits)
    # 32-bit greys are averaged first, because scaling them to 8 bits needs several copies of 4 bytes a pixel.
    deep = image.mode in ("I", "F")
    picture = _levels(image.reduce(factor)) if deep else _plain(image).reduce(factor)
    picture = _to_srgb(_on_white(picture), profile if isinstance(profile, bytes) else None)
    return Shrunk(picture, extent[0] / factor, extent[1] / factor)


def _plain(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be averaged: L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("L", "RGB") and "transparency" in image.info:  # the PNG names one transparent colour
        return image.convert("RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "LAB"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _levels(image: Image.Image) -> Image.Image:
    """32-bit greys as 8-bit greys. 16-bit values keep their scale; others are stretched over their own range."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "I" and low >= 0 and high <= 65_535:
        low, high = 0.0, 255.0 if high <= 255 else 65_535.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = max(high - low, 1e-12)
    return Image.fromarray(((values - low) * (255.0 / span)).round().clip(0, 255).astype(np.uint8))


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode == "LA":
        return Image.composite(picture.getchannel("L"), Image.new("L", picture.size, 255), picture.getchannel("A"))
    if picture.mode == "RGBA":
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture as RGB in sRGB. A profile that is broken or belongs to another mode is ignored."""
    if picture.mode == "LAB" or profile:
        transform = _transform(profile if picture.mode != "LAB" else None, picture.mode)
        if transform is not None:
            converted = ImageCms.applyTransform(picture, transform)
            if converted is not None:
                return converted
    return picture if picture.mode == "RGB" else picture.convert("RGB")


_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # Pillow's mode → the ICC data colour space it must match


@lru_cache(maxsize=32)  # a server's pictures come from a few devices
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from `profile` (None: CIELAB) to sRGB. None where none is needed or possible."""
    try:
        if profile is None:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            if source.profile.xcolor_space.strip() != _SPACES.get(mode):
                return None
            if mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
                return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return None


def _sample(shrunk: Shrunk) -> Pixels:
    """[_SAMPLE², 3]: the colours of the whole picture, each the mean of one of _SAMPLE × _SAMPLE fields."""
    small = shrunk.picture.resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX, box=(0.0, 0.0, shrunk.width, shrunk.height))
    return np.asarray(small).reshape(-1, 3)


def _greys(shrunk: Shrunk, orientation: int = 1) -> Pixels:
    """[SIDE, SIDE] greys of the whole picture, upright."""
    greys = shrunk.picture.convert("L").resize(
        (SIDE, SIDE), Image.Resampling.BOX, box=(0.0, 0.0, shrunk.width, shrunk.height)
    )
    return np.asarray(greys.transpose(TRANSPOSE[orientation]) if orientation in TRANSPOSE else greys)
