"""Gateway events that cannot be parsed: they are logged and counted, and the connection continues.

An event is parsed inside the task that reads the connection. An exception there ends the whole client; one example is a
KeyError after Discord has renamed a field. Here each parser is wrapped, so that such an error loses only one event.
READY is the exception: a connection without it is useless. Its error is counted too, and the shard connects again.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

from discord.shard import Shard

from bot.history.hidden_channels import has_flag

logger = logging.getLogger(__name__)

Parse = Callable[[Any], Any]

# Errors that reading a payload of an unknown shape raises.
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError)

# Fields that discord.py reads with an index or a loop, and the values that it gets for a channel that Discord hides.
_HIDDEN_FIELDS: Mapping[str, Any] = {
    "name": "",
    "position": 0,
    "permission_overwrites": [],
    "available_tags": [],
    "bitrate": 0,
    "user_limit": 0,
}


class UnparsedEvents:
    """Wraps a client's parsers. `counts` says how many events of each name could not be parsed."""

    def __init__(self, lost: Callable[[int], None]) -> None:
        """`lost` gets the id of the guild whose event could not be parsed, so that the guild is read again."""
        self.counts: Counter[str] = Counter()
        self._lost = lost

    def wrap(self, parsers: MutableMapping[str, Parse]) -> None:
        """Replaces each parser in `parsers` (event name → function of its payload), except READY's: see `guard`."""
        for name, parse in list(parsers.items()):
            if name != "READY":
                parsers[name] = partial(self._parse, name, parse)

    def guard(self, shard: Shard) -> None:
        """Lets a READY that cannot be read end the shard's connection. discord.py opens another one after its back-off.

        The connection itself, not a parser, reads a part of READY. So its error is caught where discord.py handles the
        loss of a connection.
        """
        handled_errors, reconnect = shard._handled_exceptions, shard._handle_disconnect

        async def handle(e: Exception) -> None:
            if not isinstance(e, handled_errors):
                self.counts["READY"] += 1
                logger.warning("a READY cannot be parsed, the shard connects anew", exc_info=e)
                await shard.ws.close()
            await reconnect(e)

        shard._handled_exceptions = (*handled_errors, *UNREADABLE)
        shard._handle_disconnect = handle  # type: ignore[method-assign]  # for this shard alone; discord.py has no hook

    @property
    def total(self) -> int:
        return self.counts.total()

    def _parse(self, name: str, parse: Parse, data: Any) -> None:
        try:
            _complete(name, data)
            parse(data)
        except Exception as error:
            self.counts[name] += 1
            guild_id = guild_id_of(name, data)
            logger.warning(
                "%s of guild %s cannot be parsed (%s: %s) and is left out; %d such events so far."
                " At log level debug it is logged whole.",
                *(name, guild_id, type(error).__name__, error, self.counts[name]),
            )
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug("%s, as it came: %s", name, json.dumps(data), exc_info=error)
            if guild_id is not None:
                self._lost(guild_id)


def _complete(name: str, data: Any) -> None:
    """Adds to hidden channels, in place, the fields that discord.py cannot do without.

    Discord documents only that fields of a hidden channel are "nulled or reduced". One unreadable field would lose the
    whole GUILD_CREATE event, and with it the server.
    """
    if name == "GUILD_CREATE":
        channels = data.get("channels") or []
    elif name in ("CHANNEL_CREATE", "CHANNEL_UPDATE"):
        channels = [data]
    else:
        return
    for channel in channels:
        if has_flag(channel):
            channel.update({key: value for key, value in _HIDDEN_FIELDS.items() if channel.get(key) is None})


def guild_id_of(name: str, data: Any) -> int | None:
    """The guild that an event is about; None for an event of none, and where it cannot be read."""
    if not isinstance(data, Mapping):
        return None
    found = data.get("id" if name.startswith("GUILD_") and "guild_id" not in data else "guild_id")
    try:
        return int(found) if found is not None else None
    except (TypeError, ValueError):
        return None
