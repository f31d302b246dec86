"""`afterimage health`: for a container's health check, so it loads next to nothing and asks nobody."""

from __future__ import annotations

import argparse
import os

from bot.config.loader import load
from bot.config.values import listen_address
from bot.observability import terminal
from bot.observability.health import Condition, condition, last_beat
from indexer.errors import Stop

ANY_PORT = "127.0.0.1:0"  # nobody can tell which port the system chose for it


def check(arguments: argparse.Namespace) -> int:
    """0 when a bot on this data folder answers and is connected, or lost the gateway less than AWAY_S seconds ago.
    Where HTTP is on, /readyz must say so too: it knows the database, the index and the model, and what a
    start waits for.

    Raises Stop (exit code 1), saying what is wrong and for how long, where not.
    """
    config = load(arguments.config, os.environ)
    found = condition(config.settings.data_dir)
    starting = last_beat(config.settings.data_dir) is None
    if (found.healthy or starting) and listen_address(config.web.listen or ANY_PORT)[1]:
        from bot.observability.readiness import NoAnswer, readiness  # without HTTP nothing of it is loaded

        try:
            asked = readiness(config.web.listen)
            found = asked if found.healthy or not asked.healthy else found  # else it is the port of another bot
        except NoAnswer as error:
            found = Condition(False, str(error)) if found.healthy else found
    if not found.healthy:
        raise Stop(found.sentence)
    terminal.say(found.sentence)
    return 0
