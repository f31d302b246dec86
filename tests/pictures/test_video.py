"""Videos by their frames, in real locked-down workers; and without the extra, or for a question, as before."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

from indexer.errors import Reason, Rejected
from indexer.pictures import extras
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.pictures.extras import VIDEO, installed
from indexer.pictures.file_type import picture_format
from indexer.records.ids import UserId
from indexer.records.pictures import Pixels, PixelSpec
from indexer.settings import DecodeSettings
from tests.worlds.picture_files import encoded

if not installed(VIDEO):
    pytest.skip("pip install 'afterimage[video]'", allow_module_level=True)

from tests.worlds.video_files import SCENES, SIZE, sound, turned, video

SPEC = PixelSpec(64)
pytestmark = pytest.mark.xdist_group("videos")


@pytest.fixture(scope="module")
def stills() -> list[Pixels]:
    return [decode_picture(encoded(picture, "PNG"), SPEC, Limits(10**7)).frames[0] for picture in SCENES]


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    async with open_decoder(DecodeSettings(workers=1, memory_bytes=512 * 1024**2), SPEC) as opened:
        yield opened


def which(frame: Pixels, stills: list[Pixels]) -> int:
    return min(range(len(stills)), key=lambda at: float(np.abs(stills[at].astype(int) - frame.astype(int)).mean()))


@pytest.mark.parametrize(("container", "name"), [("mp4", "MP4"), ("mov", "QuickTime"), ("webm", "WebM")])
async def test_a_locked_down_worker_finds_every_scene_of_a_video_with_its_time(
    decoder: Decoder, stills: list[Pixels], container: str, name: str
) -> None:
    """With key frames in each scene, and with one in all."""
    for apart in (3, 500):
        picture = await decoder.decode(video(container, apart=apart), thumbnail=True)
        assert (picture.format, picture.frame_count, (picture.width, picture.height)) == (name, 1, SIZE)
        assert [which(frame, stills) for frame in picture.frames] == [0, 1, 2]
        assert [moment.at_ms // 2_000 for moment in picture.moments] == [0, 1, 2]
        assert picture.thumbnail is not None


async def test_a_long_blank_beginning_does_not_stand_for_the_video(decoder: Decoder, stills: list[Pixels]) -> None:
    picture = await decoder.decode(video(blank=True))
    assert which(picture.frames[0], stills) == 0
    assert picture.moments[0].at_ms >= 1_000


async def test_a_video_of_a_phone_is_turned_upright(decoder: Decoder) -> None:
    upright = [picture.transpose(Image.Transpose.ROTATE_270) for picture in SCENES]
    stills = [decode_picture(encoded(picture, "PNG"), SPEC, Limits(10**7)).frames[0] for picture in upright]
    picture = await decoder.decode(turned(video()))
    assert (picture.width, picture.height) == SIZE[::-1]
    assert float(np.abs(picture.frames[0].astype(int) - stills[0].astype(int)).mean()) < 16


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x18ftypisom" + bytes(900), Reason.CORRUPT),
        (video()[: len(video()) // 3], Reason.TRUNCATED),
        (sound(), Reason.VIDEO),
    ],
    ids=["nothing", "a third", "only sound"],
)
async def test_what_cannot_be_seen_is_rejected_with_a_reason(decoder: Decoder, data: bytes, reason: Reason) -> None:
    with pytest.raises(Rejected) as rejected:
        await decoder.decode(data)
    assert rejected.value.reason is reason


async def test_too_many_pixels_and_too_much_memory_are_told_before_a_frame_is_decoded() -> None:
    for limits, reason in (
        (Limits(1_000, videos=True), Reason.TOO_MANY_PIXELS),
        (Limits(10**7, memory_bytes=10_000, videos=True), Reason.TOO_MUCH_MEMORY),
    ):
        with pytest.raises(Rejected) as rejected:
            decode_picture(video(), SPEC, limits)
        assert rejected.value.reason is reason


async def test_a_question_opens_no_video_and_nobody_does_without_the_extra(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with decoder.turn_of(UserId(1)) as turn:
        with pytest.raises(Rejected) as rejected:
            await turn.decode(video())
    assert rejected.value.reason is Reason.VIDEO
    assert picture_format(video(), videos=True) == "MP4"
    monkeypatch.setattr("indexer.pictures.file_type.installed", lambda extra: False)
    with pytest.raises(Rejected) as rejected:
        await decoder.decode(video())
    assert rejected.value.reason is Reason.VIDEO


def test_the_first_start_with_the_extra_tries_again_what_was_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    with_extra = extras.readers_version(1)
    monkeypatch.setattr(extras, "installed", lambda extra: extra is not VIDEO)
    assert extras.readers_version(1) == with_extra - VIDEO.version
