"""`afterimage check-config`: is the configuration right, and what is in force?"""

from __future__ import annotations

import argparse
import os
import sys

from bot.config import load
from bot.config_show import example, in_force


def check(arguments: argparse.Namespace) -> int:
    """Prints what is in force and where it came from, or the example file. Raises ConfigError."""
    if arguments.example:
        sys.stdout.write(example())
        return 0
    config = load(arguments.config, os.environ)
    sys.stdout.write(f"# {config.path or 'no config.toml: defaults and environment'}\n{in_force(config)}")
    for warning in config.warnings:
        print(f"afterimage: warning: {warning}", file=sys.stderr)
    return 0
