"""`afterimage health`: for a container's health check, so it loads next to nothing and asks nobody."""

from __future__ import annotations

import argparse
import os

from bot.config.loader import load
from bot.observability import terminal
from bot.observability.health import condition
from indexer.errors import Stop


def check(arguments: argparse.Namespace) -> int:
    """0 when a bot on this data folder answers and is connected, or lost the gateway less than AWAY_S seconds ago.

    Raises Stop (exit code 1), saying what is wrong and for how long, where not.
    """
    found = condition(load(arguments.config, os.environ).settings.data_dir)
    if not found.healthy:
        raise Stop(found.sentence)
    terminal.say(found.sentence)
    return 0
