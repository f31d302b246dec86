"""The captioner and its processes: a reader opens the picture, the model's process gets its pixels. No torch here."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from PIL import Image

from indexer.errors import Reason, Rejected, RetryLater
from indexer.picture_texts.captions import captioner as captioner_module
from indexer.picture_texts.captions.captioner import Captioner
from indexer.picture_texts.reading import Reading
from indexer.settings import CaptionSettings, DecodeSettings, Settings
from tests.worlds.picture_files import encoded
from tests.worlds.stand_in_captioner import NOWHERE
from tests.worlds.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("captioner")]


@pytest.fixture(scope="module", autouse=True)
def stand_in() -> Iterator[None]:
    """Processes that are started from here on load no model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captioner_module, "WORKER", "tests.worlds.stand_in_captioner")
        yield


def settings(tmp_path: Path, name: str = "stand-in") -> Settings:
    return Settings(
        data_dir=tmp_path, decode=DecodeSettings(workers=1), captions=CaptionSettings(enabled=True, name=name)
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def captioner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Captioner]:
    found = Captioner(settings(tmp_path_factory.mktemp("captioner")))
    yield found
    await found.rest()


def shade(of: int) -> bytes:
    """A PNG that has this brightness all over."""
    return encoded(Image.new("RGB", (24, 20), (of, of, of)), "PNG")


def awake(captioner: Captioner) -> bool:
    return captioner.pid is not None


async def test_it_describes_a_picture_and_says_nothing_of_one_that_has_no_caption(captioner: Captioner) -> None:
    assert await captioner.read(shade(40)) == Reading("a picture of 40", 0.5), "without what a terminal would act on"
    assert await captioner.read(shade(0)) == Reading("", None)


async def test_a_picture_over_which_two_processes_died_is_rejected_and_the_next_one_is_described(
    captioner: Captioner, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Rejected) as rejected:
        await captioner.read(shade(255))
    assert rejected.value.reason is Reason.WORKER_DIED
    assert sum("the process of captions died" in record.message for record in caplog.records) == 2
    assert await captioner.read(shade(7)) == Reading("a picture of 7", 0.5)


async def test_a_file_that_is_no_picture_never_reaches_the_model(captioner: Captioner) -> None:
    await captioner.read(shade(1))
    process = captioner.pid
    with pytest.raises(Rejected) as rejected:
        await captioner.read(b"words")
    assert rejected.value.reason is Reason.NOT_A_PICTURE
    assert captioner.pid == process


@pytest.mark.skipif(sys.platform != "linux", reason="halting is Linux's")
async def test_it_is_halted_before_and_after_its_process_starts_and_ends_when_it_rests(captioner: Captioner) -> None:
    await captioner.rest()
    assert not awake(captioner)
    captioner.halt()
    reading = asyncio.create_task(captioner.read(shade(9)))
    await until(lambda: captioner.pid is not None and psutil.Process(captioner.pid).status() == psutil.STATUS_STOPPED)
    assert captioner.pid is not None
    process = psutil.Process(captioner.pid)
    assert not reading.done()
    captioner.go_on()
    assert await reading == Reading("a picture of 9", 0.5)
    captioner.halt()
    await until(lambda: process.status() == psutil.STATUS_STOPPED)
    await captioner.rest()
    assert not process.is_running()
    captioner.go_on()


async def test_what_takes_too_long_is_given_up_and_its_process_ends(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    await captioner.read(shade(1))
    assert captioner.pid is not None
    process = psutil.Process(captioner.pid)
    captioner.halt()
    monkeypatch.setattr(captioner_module, "LONGEST_S", 0.05)
    with pytest.raises(Rejected) as rejected:
        await captioner.read(shade(2))
    assert rejected.value.reason is Reason.TOO_SLOW
    await until(lambda: not process.is_running())
    captioner.go_on()


async def test_a_model_that_is_not_to_be_had_is_tried_again_later(tmp_path: Path) -> None:
    nowhere = Captioner(settings(tmp_path, NOWHERE))
    for _ in range(2):
        with pytest.raises(RetryLater, match="no such weights"):
            await nowhere.read(shade(1))
    await nowhere.rest()


async def test_files_of_a_folder_that_are_replaced_have_another_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"1")
    before = Captioner(settings(tmp_path, str(tmp_path))).name
    assert before == Captioner(settings(tmp_path, str(tmp_path))).name
    (tmp_path / "model.safetensors").write_bytes(b"22")
    assert before != Captioner(settings(tmp_path, str(tmp_path))).name
