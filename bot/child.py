"""The bot as a child of a supervisor (bot/fleet): `afterimage run`, and it ends with whoever started it.

A folder that is new to this machine first gets the newest backup of its name, where the storage has one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from pathlib import Path

from bot import cli
from bot.config.loader import load
from bot.fleet.words import RESTORING
from bot.observability import terminal
from indexer.errors import AfterimageError, ConfigError
from indexer.platforms.processes import end_with


def main(arguments: str) -> None:
    """`arguments`: JSON with `parent`, the id of the starter, and `config`, the file."""
    begin(arguments)
    sys.exit(give(arguments))


def begin(arguments: str) -> None:
    end_with(json.loads(arguments)["parent"])  # on Linux; the end of standard input says it everywhere
    threading.Thread(target=_end_with_input, name="standard input", daemon=True).start()


def give(arguments: str) -> int:
    """Runs the bot; its exit code."""
    config = json.loads(arguments)["config"]
    try:
        returning = _comes_back(Path(config))
    except AfterimageError as error:
        terminal.warn(str(error))
        return 1
    if returning:
        terminal.note(RESTORING)
        code = cli.main(["restore", "--from-storage", "--quiet", "--config", config])
        if code:
            return code
    return cli.main(["run", "--config", config])


def _comes_back(file: Path) -> bool:
    """Raises ConfigError where there is no token: `afterimage run` would join a sandbox, and a fleet does not."""
    config = load(file, os.environ)
    if config.discord.token is None:
        raise ConfigError(f"{file} names no discord.token_file, and this node's environment has no token.")
    if not config.settings.fleet.storage:
        return False
    from indexer.fleet.coming_back import comes_back

    return asyncio.run(comes_back(config.settings))


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)
