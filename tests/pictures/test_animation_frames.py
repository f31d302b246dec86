"""Which frames of an animation are embedded: one that stands for it, and others that look different."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.pictures import animation_frames
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.perceptual_hash import distance
from indexer.records.pictures import DecodedPicture, Pixels, PixelSpec
from tests.worlds.picture_files import encoded, moving, scene

SIZE = (96, 64)
A, B, C, D = (scene(*SIZE, seed) for seed in (1, 2, 3, 4))
BLANK = Image.new("RGB", SIZE, (250, 250, 250))
FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {"quality": 95}),
)  # fmt: skip


def decoded(data: bytes, frames: int) -> DecodedPicture:
    return decode_picture(data, PixelSpec(64), Limits(100_000_000, frames=frames))


def animation(frames: list[Image.Image], picture_format: str = "WEBP", **options: Any) -> bytes:
    """Frames of 50 ms. A corner differs in each, because equal frames are written as one."""
    distinct = [frame.copy() for frame in frames]
    for index, frame in enumerate(distinct):
        frame.paste((255 - 9 * index % 200,) * 3, (0, 60, 4, 64))
    return moving(distinct, picture_format, **options)


def which(frame: Pixels, drawn: list[Image.Image]) -> int:
    """The drawn picture that the frame shows."""
    stills = [decoded(encoded(image, "PNG"), 1).frames[0] for image in drawn]
    return min(range(len(drawn)), key=lambda at: float(np.abs(stills[at].astype(int) - frame.astype(int)).mean()))


@pytest.mark.parametrize(("picture_format", "options"), FORMATS)
def test_every_scene_has_a_frame_with_its_time_and_its_hash(picture_format: str, options: dict[str, Any]) -> None:
    data = animation([A, A, A, A, B, C, C, C], picture_format, **options)
    picture = decoded(data, 3)
    assert [which(frame, [A, B, C]) for frame in picture.frames] == [0, 1, 2]
    times = [moment.at_ms for moment in picture.moments]
    assert times[0] in (0, 50, 100, 150)
    assert times[1] == 200
    assert times[2] in (250, 300, 350)
    for moment, image in zip(picture.moments, (A, B, C), strict=True):
        assert distance(moment.perceptual_hash, decoded(encoded(image, "PNG"), 1).perceptual_hash) <= 8
    assert picture.moments[0].perceptual_hash == picture.perceptual_hash == decoded(data, 1).perceptual_hash


def test_the_others_come_in_order_of_time_after_the_one_that_stands_for_the_animation() -> None:
    picture = decoded(animation([B, C, A, A, A, D, D]), 4)
    assert [which(frame, [A, B, C, D]) for frame in picture.frames] == [0, 1, 2, 3]
    times = [moment.at_ms for moment in picture.moments[1:]]
    assert times == sorted(times)


def test_no_more_frames_than_are_asked_for_and_of_more_scenes_different_ones() -> None:
    scenes = [scene(*SIZE, seed) for seed in range(10, 19)]
    picture = decoded(animation(scenes), 3)
    assert len({which(frame, scenes) for frame in picture.frames}) == 3
    assert len(decoded(animation(scenes), 8).frames) == 8


def test_an_animation_that_hardly_changes_has_one_frame_and_one_moment() -> None:
    picture = decoded(animation([A] * 12), 8)
    assert (len(picture.frames), len(picture.moments)) == (1, 1)


def test_one_frame_is_chosen_without_looking_at_the_others_and_a_still_has_no_moments() -> None:
    assert decoded(animation([A, B, C]), 1).moments == ()
    assert decoded(encoded(A, "PNG"), 8).moments == ()


@pytest.mark.parametrize(("picture_format", "options"), FORMATS)
def test_a_blank_frame_is_neither_the_first_nor_another(picture_format: str, options: dict[str, Any]) -> None:
    for frames in ([BLANK, BLANK, A, A], [A, BLANK, BLANK, BLANK, BLANK], [BLANK, A, BLANK, B]):
        picture = decoded(animation(frames, picture_format, **options), 3)
        shown = [which(frame, [A, B, BLANK]) for frame in picture.frames]
        assert shown == ([0, 1] if B in frames else [0]), (picture_format, shown)
    assert len(decoded(animation([BLANK] * 4), 3).frames) == 1


def test_a_fade_from_one_scene_to_the_next_stands_for_neither() -> None:
    """Also where it lies at a third of the animation."""
    faded = Image.blend(A, B, 0.5)
    picture = decoded(animation([A, A, A, faded, B, B, B, B, B, B]), 2)
    assert [which(frame, [A, B, faded]) for frame in picture.frames] == [0, 1]


def test_of_very_large_frames_fewer_are_held_and_still_of_all_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation_frames, "_HELD_BYTES", 7 * 3 * SIZE[0] * SIZE[1])
    picture = decoded(animation([A] * 10 + [B] * 10 + [C] * 10), 3)
    assert [which(frame, [A, B, C]) for frame in picture.frames] == [1, 0, 2]


def test_frames_beyond_the_pixels_that_may_be_compared_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = animation([A, A, A, A, B, B, C, C])
    monkeypatch.setattr(animation_frames, "_MAX_COMPARED_PIXELS", 6 * SIZE[0] * SIZE[1])
    assert [which(frame, [A, B, C]) for frame in decoded(data, 3).frames] == [0, 1]


def test_a_frame_that_names_no_time_is_shown_as_long_as_browsers_show_it() -> None:
    data = encoded(A, "GIF", save_all=True, append_images=[B, C], duration=0, loop=0)
    assert [moment.at_ms for moment in decoded(data, 3).moments] == [100, 0, 200]
