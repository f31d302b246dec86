"""`afterimage health`: for a container's health check, so it loads next to nothing and asks nobody."""

from __future__ import annotations

import argparse
import os

from bot.config import load
from bot.health import ailment
from indexer.errors import Stop


def check(arguments: argparse.Namespace) -> int:
    """0 when a bot on this data folder is connected and answers. Raises Stop, saying what is wrong, where not."""
    wrong = ailment(load(arguments.config, os.environ).settings.data_dir)
    if wrong is not None:
        raise Stop(wrong)
    print("connected")
    return 0
