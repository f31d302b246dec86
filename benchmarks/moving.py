"""Animations: whether a still of any of their frames finds them, and what that costs.

There are 300 drawn animations of one to three scenes, each of which moves for some frames, cut or faded into the next,
saved in turn as GIF, WebP and APNG, among 700 still pictures. Of each, two frames are chosen at random and asked with,
as a JPEG, through the decoder, the demo model, SQLite and the index: how often is its own animation the first hit? Then
the same with animations of four to six scenes, more than the frames by default. The last part says what further frames
cost the disk, and a search of 50,000 pictures, at 512 dimensions.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
from PIL import Image

from benchmarks import report
from benchmarks.report import Report
from indexer.database.database import Database, open_database
from indexer.encode.encoder import open_encoder
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.ports import Encoder
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, ModelId, PictureId
from indexer.records.pictures import DecodedPicture, EmbeddedFrame, ModelSpec, Moment, Pixels, PixelSpec, Vectors
from indexer.settings import IndexSettings, ModelSettings
from indexer.store import embeddings, frames
from indexer.store.frames import Animation
from indexer.vectors.index import VectorIndex
from sandbox.drawing import edits
from sandbox.drawing.scene import draw, random_scene
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

T = TypeVar("T")

ANIMATIONS, STILLS, QUESTIONS_EACH = 300, 700, 2
SIZE = (240, 180)
SCENE_FRAMES = (5, 9)  # of each scene, at least and at most
FADED = 0.5  # of the cuts are faded, over two frames
SAVED = ("GIF", "WEBP", "PNG")
SOUGHT = (1, 3, 8)
GOAL = 0.95
GUILD, CHANNEL = GuildId(1), ChannelId(10)
BATCH = 32
COST_ROWS, COST_DIMENSION, COST_SEARCHES = 50_000, 512, 60


@dataclass(frozen=True, slots=True)
class Film:
    """An animation as `SOUGHT` has it decoded, with the milliseconds of each, and stills of it to ask with."""

    decoded: tuple[DecodedPicture, ...]
    ms: tuple[float, ...]
    asked: tuple[Pixels, ...]


def drawn_film(number: int, scenes: tuple[int, int], spec: PixelSpec) -> Film:
    rng = Random(5_003 * 1_000_000 + number)
    drawn = _frames(rng, rng.randint(*scenes))
    file = io.BytesIO()
    drawn[0].save(file, SAVED[number % 3], save_all=True, append_images=drawn[1:], duration=100, loop=0)
    decoded, ms = [], []
    for sought in SOUGHT:
        start = time.process_time()
        decoded.append(decode_picture(file.getvalue(), spec, Limits(100_000_000, frames=sought)))
        ms.append((time.process_time() - start) * 1000)
    return Film(tuple(decoded), tuple(ms), tuple(_asked(rng.choice(drawn), spec) for _ in range(QUESTIONS_EACH)))


def _frames(rng: Random, scenes: int) -> list[Image.Image]:
    drawn: list[Image.Image] = []
    for _ in range(scenes):
        still = draw(random_scene(rng), (SIZE[0] * 5 // 4, SIZE[1] * 5 // 4)).convert("RGB")
        count, turned = rng.randint(*SCENE_FRAMES), rng.uniform(-6, 6)
        across, down = rng.random(), rng.random()
        shown = []
        for at in range(count):
            share = at / max(count - 1, 1)
            left = round((still.width - SIZE[0]) * (across + share * (1 - 2 * across)))
            top = round((still.height - SIZE[1]) * (down + share * (1 - 2 * down)))
            shown.append(
                edits.turn(still, turned * share, (240, 240, 240)).crop((left, top, left + SIZE[0], top + SIZE[1]))
            )
        if drawn and rng.random() < FADED:
            drawn += [Image.blend(drawn[-1], shown[0], share) for share in (1 / 3, 2 / 3)]
        drawn += shown
    return drawn


def _asked(frame: Image.Image, spec: PixelSpec) -> Pixels:
    file = io.BytesIO()
    frame.save(file, "JPEG", quality=80)
    return decode_picture(file.getvalue(), spec, Limits(100_000_000)).frames[0]


def drawn_still(number: int, spec: PixelSpec) -> Pixels:
    return _asked(draw(random_scene(Random(6_007 * 1_000_000 + number)), SIZE).convert("RGB"), spec)


async def measure(report: Report, folder: Path) -> None:
    settings = ModelSettings(
        name=NAME, pretrained=str(WEIGHTS), config_file=CONFIG, resize_mode=RESIZE_MODE, batch_size=BATCH,
        export_dir=folder / "models",
    )  # fmt: skip
    async with open_encoder(settings) as encoder:
        with ProcessPoolExecutor(2) as processes:
            spec = encoder.pixel_spec
            few, many = [
                await _mapped(processes, partial(drawn_film, scenes=scenes, spec=spec), count)
                for scenes, count in (((1, 3), ANIMATIONS), ((4, 6), ANIMATIONS // 3))
            ]
            stills = await _mapped(processes, partial(drawn_still, spec=spec), STILLS)
        beside = await _encoded(encoder, stills)
        for name, films in (("1 to 3 scenes", few), ("4 to 6 scenes", many)):
            asked = await _encoded(encoder, [frame for film in films for frame in film.asked])
            for at, sought in enumerate(SOUGHT):
                what = f"{len(films)} animations of {name}, {sought} frame{'s' * (sought > 1)} sought"
                shown = [film.decoded[at] for film in films]
                vectors = await _encoded(encoder, [frame for picture in shown for frame in picture.frames])
                kept = [len(picture.frames) for picture in shown]
                embedded = np.split(vectors, np.cumsum(kept)[:-1])
                found = await _found(folder / f"{len(films)}-{sought}", encoder.spec, shown, embedded, beside, asked)
                goal = sought == 3 and films is few
                report.row(
                    f"{what}: a still of any frame finds it first", found, "share", f"≥ {GOAL}" if goal else "",
                    found >= GOAL if goal else None,
                )  # fmt: skip
                report.row(f"{what}: frames kept, mean", float(np.mean(kept)), "frames")
                report.row(f"{what}: decoding", float(np.mean([film.ms[at] for film in films])), "ms processor time")
    await _cost(report, folder)


async def _mapped(processes: Executor, make: Callable[[int], T], count: int) -> list[T]:
    return await asyncio.to_thread(lambda: list(processes.map(make, range(count), chunksize=10)))


async def _encoded(encoder: Encoder, pixels: Sequence[Pixels]) -> Vectors:
    return np.concatenate(
        [await encoder.encode_pixels(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    )


async def _found(
    folder: Path,
    spec: ModelSpec,
    shown: Sequence[DecodedPicture],
    embedded: Sequence[Vectors],
    beside: Vectors,
    asked: Vectors,
) -> float:
    async with open_database(folder) as db:
        vectors = np.concatenate([np.stack([rows[0] for rows in embedded]), beside])
        model_id = await _fill(db, spec, vectors)
        async with db.transaction() as tx:
            await frames.put(
                tx,
                model_id,
                [
                    Animation(PictureId(number + 1), picture.moments[0].at_ms, len(rows), _further(picture, rows))
                    for number, (picture, rows) in enumerate(zip(shown, embedded, strict=True))
                    if picture.moments
                ],
            )
        index = VectorIndex(db.path, folder / "segments", IndexSettings())
        try:
            first = [
                index.search(GUILD, model_id, query, 1, Filter(frozenset({CHANNEL}))).candidates[0].picture_id
                for query in asked
            ]
        finally:
            index.close()
    return float(np.mean([picture == at // QUESTIONS_EACH + 1 for at, picture in enumerate(first)]))


def _further(picture: DecodedPicture, rows: Vectors) -> tuple[EmbeddedFrame, ...]:
    return tuple(map(EmbeddedFrame, picture.moments[1:], rows[1:]))


async def _fill(db: Database, spec: ModelSpec, vectors: Vectors) -> ModelId:
    """A guild with one message for each of these pictures, numbered from 1."""
    async with db.transaction() as tx:
        model_id = await embeddings.model_id(tx, spec)
        await tx.execute("INSERT INTO guilds (guild_id, name, consent, added_ms) VALUES (?, 'bench', 0, 0)", (GUILD,))
        await tx.execute(
            "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (?, ?, 'text', 'bench')", (CHANNEL, GUILD)
        )
        await tx.execute("INSERT INTO users (user_id, name) VALUES (1, 'bench')")
        numbers = range(1, len(vectors) + 1)
        await tx.executemany(
            "INSERT INTO messages (message_id, guild_id, channel_id, author_id, checked_ms) VALUES (?, ?, ?, 1, 0)",
            [(number << 22, GUILD, CHANNEL) for number in numbers],
        )
        await tx.executemany(
            "INSERT INTO pictures (picture_id, sha256, byte_count, state) VALUES (?, ?, 1, 'ready')",
            [(number, number.to_bytes(32, "big")) for number in numbers],
        )
        await tx.executemany(
            "INSERT INTO places (message_id, guild_id, ordinal, picture_id, source, link, state)"
            " VALUES (?, ?, 0, ?, 'attachment', 'link', 'ready')",
            [(number << 22, GUILD, number) for number in numbers],
        )
        await embeddings.add(
            tx, model_id, [(PictureId(number), vector) for number, vector in zip(numbers, vectors, strict=True)]
        )
    return model_id


async def _cost(report: Report, folder: Path) -> None:
    """The bytes of a further frame, and how much longer a search takes where one picture in ten has two of them."""
    rng = np.random.default_rng(1)
    vectors = _unit(rng, COST_ROWS)
    spec = ModelSpec("bench", "none", COST_DIMENSION, "00")
    queries = _unit(rng, COST_SEARCHES)
    sizes, took = [], []
    async with open_database(folder / "cost") as db:
        model_id = await _fill(db, spec, vectors)
        index = VectorIndex(db.path, folder / "cost" / "segments", IndexSettings())
        for moving in (0, COST_ROWS // 10):
            for start in range(0, moving, 1000):
                async with db.transaction() as tx:
                    await frames.put(tx, model_id, [_made(number, rng) for number in range(start, start + 1000)])
            await index.compact(db)
            async with db.reader() as connection:
                ((stored,),) = await connection.execute_fetchall(
                    "SELECT page_size * (page_count - freelist_count)"
                    " FROM pragma_page_size(), pragma_page_count(), pragma_freelist_count()"
                )
            sealed = sum(path.stat().st_size for path in (folder / "cost" / "segments").glob("*/*/*.segment"))
            sizes.append((stored, sealed))
            times = [await asyncio.to_thread(_timed, index, model_id, query) for query in (*queries[:5], *queries)]
            took.append(float(np.median(times[5:])))
        index.close()
    for at, what in enumerate(("database", "segments")):
        size = (sizes[1][at] - sizes[0][at]) / (2 * COST_ROWS // 10)
        report.row(f"a further frame of {COST_DIMENSION} dimensions in the {what}", size, "bytes")
    report.row(f"a search of {COST_ROWS:,} stills, median", took[0], "ms")
    report.row("… where one in ten has two further frames", took[1] / took[0], "× as long")


def _made(number: int, rng: np.random.Generator) -> Animation:
    further = (EmbeddedFrame(Moment(1000 * at, at), vector) for at, vector in enumerate(_unit(rng, 2)))
    return Animation(PictureId(number + 1), 0, 3, tuple(further))


def _unit(rng: np.random.Generator, count: int) -> Vectors:
    rows = rng.standard_normal((count, COST_DIMENSION)).astype(np.float32)
    rows[:, 0] += 3
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _timed(index: VectorIndex, model_id: ModelId, query: Vectors) -> float:
    start = time.perf_counter()
    index.search(GUILD, model_id, query, 10, Filter(frozenset({CHANNEL})))
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    report.run("moving", __doc__, measure)
