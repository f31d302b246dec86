"""`afterimage check-config`: is the configuration right, and what is in force?"""

from __future__ import annotations

import argparse
import os

from bot.config.loader import load
from bot.config.show import example, in_force
from bot.observability import terminal


def check(arguments: argparse.Namespace) -> int:
    """Prints what is in force and where it came from, or the example file. Raises ConfigError."""
    if arguments.example:
        terminal.say(example().rstrip("\n"))
        return 0
    config = load(arguments.config, os.environ)
    terminal.say(f"# {config.path or 'no config.toml: defaults and environment'}\n{in_force(config)}".rstrip("\n"))
    for warning in config.warnings:
        terminal.warn(f"warning: {warning}")
    return 0
