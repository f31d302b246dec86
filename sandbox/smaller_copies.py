"""The copies that Discord's media proxy makes of a picture: smaller, in another format, moving or still."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, ImageSequence

_FORMATS: Final = {"webp": "WEBP", "jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "gif": "GIF"}
_MOVING: Final = ("WEBP", "GIF")
_QUALITIES: Final = {"lossless": 100, "high": 90, "low": 50}
_MOST_PIXELS: Final = 178_956_970  # the proxy does not open pictures that Pillow rejects as decompression bombs


class Unmeasured(Exception):
    """The proxy cannot make a picture from the file."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The parameters of a query: the box in pixels, the format, and whether a moving picture keeps moving."""

    width: int | None
    height: int | None
    kind: str | None
    quality: int
    animated: bool

    @property
    def original(self) -> bool:
        """Whether it asks for no change: the file is sent unchanged."""
        return (self.width, self.height, self.kind) == (None, None, None)


def asked(query: Mapping[str, str]) -> Copy | None:
    """The parameters of a request to the proxy; None when they make no sense."""
    sizes = []
    for key in ("width", "height"):
        text = query.get(key)
        if text is not None and (not text.isdecimal() or not 1 <= int(text) <= 4096):
            return None
        sizes.append(None if text is None else int(text))
    kind = query.get("format")
    if kind is not None and kind not in _FORMATS:
        return None
    animated = query.get("animated", "").lower() == "true"
    return Copy(sizes[0], sizes[1], kind, _QUALITIES.get(query.get("quality", ""), 80), animated)


def made(data: bytes, copy: Copy) -> bytes:
    """A copy that fits into the box. It is never enlarged. Raises Unmeasured."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as source:
                if source.width * source.height > _MOST_PIXELS:
                    raise Unmeasured
                saved = _FORMATS[copy.kind] if copy.kind else (source.format or "PNG")
                box = (copy.width or source.width, copy.height or source.height)
                if copy.animated and saved in _MOVING and getattr(source, "is_animated", False):
                    return _moving(source, box, saved, copy.quality)
                source.draft("RGB", box)
                image = _fitted(ImageOps.exif_transpose(source), box)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unmeasured from error
    if saved == "JPEG":
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, saved, quality=copy.quality)
    return file.getvalue()


def _moving(source: Image.Image, box: tuple[int, int], saved: str, quality: int) -> bytes:
    """All its frames, each shown as long as in the original."""
    frames, times = [], []
    for frame in ImageSequence.Iterator(source):
        times.append(int(frame.info.get("duration") or 100))
        frames.append(_fitted(frame.copy(), box))
    file = io.BytesIO()
    frames[0].save(
        file, saved, save_all=True, append_images=frames[1:], duration=times, loop=source.info.get("loop", 0),
        quality=quality,
    )  # fmt: skip
    return file.getvalue()


def _fitted(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    """The picture within the box, in a mode that every format can store."""
    if image.mode not in ("RGB", "RGBA", "L"):
        transparent = "transparency" in image.info or image.mode in ("LA", "PA")
        image = image.convert("RGBA" if transparent else "RGB")
    image.thumbnail(box, Image.Resampling.BICUBIC)
    return image


def content_type(data: bytes) -> str:
    """The type of a copy, from its first bytes."""
    if data[:4] == b"RIFF":
        return "image/webp"
    if data[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    return "image/gif" if data[:3] == b"GIF" else "image/png"
