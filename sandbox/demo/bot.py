"""The real bot as a process of its own, configured for the sandbox."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sandbox.model import CONFIG, EXPORT, NAME, RESIZE_MODE, WEIGHTS
from sandbox.server import Sandbox
from sandbox.world import Guild

_READY_S: Final = 150.0  # seconds from process start; importing torch from a busy disk without cache takes most of them
_STOP_S: Final = 20.0


class BotFailed(Exception):
    """The bot ended or did not become ready. The message says which, and where its log is."""


def config_text(sandbox: Sandbox, data_dir: Path, weights: Path | None) -> str:
    """A config.toml for the demo: every other setting stays at its default.

    Without `weights` the shipped export runs; `weights` run on torch. Segments are sealed early, so that a few hundred
    pictures make several segments.
    """
    text = {
        "data_dir": str(data_dir.resolve()),  # a relative path would start at the file's folder, `data_dir`
        "discord.api_base": sandbox.api_base,
        "fetch.insecure_hosts": [sandbox.cdn_host],
        "model.name": NAME,
        "model.pretrained": str(weights or WEIGHTS),
        "model.runtime": "torch" if weights else "auto",
        "model.folder": "" if weights else str(EXPORT),
        "model.config_file": str(CONFIG),
        "model.resize_mode": RESIZE_MODE,
        "index.seal_rows": 128,
        "limits.per_minute": 600.0,
        "limits.burst": 100,
    }
    return as_toml(text)


def as_toml(values: Mapping[str, object]) -> str:
    """A config.toml. JSON's strings, numbers and lists of strings are also TOML's."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def environment(token: str) -> dict[str, str]:
    """The environment of the demo's bot. It contains nothing that a user has exported for a bot of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    return kept | {"AFTERIMAGE_DISCORD_TOKEN": token}


@asynccontextmanager
async def running_bot(sandbox: Sandbox, guild: Guild, data_dir: Path, weights: Path | None) -> AsyncIterator[None]:
    """Start `python -m bot run` and wait until members can use it; send SIGTERM at the end.

    `data_dir`, which must exist, also gets config.toml and bot.log. Raises BotFailed when the bot ends early or does
    not become ready.
    """
    config, log = data_dir / "config.toml", data_dir / "bot.log"
    config.write_text(config_text(sandbox, data_dir, weights))
    environ = environment(sandbox.token)
    async with bot_process(config, log, environ) as process:
        await _ready(process, sandbox, guild, config, log, environ)
        yield


@asynccontextmanager
async def bot_process(config: Path, log: Path, environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m bot run` from its start on; SIGTERM at the end, and where that does not end it, SIGKILL."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", "--config", str(config), stdout=output, stderr=output, env=environ
        )
        try:
            yield process
        finally:
            await _stop(process)


def raise_if_ended(process: asyncio.subprocess.Process, log: Path) -> None:
    """Raises BotFailed, with the last lines of its log, where the bot has ended."""
    if process.returncode is not None:
        raise BotFailed(f"the bot ended with {process.returncode}:\n{_last_lines(log)}")


async def _ready(
    process: asyncio.subprocess.Process, sandbox: Sandbox, guild: Guild, config: Path, log: Path,
    environ: dict[str, str],
) -> None:  # fmt: skip
    """A connection is not enough: `afterimage health` reports when the bot knows its servers."""
    deadline = asyncio.get_running_loop().time() + _READY_S
    while not (sandbox.gateway.connected(guild) and await _healthy(config, environ)):
        raise_if_ended(process, log)
        if asyncio.get_running_loop().time() > deadline:
            raise BotFailed(f"the bot was not ready after {_READY_S:.0f} s:\n{_last_lines(log)}")
        await asyncio.sleep(0.25)


async def _healthy(config: Path, environ: dict[str, str]) -> bool:
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "health", "--config", str(config),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env=environ,
    )  # fmt: skip
    return await asked.wait() == 0


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _last_lines(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
