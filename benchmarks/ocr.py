"""`make bench-ocr`: whether words in pictures are read and found, how fast, and what members and the memory feel of it.

Quality: screenshots and captioned pictures (ocr_pictures.py), all in one server, are read by two readers as the bot
has them. Then each is asked for by two to four words that stand in it, without quotes and with. The model of the search
knows none of these words. `recall@1`: the picture is the first hit. Beside it RapidOCR, called as its documentation
shows, reads some of the same pictures on one core. Speed and memory: ocr_speed.py.

`python -m benchmarks.ocr quality`, `… weight`, `… speed` and `… memory` run a part, and leave the other rows of the
record as they are. `python -m benchmarks.ocr quality 4` draws 4 pictures of a kind and script.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil

from benchmarks import ocr_speed, ocr_weight
from benchmarks.ocr_pictures import SCRIPTS, Drawn, Script, captioned, readable, screenshot
from benchmarks.ocr_weight import first_hit
from benchmarks.report import Report
from indexer.database.database import open_database
from indexer.picture_texts.ocr.lines import reading_of
from indexer.picture_texts.ocr.models import find_models
from indexer.picture_texts.ocr.reader_process import Readers, ReaderSettings, open_readers
from indexer.records.ids import MessageId
from indexer.settings import OcrSettings
from tests.worlds.library import Library

KINDS = {"screenshots": screenshot, "captioned pictures": captioned}
OF_A_KIND = 84  # pictures of each kind in each script
PLAIN = 20  # that RapidOCR reads by itself too
NOISE = 200  # pictures without words
_MOST_OPENED = 100_000_000  # pixels


@dataclass(frozen=True, slots=True)
class _Posted:
    """A picture, the text that was read in it, and the seconds of processor time that this took."""

    script: Script
    kind: str
    drawn: Drawn
    text: str
    spent_s: float


async def quality(report: Report, folder: Path, of_a_kind: int = OF_A_KIND) -> None:
    """The rows of what is found."""
    scripts = [script for script in SCRIPTS if readable(script)]
    for script in SCRIPTS:
        if script not in scripts:
            print(f"{script.name}: left out, because {script.font} is not there")
    drawn = [
        (script, kind, make(script, Random(f"{script.name} {kind} {number}")))
        for number in range(of_a_kind)
        for script in scripts
        for kind, make in KINDS.items()
    ]
    posted = await _read(report, drawn)
    async with open_database(folder) as db:
        library = Library(db, folder / "index")
        await library.open()
        shown: list[MessageId] = []
        for number, picture in enumerate(posted):
            message_id = await library.post(f"thing{number}")
            if picture.text:
                await library.says(message_id, picture.text)
            shown.append(message_id)
        await library.noise(NOISE)
        await _found(report, library, posted, shown)
        library.index.close()
    promised = [picture for picture in posted if picture.script.goal is not None]
    await asyncio.to_thread(_plainly, report, promised[:PLAIN])


async def _read(report: Report, drawn: Sequence[tuple[Script, str, Drawn]]) -> list[_Posted]:
    settings = ReaderSettings(find_models(None, ()), OcrSettings().max_pixels, _MOST_OPENED)
    posted: dict[int, _Posted] = {}
    waiting = iter(range(len(drawn)))

    async def work(readers: Readers) -> None:
        await readers.read(drawn[0][2].data)  # so that the process is there
        for number in waiting:
            script, kind, picture = drawn[number]
            before_s = _processor_s(readers)
            lines = await readers.read(picture.data)
            reading = reading_of(lines, OcrSettings().min_confidence)
            posted[number] = _Posted(script, kind, picture, reading.text, _processor_s(readers) - before_s)

    async with open_readers(settings) as first, open_readers(settings) as second:
        await asyncio.gather(work(first), work(second))
        largest_mb = max(_process(readers).memory_info().rss for readers in (first, second)) / 1e6
    report.row("memory of a reader after all pictures (RSS)", largest_mb, "MB")
    for kind in KINDS:
        spent_s = [picture.spent_s for picture in posted.values() if picture.kind == kind]
        report.row(f"processor time, {kind} of 720 × 480: mean", sum(spent_s) / len(spent_s), "s")
    return [posted[number] for number in range(len(drawn))]


def _process(readers: Readers) -> psutil.Process:
    assert readers.pid is not None, "it has read something"
    return psutil.Process(readers.pid)


def _processor_s(readers: Readers) -> float:
    times = _process(readers).cpu_times()
    return float(times.user + times.system)


async def _found(report: Report, library: Library, posted: Sequence[_Posted], shown: Sequence[MessageId]) -> None:
    report.row("pictures with words, in one server", len(posted), "")
    for script in dict.fromkeys(picture.script for picture in posted):
        for kind in KINDS:
            these = [
                number for number, picture in enumerate(posted) if (picture.script, picture.kind) == (script, kind)
            ]
            found = [await first_hit(library, posted[number].drawn.remembered) == shown[number] for number in these]
            share = sum(found) / len(found)
            what = f"{script.name}: {len(these)} {kind}, recall@1"
            if script.goal is None:
                report.row(what, share, "")
            else:
                report.row(what, share, "", f"≥ {script.goal}", share >= script.goal)
    exact = [
        await first_hit(library, f'"{picture.drawn.remembered}"') == shown[number]
        for number, picture in enumerate(posted)
        if picture.script.goal is not None
    ]
    report.row("all but the Greek ones, the same words in quotes: recall@1", sum(exact) / len(exact), "")


def _plainly(report: Report, posted: Sequence[_Posted]) -> None:
    """The peer: RapidOCR with its own defaults, but one thread."""
    from rapidocr import RapidOCR  # not before the readers have started: it takes memory and seconds

    threads = {f"EngineConfig.onnxruntime.{which}_op_num_threads": 1 for which in ("intra", "inter")}
    engine: Any = RapidOCR(params={"Global.log_level": "critical", **threads})
    engine(posted[0].drawn.data)
    plain, start_s = 0, time.process_time()
    for picture in posted:
        plain += _says(" ".join(engine(picture.drawn.data).txts or ()), picture.drawn.remembered)
    plain_s = (time.process_time() - start_s) / len(posted)
    own = sum(_says(picture.text, picture.drawn.remembered) for picture in posted)
    own_s = sum(picture.spent_s for picture in posted) / len(posted)
    report.row(f"all remembered words were read, {len(posted)} pictures: the bot", own / len(posted), "")
    report.row("the same, RapidOCR called directly", plain / len(posted), "")
    report.row("processor time a picture: RapidOCR called directly, one thread", plain_s, "s")
    report.row("processor time a picture: the bot against RapidOCR called directly", own_s / plain_s, "×")


def _says(text: str, words: str) -> bool:
    return all("".join(word.casefold().split()) in "".join(text.casefold().split()) for word in words.split())


PARTS = {"quality": quality, "weight": ocr_weight.measure, "speed": ocr_speed.speed, "memory": ocr_speed.memory}


async def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.ocr", description=__doc__)
    arguments.add_argument("part", nargs="?", choices=PARTS)
    arguments.add_argument("of_a_kind", nargs="?", type=int)
    given = arguments.parse_args()
    report = Report("ocr")
    for name in [given.part] if given.part else PARTS:
        with tempfile.TemporaryDirectory(prefix="bench-ocr-") as folder:
            if given.of_a_kind:
                await quality(report, Path(folder), given.of_a_kind)
            else:
                await PARTS[name](report, Path(folder))
    if given.of_a_kind:
        print(report.summary())
    elif given.part:
        report.finish_part()
    else:
        report.finish()


if __name__ == "__main__":
    asyncio.run(main())
