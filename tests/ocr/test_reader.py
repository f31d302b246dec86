"""The real reader, in its process. One is started for the whole file: it takes some seconds of a processor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from indexer.errors import ReadersBusy, Reason, Rejected
from indexer.picture_texts.ocr import reader_process
from indexer.picture_texts.ocr.models import RAPIDOCR, find_models
from indexer.picture_texts.ocr.reader_process import Readers, ReaderSettings, open_readers
from indexer.pictures.extras import installed
from tests.ocr.drawn import drawn, texts
from tests.worlds.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("reader of words"),
    pytest.mark.skipif(not installed(RAPIDOCR), reason="the extra ocr is not installed"),
]


def settings() -> ReaderSettings:
    return ReaderSettings(find_models(None, ["en"]), max_pixels=2_000_000, most_opened=1_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def readers() -> AsyncIterator[Readers]:
    async with open_readers(settings()) as readers:
        yield readers


async def test_it_reads_words_in_their_order_also_of_a_picture_on_its_side(readers: Readers) -> None:
    for turned in (False, True):
        lines = await readers.read(drawn("Meeting notes", "Invoice 4711", turned=turned))
        assert texts(lines) == ["Meeting notes", "Invoice 4711"]
        assert all(0.9 < line.confidence <= 1 for line in lines)


async def test_a_picture_without_words_has_no_lines(readers: Readers) -> None:
    assert await readers.read(drawn()) == []


async def test_files_that_cannot_be_read_are_rejected_and_the_reader_goes_on(readers: Readers) -> None:
    await readers.read(drawn())
    process = readers.pid
    for data, reason in (
        (b"words", Reason.NOT_A_PICTURE),
        (drawn("Meeting")[:-400], Reason.TRUNCATED),
        (drawn(size=(1200, 1200)), Reason.TOO_MANY_PIXELS),
    ):
        with pytest.raises(Rejected) as rejected:
            await readers.read(data)
        assert rejected.value.reason is reason
    assert readers.pid == process


@pytest.mark.skipif(sys.platform != "linux", reason="the lock-down and halting are Linux's")
async def test_the_reader_is_locked_down_as_a_picture_reader_is_and_has_the_lowest_priority(readers: Readers) -> None:
    await readers.read(drawn())
    assert readers.pid is not None
    reader = psutil.Process(readers.pid)
    assert reader.nice() == 19
    assert reader.environ().keys() <= {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX", "LC_CTYPE"}
    status = Path(f"/proc/{reader.pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    assert readers.lockdown.missing.keys() <= {"landlock"}, "a kernel may lack it"
    assert reader.net_connections() == []


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started from here on load no models."""
    monkeypatch.setattr(reader_process, "MODULE", "tests.worlds.stand_in_reader")


@pytest.mark.skipif(sys.platform != "linux", reason="halting is Linux's")
@pytest.mark.usefixtures("stand_in")
async def test_it_can_be_halted_before_and_after_it_starts_and_ends_when_it_rests() -> None:
    async with open_readers(settings()) as readers:
        readers.halt()
        reading = asyncio.create_task(readers.read(drawn(size=(64, 64))))
        await until(lambda: readers.pid is not None and psutil.Process(readers.pid).status() == psutil.STATUS_STOPPED)
        assert readers.pid is not None
        reader = psutil.Process(readers.pid)
        readers.go_on()
        assert texts(await reading) == ["alive"]
        readers.halt()
        await until(lambda: reader.status() == psutil.STATUS_STOPPED)
        await readers.rest()
        assert not reader.is_running()
        assert readers.pid is None


@pytest.mark.usefixtures("stand_in")
async def test_a_picture_over_which_two_readers_died_is_rejected_and_the_next_one_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_readers(settings()) as readers:
        with pytest.raises(Rejected, match="exit status 7") as rejected:
            await readers.read(drawn("deadly", size=(420, 160)))
        assert rejected.value.reason is Reason.WORKER_DIED
        assert sum("reader died" in record.message for record in caplog.records) == 2
        assert texts(await readers.read(drawn(size=(64, 64)))) == ["alive"]


async def test_models_that_cannot_be_loaded_say_why(tmp_path: Path) -> None:
    broken = tmp_path / "rec.onnx"
    broken.write_bytes(os.urandom(64))
    own = settings()
    async with open_readers(replace(own, models=replace(own.models, recognition=broken))) as readers:
        with pytest.raises(ReadersBusy, match=r"could be started.*rec\.onnx"):
            await readers.read(drawn("never read"))
