"""Bytes → the model's input: every format and mode, and every way of being broken, on real files."""

from __future__ import annotations

import hashlib
import struct
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageCms

from indexer.errors import Reason, Rejected
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.perceptual_hash import distance
from indexer.records.pictures import DecodedPicture, Pixels, PixelSpec, ResizeMode
from tests.worlds.picture_files import KINDS, encoded, moving, png_header, scene

SPEC = PixelSpec(64)


def decoded(data: bytes, spec: PixelSpec = SPEC, *, max_pixels: int = 100_000_000, frames: int = 1) -> DecodedPicture:
    return decode_picture(data, spec, Limits(max_pixels=max_pixels, frames=frames))


def reason_of(data: bytes, *, max_pixels: int = 100_000_000) -> Reason:
    with pytest.raises(Rejected) as caught:
        decoded(data, max_pixels=max_pixels)
    return caught.value.reason


def difference(first: Pixels, other: Pixels) -> float:
    """Mean absolute difference of channel values, 0–255."""
    return float(np.abs(first.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_and_mode_is_decoded(kind: str) -> None:
    picture = decoded(KINDS[kind])
    assert picture.frames[0].shape == (64, 64, 3)
    assert picture.frames[0].dtype == np.uint8
    assert (picture.width, picture.height) == (640, 480)
    assert picture.sha256 == hashlib.sha256(KINDS[kind]).digest()
    assert picture.byte_count == len(KINDS[kind])
    assert picture.format.lower() == kind.split()[0]
    assert not picture.animated
    assert 0 < picture.perceptual_hash < 2**64


@pytest.mark.parametrize("kind", ["png palette", "jpeg", "jpeg progressive", "webp", "gif", "avif", "bmp", "tiff lzw"])
def test_formats_agree_on_what_they_show(kind: str) -> None:
    assert difference(decoded(KINDS[kind]).frames[0], decoded(KINDS["png"]).frames[0]) < 9


@pytest.mark.parametrize("kind", ["png grey 16", "jpeg grey", "tiff float", "tiff 32 bit"])
def test_greys_of_any_depth_keep_their_scale(kind: str) -> None:
    assert difference(decoded(KINDS[kind]).frames[0], decoded(KINDS["png grey"]).frames[0]) < 2


def test_a_16_bit_colour_png_keeps_its_scale() -> None:
    # Pillow writes no 16-bit RGB: by hand, one colour of (0x8080, 0x4040, 0xffff)
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\x00" + struct.pack(">HHH", 0x8080, 0x4040, 0xFFFF) * 20) * 20
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert decoded(data).frames[0][32, 32].tolist() == [0x80, 0x40, 0xFF]


def test_what_is_transparent_becomes_white() -> None:
    hidden = Image.new("RGBA", (80, 80), (0, 0, 0, 0))  # black where nobody sees it
    for data in (
        encoded(hidden, "PNG"),
        encoded(hidden, "WEBP", lossless=True),
        encoded(hidden.convert("LA"), "PNG"),
        encoded(Image.new("P", (80, 80)), "PNG", transparency=0),
        encoded(Image.new("RGB", (80, 80), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        encoded(Image.new("P", (80, 80)), "GIF", transparency=0),
    ):
        assert decoded(data).frames[0].min() == 255


def test_a_cmyk_jpeg_shows_its_colours_not_their_negative() -> None:
    for colour in ((200, 30, 30), (240, 240, 240), (10, 10, 10)):
        data = encoded(Image.new("RGB", (80, 80), colour).convert("CMYK"), "JPEG", quality=95)
        assert np.abs(decoded(data).frames[0][32, 32].astype(int) - colour).max() < 8


@cache
def _upright() -> Image.Image:
    return scene(601, 400)


@cache
def _lying(orientation: int, picture_format: str) -> bytes:
    """A file of that picture whose pixels are turned, and that says how."""
    turn_back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    lying = _upright().transpose(turn_back) if turn_back is not None else _upright()
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(lying, picture_format, exif=exif, quality=95)


@cache
def _decoded_upright(mode: ResizeMode) -> DecodedPicture:
    return decoded(encoded(_upright(), "PNG"), PixelSpec(64, mode))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", list(ResizeMode))
def test_a_picture_is_turned_upright(orientation: int, picture_format: str, mode: ResizeMode) -> None:
    picture = decoded(_lying(orientation, picture_format), PixelSpec(64, mode))
    expected = _decoded_upright(mode)
    assert (picture.width, picture.height) == (601, 400)
    assert difference(picture.frames[0], expected.frames[0]) < 3
    assert distance(picture.perceptual_hash, expected.perceptual_hash) <= 2


def test_a_colour_profile_is_brought_to_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    plain = encoded(scene(), "PNG")
    # A profile for another kind of pixel, and bytes that are no profile, are ignored.
    for profile in (lab.tobytes(), b"not a profile", srgb.tobytes()):
        assert (
            difference(decoded(encoded(scene(), "PNG", icc_profile=profile)).frames[0], decoded(plain).frames[0]) == 0
        )
    # Red and blue swapped by a profile: what is stored as red is blue.
    swapped = _swapped_profile(srgb.tobytes())
    red = encoded(Image.new("RGB", (80, 80), (255, 0, 0)), "PNG", icc_profile=swapped)
    shown = decoded(red).frames[0][32, 32]
    assert shown[2] > 200
    assert shown[0] < 60


def _swapped_profile(profile: bytes) -> bytes:
    """An sRGB profile whose red and blue primaries have changed places, and which no longer calls itself sRGB."""
    return (
        profile.replace(b"rXYZ", b"~XYZ")
        .replace(b"bXYZ", b"rXYZ")
        .replace(b"~XYZ", b"bXYZ")
        .replace("sRGB".encode("utf-16-be"), "XRGB".encode("utf-16-be"))
    )


def test_broken_exif_does_not_cost_the_picture() -> None:
    assert decoded(encoded(scene(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")).width == 640


def test_a_representative_frame_is_not_the_blank_first_one() -> None:
    blank, shown = Image.new("RGB", (120, 80), (255, 255, 255)), scene(120, 80)
    still = decoded(encoded(shown, "PNG"))
    for picture_format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {"quality": 95})):
        for order in ([blank, shown, shown, shown], [blank, blank, blank, blank, shown], [shown, blank, blank, blank]):
            distinct = [frame.copy() for frame in order]
            for index, frame in enumerate(distinct):
                frame.paste((255 - 9 * index,) * 3, (0, 72, 8, 80))  # equal frames are written as one
            picture = decoded(moving(distinct, picture_format, **options))
            assert picture.frame_count == len(order)
            assert picture.animated
            assert len(picture.frames) == 1
            assert difference(picture.frames[0], still.frames[0]) < 12, (picture_format, order)


def test_the_second_view_of_a_camera_jpeg_is_no_animation() -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[scene(seed=2)])
    picture = decoded(data)
    assert (picture.format, picture.frame_count) == ("JPEG", 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (63, 65), (64, 64), (5000, 20)])
@pytest.mark.parametrize("mode", list(ResizeMode))
def test_any_shape_becomes_the_square(size: tuple[int, int], mode: ResizeMode) -> None:
    picture = decoded(encoded(scene(*size), "PNG"), PixelSpec(64, mode))
    assert picture.frames[0].shape == (64, 64, 3)
    assert (picture.width, picture.height) == size


def test_padding_has_the_colour_asked_for() -> None:
    frame = decoded(encoded(Image.new("RGB", (100, 50), (9, 9, 9)), "PNG"), PixelSpec(64, ResizeMode.LONGEST, fill=77))
    assert frame.frames[0][0, 0].tolist() == [77, 77, 77]
    assert frame.frames[0][32, 32].tolist() == [9, 9, 9]


# What is broken, each with its reason


def test_an_empty_file_is_empty() -> None:
    assert reason_of(b"") is Reason.EMPTY


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is no picture",
        b"<html><body>404</body></html>",
        b"\x00" * 500,
        b"BM, says the text",
        b"P6 is a plane",
    ],
)
def test_what_is_no_picture_is_told_by_its_bytes(data: bytes) -> None:
    assert reason_of(data) is Reason.NOT_A_PICTURE


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpeg progressive", "webp", "gif", "avif", "bmp", "tiff", "tiff lzw"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_file_that_breaks_off_is_truncated(kind: str, share: float) -> None:
    data = KINDS[kind]
    assert reason_of(data[: int(len(data) * share)]) is Reason.TRUNCATED


def test_a_damaged_file_is_corrupt() -> None:
    data = bytearray(KINDS["png"])
    data[len(data) // 2 : len(data) // 2 + 400] = b"\x00" * 400
    assert reason_of(bytes(data)) is Reason.CORRUPT


@pytest.mark.parametrize("size", [(50_000, 50_000), (12_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_header_that_promises_too_many_pixels_is_refused_before_decoding(size: tuple[int, int]) -> None:
    assert reason_of(png_header(*size)) is Reason.TOO_MANY_PIXELS


def test_the_pixel_limit_is_the_one_given() -> None:
    data = encoded(scene(640, 480), "PNG")
    assert decoded(data, max_pixels=640 * 480).width == 640
    assert reason_of(data, max_pixels=640 * 480 - 1) is Reason.TOO_MANY_PIXELS
    assert reason_of(KINDS["gif"], max_pixels=1000) is Reason.TOO_MANY_PIXELS


def test_the_name_plays_no_part() -> None:
    assert decoded(KINDS["webp"]).format == "WEBP"  # posted as photo.png: the bytes never say


@pytest.mark.parametrize("mode", list(ResizeMode))
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif"])
def test_a_thumbnail_shows_the_whole_picture(kind: str, mode: ResizeMode) -> None:
    thumbnail = decode_picture(KINDS[kind], PixelSpec(64, mode), Limits(100_000_000, thumbnail=True)).thumbnail
    assert thumbnail is not None
    assert thumbnail.shape == (192, 256, 3)
    whole = scene(640, 480).resize((256, 192), Image.Resampling.BOX)
    assert difference(thumbnail, np.asarray(whole)) < 8
    assert decoded(KINDS[kind]).thumbnail is None


def test_a_thumbnail_is_upright_and_never_larger_than_its_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(scene(600, 150), "JPEG", exif=exif)
    small = encoded(scene(40, 30), "PNG")
    limits = Limits(100_000_000, thumbnail=True)
    thumbnails = [decode_picture(data, SPEC, limits).thumbnail for data in (turned, small)]
    assert [thumbnail.shape[:2] for thumbnail in thumbnails if thumbnail is not None] == [(256, 64), (30, 40)]
    assert thumbnails[0] is not None
    upright = scene(600, 150).transpose(Image.Transpose.ROTATE_270).resize((64, 256), Image.Resampling.BOX)
    assert difference(thumbnails[0], np.asarray(upright)) < 8
