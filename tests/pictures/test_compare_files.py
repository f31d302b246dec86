"""Two files are compared in a locked-down worker, by the rules of every picture that is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image

from indexer.errors import Reason, Rejected
from indexer.pictures.decode_process import Worker, WorkerSettings
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.pictures.worker_process import WorkerDied
from indexer.records.ids import UserId
from indexer.records.pictures import PixelSpec
from indexer.settings import DecodeSettings
from sandbox.drawing import edits
from tests.worlds.scenery import png, scenery

ANNA = UserId(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    async with open_decoder(DecodeSettings(workers=1), PixelSpec(64)) as opened:
        yield opened


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_tells_what_was_done_to_a_copy_and_takes_no_other_picture(decoder: Decoder) -> None:
    original = scenery(1)
    async with decoder.turn_of(ANNA) as turn:
        copy = await turn.compare(png(edits.crop(edits.mirror(original), 0.8)), png(original))
        assert copy is not None
        assert copy.mirrored
        assert copy.share == pytest.approx(0.64, abs=0.03)
        assert await turn.compare(png(scenery(2)), png(original)) is None
        # The same worker still opens pictures, and gives the thumbnail that is compared.
        decoded = await turn.decode(png(original))
        assert decoded.thumbnail is not None
        assert decoded.thumbnail.shape == (192, 256, 3)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_file_that_cannot_be_read_is_rejected_whichever_of_the_two_it_is(decoder: Decoder) -> None:
    whole = png(scenery(1))
    async with decoder.turn_of(ANNA) as turn:
        for files in ((whole, whole[:900]), (whole[:900], whole)):
            with pytest.raises(Rejected) as refused:
                await turn.compare(*files)
            assert refused.value.reason is Reason.TRUNCATED
        with pytest.raises(Rejected):
            await turn.compare(whole, b"<html>")
        with pytest.raises(Rejected, match="too plain"):  # nothing was compared: they may be one picture or two
            await turn.compare(whole, png(Image.new("RGB", (200, 200), "navy")))


@pytest.mark.parametrize(
    "fields",
    [
        '{"copy": {"correlation": 7.0}}',
        '{"copy": [1]}',
        "{}",
        '{"copy": {"correlation": 0.9, "share": 2.0, "turned": 1}}',
    ],
)
async def test_a_worker_that_says_what_no_comparison_gives_is_not_believed(fields: str) -> None:
    worker = await Worker.start(WorkerSettings(PixelSpec(64), 10**8, 1, 512 * 1024**2, nice=0))
    try:
        answers = worker._answers
        answers.feed_data(len(fields).to_bytes(4, "little") + fields.encode())
        with pytest.raises(WorkerDied):
            await asyncio.wait_for(worker.compare(b"a", b"b", 1.0), 20)
    finally:
        await worker.kill()
