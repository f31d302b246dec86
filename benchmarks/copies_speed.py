"""How long a member waits for an answer that says what is a copy: a bot, a sandbox, and copies from its CDN.

All pictures lie in the sandbox, whose media proxy makes the small copies that are compared; none is kept on the disk.
Sandbox, bot and who asks share one process and its two cores. Each question is an edited copy that the model and the
hash do not decide. The reply waits a quarter of a second for the comparison, and is edited when that comes later.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.mixed_files import encoded
from benchmarks.report import Report
from benchmarks.serving_bot import serving_bot, until_indexed
from indexer.encode.encoder import open_encoder
from indexer.records.ids import GuildId
from indexer.settings import ModelSettings
from sandbox.drawing import edits
from sandbox.drawing.scene import draw, random_scene
from sandbox.model import EXPORT
from sandbox.server import open_sandbox
from sandbox.world import File, World

POSTED = 400
ASKED, WARM = 100, 5
GOAL_MS = 400
INDEXED_S = 600.0  # the longest that reading them may take
LATEST_S = 3.0  # after the question; what is not called a copy by then is none to the bot
CERTAIN = "Edited copy: "


async def measure(report: Report) -> None:
    """Adds the rows of this file to the report."""
    world = World()
    owner = world.user("owner")
    guild = world.guild("Copy Town", owner)
    room, talk = guild.channel("room"), guild.channel("talk")
    pictures = [draw(random_scene(Random(number)), (640, 480)).convert("RGB") for number in range(POSTED)]
    for number, picture in enumerate(pictures):
        room.post(owner, f"picture {number}", files=[File.of(f"{number}.png", encoded(picture, "PNG"))])
    answered, told = [], []
    with tempfile.TemporaryDirectory(prefix="bench-copies-") as folder:
        async with (
            open_encoder(ModelSettings(folder=EXPORT)) as encoder,
            open_sandbox(world) as sandbox,
            serving_bot(sandbox, Path(folder), encoder, start="auto") as service,
        ):
            await until_indexed(service, GuildId(guild.id), INDEXED_S)
            person = sandbox.member(owner)
            for number in range(WARM + ASKED):
                rng = Random(number)
                edit = (edits.crop, edits.caption_bar, edits.screenshot_frame)[number % 3]
                asked = edit(pictures[number * 3 % POSTED], rng=rng)
                file = File.of("asked.png", encoded(asked, "PNG"))
                reply = await person.slash(talk.id, "similar", {"image": file})
                began_s, now_s = reply.interaction.born_at, asyncio.get_running_loop().time
                while CERTAIN not in reply.text() and now_s() - began_s < LATEST_S:  # noqa: ASYNC110 -- the sandbox tells nobody of an edit
                    await asyncio.sleep(0.002)
                if number >= WARM:
                    answered.append(reply.reply_ms)
                    told.append((now_s() - began_s) * 1000 if CERTAIN in reply.text() else float("inf"))
    certain = np.isfinite(told)
    what = f"/similar with an edited copy, {POSTED} pictures, copies from the sandbox's media proxy"
    first, verified = float(np.percentile(answered, 95)), float(np.percentile(np.array(told)[certain], 95))
    report.row(f"{what}: interaction to reply: p95", first, "ms", f"≤ {GOAL_MS}", first <= GOAL_MS)
    report.row(f"{what}: to the reply that names the copy: p50", float(np.median(np.array(told)[certain])), "ms")
    report.row(f"{what}: to the reply that names the copy: p95", verified, "ms", f"≤ {GOAL_MS}", verified <= GOAL_MS)
    report.row(f"{what}: the copy is named", float(np.mean(certain)), "of the questions")
