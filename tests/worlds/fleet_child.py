"""The bot as a child of a fleet's supervisor, with a small substitute for the model."""

from __future__ import annotations

import sys
from functools import partial
from unittest import mock

from bot.child import begin, give
from bot.gateway.client import Client
from tests.worlds.bot_child import opened


def main(arguments: str) -> None:
    begin(arguments)
    mock.patch("bot.app.Client", partial(Client, ready_s=0.1)).start()
    mock.patch("indexer.service.open_encoder", opened).start()
    sys.exit(give(arguments))
