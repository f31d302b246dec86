"""What a second model costs: one of the size that is published, with random weights, and one that nobody asks.

The first has BLIP-ITM-base's shape: 12 layers of width 768 for pictures of 384 pixels and for words. It says nothing of
what such a model finds, but how many candidates a processor can bear.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.process_memory import memory_mb
from benchmarks.reading_bot import reading_bot
from benchmarks.report import Report
from bot.command_line.asking import answer_once
from indexer.encode.encoder import open_encoder
from indexer.reranking import MATCHING as WORKER
from indexer.settings import ModelSettings, RerankSettings
from sandbox.demo.pictures import Picture
from sandbox.drawing.scene import random_scene
from sandbox.model import MATCHING
from sandbox.world import Channel, World

PICTURES, PAIRS, ROUNDS = 4, 8, 3
WORDS = "a cat left of a dog"
GOAL_MB = 10.0
FEW = 6  # pictures of a bot whose memory is measured
_IDLE_S = 5.0
_REST_S = 20.0  # after the models have gone


async def base(report: Report, folder: Path) -> None:
    """The rows of a model of BLIP-ITM-base's shape."""
    await asyncio.to_thread(_write_base, folder / "base")
    settings = ModelSettings(str(folder / "base"), "", device="cpu", batch_size=PICTURES)
    async with open_encoder(settings, worker=WORKER) as matcher:
        rng = np.random.default_rng(0)
        side = matcher.pixel_spec.size
        frames = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(PICTURES)]
        features = await matcher.encode_pixels(frames)
        rows = np.concatenate([features] * (PAIRS // PICTURES)).astype(np.float16)
        await matcher.scores(WORDS, rows)
        picture_s = [await _timed(matcher.encode_pixels(frames)) / PICTURES for _ in range(ROUNDS)]
        pair_s = [await _timed(matcher.scores(WORDS, rows)) / PAIRS for _ in range(ROUNDS)]
        assert matcher.pid is not None
        size_mb = memory_mb(matcher.pid)
    name = "a model of BLIP-ITM-base's shape, random weights"
    report.row(f"{name}: a picture's features", float(np.median(picture_s)), "s")
    report.row(f"{name}: a picture's features", rows.shape[1] * 2 / 1e6, "MB")
    one_s = float(np.median(pair_s))
    report.row(f"{name}: a question's words with a picture", one_s, "s")
    report.row(f"{name}: its process (PSS)", size_mb, "MB")
    budget_s = RerankSettings().budget_s
    report.row(f"{name}: candidates with kept features in {budget_s:g} s", budget_s / one_s, "pictures")


async def _timed(work: Awaitable[object]) -> float:
    began_s = time.perf_counter()
    await work
    return time.perf_counter() - began_s


def _write_base(folder: Path) -> None:
    import torch
    from transformers import BertTokenizer, BlipConfig, BlipForImageTextRetrieval

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    BertTokenizer({word: number for number, word in enumerate(dict.fromkeys(words))}).save_pretrained(folder)
    torch.manual_seed(0)
    config = BlipConfig(text_config={"num_attention_heads": 12}, image_text_hidden_size=256)
    BlipForImageTextRetrieval(config).save_pretrained(folder)


async def rest(report: Report, folder: Path) -> None:
    """The rows of a bot at rest, with all that may be switched on and without."""
    less_mb, more_mb = [await _at_rest(folder / str(with_all), with_all=with_all) for with_all in (False, True)]
    report.row("at rest, without words in pictures and without a second model (PSS)", less_mb, "MB")
    report.row("at rest, with both, after they were used (PSS)", more_mb, "MB")
    added = more_mb - less_mb
    report.row("at rest, what both add", added, "MB", f"≤ {GOAL_MB:.0f}", added <= GOAL_MB)


async def _at_rest(folder: Path, *, with_all: bool) -> float:
    """MB of the bot and its processes: a question was answered, every picture was read, and the models have gone."""
    world, talk = _town()
    own: dict[str, object] = {"model.idle_s": _IDLE_S, "ocr.enabled": with_all}
    if with_all:
        own |= {
            "rerank.kind": "blip", "rerank.name": str(MATCHING), "rerank.idle_s": _IDLE_S, "rerank.budget_s": 15.0,
        }  # fmt: skip
    async with reading_bot(folder, world, talk, own, FEW, read=with_all) as (process, config):
        values: dict[str, object] = {
            "words": "min:-1 cat left of dog",
            "guild": None,
            "count": 5,
            "files": [],
            "links": [],
        }
        ordered = ""
        while with_all and ordered != "done":  # the first question starts the second model
            answer = await answer_once(config, "search", {**values, "pictures": False}, lambda _: None)
            ordered = (answer["reranked"] or {}).get("outcome", "")
        await asyncio.sleep(_IDLE_S * 2 + _REST_S)
        return memory_mb(process.pid)


def _town() -> tuple[World, Channel]:
    world = World()
    owner = world.user("owner")
    guild = world.guild("Small Town", owner)
    room, talk = guild.channel("room"), guild.channel("talk")
    for number in range(FEW):
        picture = Picture(random_scene(Random(number)), (640, 480), "jpg")
        room.post(owner, f"picture {number}", files=[picture.file(f"{number}.jpg")])
    return world, talk
