"""`afterimage random`: pictures from the past, each message with the same chance."""

from __future__ import annotations

import argparse
import os

from bot.command_line.hit_output import show
from bot.command_line.question import Question
from bot.command_line.search import ask
from bot.config.loader import load


def draw(arguments: argparse.Namespace) -> int:
    """0 where there is a picture, else 1. Raises as `search`."""
    config = load(arguments.config, os.environ)
    question = Question(" ".join(arguments.words))
    found = ask(arguments, config, "random", question)
    show(arguments, [found], question)
    return 0 if found["hits"] else 1
