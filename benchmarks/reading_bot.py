"""A bot as a process of its own, whose memory is measured after it has read the words of all its pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.command_line.asking import answer_once
from bot.config.loader import load
from bot.config.tables import Config
from sandbox.demo.bot import as_toml, bot_process, config_text, environment, raise_if_ended
from sandbox.server import open_sandbox
from sandbox.world import Channel, World

_LONGEST_S = 300.0  # from the start to the end of the block


@asynccontextmanager
async def reading_bot(
    folder: Path, world: World, talk: Channel, own: Mapping[str, object], pictures: int, *, read: bool
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Config]]:
    """Yields when it is connected to the channel's server and counts that many pictures whose words are read, or, where
    nothing reads, left. `folder`: is made. `own`: settings. Raises BotFailed, TimeoutError."""
    await asyncio.to_thread(folder.mkdir)
    config, log = folder / "config.toml", folder / "bot.log"
    async with open_sandbox(world) as sandbox:
        config.write_text(config_text(sandbox, folder / "data", None) + as_toml({"crawl.start": "auto", **own}))
        async with bot_process(config, log, environment(sandbox.token)) as process, asyncio.timeout(_LONGEST_S):
            while not sandbox.gateway.connected(talk.guild):
                raise_if_ended(process, log)
                await asyncio.sleep(0.1)
            loaded, counts = load(config, {}), {"read": 0, "left": 0}
            while counts["read" if read else "left"] < pictures:
                raise_if_ended(process, log)
                await asyncio.sleep(1)
                counts = dict(await answer_once(loaded, "ocr", {}, lambda _: None))
            yield process, loaded
