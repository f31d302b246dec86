"""Events of servers that other processes of this bot serve are dropped before anything is made of them.

Discord sends a shard the events of its own servers. This guard is for a Discord, or a configuration, that does
otherwise: two processes that store the same server would both answer, and one of them would miss its deletions.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from functools import partial
from typing import Any

from bot.config.shards import ShardRange
from bot.gateway.unparsed_events import Parse, guild_id_of

logger = logging.getLogger(__name__)


class OwnGuilds:
    """Wraps a client's parsers. `dropped` are the servers whose events came and were dropped."""

    def __init__(self, shards: ShardRange) -> None:
        self._shards = shards
        self.dropped: set[int] = set()

    def wrap(self, parsers: MutableMapping[str, Parse]) -> None:
        """Replaces each parser (event name → function of its payload), unless this process serves every shard."""
        if not self._shards.whole:
            for name, parse in list(parsers.items()):
                parsers[name] = partial(self._pass_on, name, parse)

    def _pass_on(self, name: str, parse: Parse, data: Any) -> None:
        if name == "READY":
            data["guilds"] = [guild for guild in data["guilds"] if self._serves(int(guild["id"]))]
            parse(data)
            return
        guild_id = guild_id_of(name, data)
        if guild_id is None or self._serves(guild_id):
            parse(data)

    def _serves(self, guild_id: int) -> bool:
        if self._shards.serves(guild_id):
            return True
        if guild_id not in self.dropped:
            self.dropped.add(guild_id)
            logger.warning(
                "Discord sends events of guild %d, which belongs to another shard: they are dropped", guild_id
            )
        return False
