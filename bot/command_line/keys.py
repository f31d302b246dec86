"""`afterimage keys`: makes, lists and revokes keys of the HTTP interface, through the bot that runs, or here."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.command_line.carrying import carry_out
from bot.config.loader import load
from bot.control.handler import Values
from bot.control.keys import keys
from bot.observability import terminal


def create(arguments: argparse.Namespace) -> int:
    """Prints the key alone on standard output, so that a script can take it. Raises StorageError, TellPerson."""
    values = {"name": arguments.name, "scope": arguments.scope, "guild": arguments.guild, "days": arguments.days}
    done = _asked(arguments, "keys-create", values)
    if arguments.json:
        terminal.say_json(done)
        return 0
    terminal.note(f"Key {_line(done['key'])}. It is shown this one time:")
    terminal.say(done["secret"])
    return 0


def show_list(arguments: argparse.Namespace) -> int:
    """Raises StorageError."""
    done = _asked(arguments, "keys-list", {})
    if arguments.json:
        terminal.say_json(done)
    else:
        lines = [_line(key) for key in done["keys"]]
        terminal.say("\n".join(lines) or "there are no keys: `afterimage keys create NAME` makes one")
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    """Raises StorageError, TellPerson where there is no such key."""
    done = _asked(arguments, "keys-revoke", {"key": arguments.key})
    if arguments.json:
        terminal.say_json(done)
    else:
        terminal.say(f"revoked: {_line(done['key'])}")
    return 0


def _asked(arguments: argparse.Namespace, name: str, values: Values) -> Values:
    settings = load(arguments.config, os.environ).settings
    done, _ = asyncio.run(carry_out(settings, name, values, keys))
    return done


def _line(key: Mapping[str, Any]) -> str:
    where = "every server" if key["guild"] is None else f"server {key['guild']}"
    until = "" if key["expires_ms"] is None else f", until {_day(key['expires_ms'])}"
    if key["revoked_ms"] is not None:
        state = f", revoked on {_day(key['revoked_ms'])}"
    else:
        state = "" if key["valid"] else ", expired"
    return f"{key['id']} ({terminal.one_line(key['name'])}): {key['scope']}, {where}{until}{state}"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
