"""`afterimage run` and `afterimage sandbox`: the bot for good, with a made-up Discord where there is no token."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from bot.command_line.program import program
from bot.config.loader import load
from bot.config.models import demo, demo_folder
from bot.config.tables import TOKEN_VARIABLE, Config
from bot.config.values import Secret, written
from bot.observability import terminal
from bot.observability.hardening import keep_memory_private, wipe_from_environment
from bot.observability.log import logging_to
from bot.version import installed_version
from indexer.errors import ConfigError, Stop
from indexer.platforms.told_to_end import ended
from indexer.settings import ModelSettings

logger = logging.getLogger(__name__)

START_S = 60.0  # building the demo server draws nothing yet: seconds on a slow machine
STOP_S = 10.0
ANY_PORT = "127.0.0.1:0"

WHICH_MODEL = ("model.name", "model.pretrained", "model.config_file", "model.folder")  # not how it runs


@dataclass(frozen=True, slots=True)
class Address:
    """Where a sandbox is, as `python -m sandbox` tells it."""

    api_base: str
    token: str
    cdn_host: str
    page: str


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT. Raises Stop for what must be put right first."""
    keep_memory_private()
    config = load(arguments.config, os.environ)
    wipe_from_environment(TOKEN_VARIABLE)
    token = config.discord.token
    with logging_to(config.log, [] if token is None else [token]):
        logger.info("afterimage %s is starting", installed_version())
        app = bot_app()
        if token is not None:
            app.run(config, adopt=arguments.adopt)
        else:  # each start makes another server up, and another bot: what was read in the one before is of no use
            app.run(config, in_sandbox, adopt=True, absent_s=0.0)
    return 0


def bot_app() -> ModuleType:
    """The bot itself, imported after the log's first line: the import takes most of a start.

    Collections are off meanwhile: they would look through all that was loaded so far again and again, a tenth of the
    time.
    """
    gc.disable()
    try:
        from bot import app
    finally:
        gc.enable()
    return app


def sandbox(arguments: argparse.Namespace) -> int:
    """Serves the demo server until Ctrl-C. Raises Stop where it cannot start."""

    async def serve() -> None:
        async with open_sandbox_process("--port", str(arguments.port)) as (address, process):
            terminal.say(
                f"A Discord with a demo server in it: {address.api_base}\n"
                f"In a browser you can be any of its members: {address.page}\n"
                "To let a bot join it:\n\n"
                f"    AFTERIMAGE_DISCORD_API_BASE={address.api_base} \\\n"
                f"    AFTERIMAGE_FETCH_INSECURE_HOSTS={address.cdn_host} \\\n"
                f"    AFTERIMAGE_DISCORD_TOKEN={address.token} {program()} run\n\n"
                "Ctrl-C ends it."
            )
            await process.wait()

    asyncio.run(serve())
    return 0


@asynccontextmanager
async def in_sandbox(config: Config) -> AsyncIterator[Config]:
    """A sandbox for as long as the bot runs, and the configuration to join it, with a data folder of its own."""
    chosen = any(config.origins.get(key, "default") != "default" for key in WHICH_MODEL)
    model = config.settings.model if chosen else demo(config.settings.model, _demo_folder())
    if not chosen and not await asyncio.to_thread(Path(model.pretrained).is_file):
        raise Stop(
            f"{model.pretrained}: the demo model is missing; run `python -m sandbox.model.train`, or configure a model."
        )
    async with open_sandbox_process() as (address, _):
        joined = joining(config, address, model)
        file = joined.settings.data_dir / "config.toml"
        await asyncio.to_thread(_write_config, file, joined)
        terminal.say(
            "There is no Discord token, so the bot joins a made-up Discord on this machine, indexes its demo server,\n"
            f"and stays. Be one of its members, and ask it, in a browser: {address.page}\n"
            "Or in another terminal:\n\n"
            f'    {program()} search --config {file} "a red apple"\n'
            f"    {program()} status --config {file}\n\n"
            "There is a console for whoever runs the bot: the log names its address. Make a key to sign in with:\n\n"
            f"    {program()} keys create me --scope admin --config {file}\n\n"
            "For your own server: make a bot on https://discord.com/developers/applications, and give\n"
            f"`{program()} setup`, which asks for its token and says what is missing.\n"
            "Ctrl-C ends it."
        )
        yield joined


def joining(config: Config, address: Address, model: ModelSettings) -> Config:
    """The configuration to join a sandbox with `model`: its addresses, a crawl at once, and HTTP on this machine."""
    settings = config.settings
    hosts = (*settings.fetch.insecure_hosts, address.cdn_host)
    settings = replace(
        settings,
        data_dir=settings.data_dir / "sandbox",
        model=model,
        fetch=replace(settings.fetch, insecure_hosts=hosts),
        crawl=replace(settings.crawl, start="auto"),
    )
    connection = replace(config.discord, token=Secret(address.token), api_base=address.api_base)
    web = replace(config.web, listen=config.web.listen or ANY_PORT)
    return replace(config, settings=settings, discord=connection, web=web)


@asynccontextmanager
async def open_sandbox_process(*options: str) -> AsyncIterator[tuple[Address, asyncio.subprocess.Process]]:
    """`python -m sandbox` as a child that ends with the block, or with this process however that ends.

    A process group of its own: Ctrl-C is for the bot, which ends the sandbox last. Raises Stop where it does not start.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", "--while-stdin", *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,
    )
    assert process.stdout is not None
    try:
        try:
            async with asyncio.timeout(START_S):
                told: dict[str, Any] = json.loads(await process.stdout.readline())
        except (TimeoutError, ValueError) as error:
            raise Stop("The sandbox did not start; what it said stands above.") from error
        yield Address(told["api_base"], told["token"], told["cdn_host"], told["page"]), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await ended(process, STOP_S)


def _demo_folder() -> Path:
    try:
        return demo_folder()
    except ConfigError as error:
        raise Stop("The sandbox is not installed here; give the bot a token (discord.token_file).") from error


def _write_config(file: Path, config: Config) -> None:
    """What another command needs to look into this data folder; no token."""
    settings = config.settings
    values = {
        "data_dir": settings.data_dir.absolute(),
        "discord.api_base": config.discord.api_base,
        "model.name": settings.model.name,
        "model.pretrained": settings.model.pretrained,
        "model.config_file": settings.model.config_file,
        "model.resize_mode": settings.model.resize_mode,
        "model.folder": settings.model.folder or "",
    }
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"{key} = {written(value)}" for key, value in values.items()]
    file.write_text("# Written by `afterimage run` for its sandbox.\n" + "\n".join(lines) + "\n", "utf-8")
