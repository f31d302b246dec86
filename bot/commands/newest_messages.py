"""How much of what a reply searched is indexed, and its button Newest messages now, which reads what is missing there.

Only channels that the member may see at that moment are counted and read, and of those the ones that the question was
about. The indexer bounds what is read, and how often (indexer/crawl/on_demand.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.commands.query_scope import Asker
from indexer.crawl.on_demand import TakenIn
from indexer.lru import LruCache
from indexer.records.ids import ChannelId, GuildId, UserId

if TYPE_CHECKING:
    from indexer.service import Service

REMEMBERED = 4_096
COVERAGE_S = 60.0


@dataclass(frozen=True, slots=True)
class Covered:
    """`percent` of the pictures can be found; of `unread` channels the newest messages cannot."""

    percent: int
    unread: int


class NewestMessages:
    """State that the replies of one command share."""

    def __init__(self, service: Service) -> None:
        self._service = service
        # For each member separately: an older number would reveal that another member asked a moment ago.
        self._covered: LruCache[tuple[GuildId, UserId, frozenset[ChannelId]], Covered] = LruCache(
            REMEMBERED, COVERAGE_S
        )

    async def covered(self, who: Asker, channels: frozenset[ChannelId]) -> Covered:
        """Of these channels, as it was within the last COVERAGE_S."""
        key = (who.guild_id, who.user_id, channels)
        if (known := self._covered.get(key)) is not None:
            return known
        percent = await self._service.reports.coverage(who.guild_id, channels)
        covered = Covered(percent, await self._service.on_demand.unread(who.guild_id, channels))
        self._covered.put(key, covered)
        return covered

    async def read(self, who: Asker, channels: frozenset[ChannelId]) -> TakenIn:
        """Reads the newest messages of these channels. Raises TellPerson where this member asked a moment ago."""
        taken_in = await self._service.on_demand.read_newest(who.guild_id, who.user_id, channels)
        self._covered.pop((who.guild_id, who.user_id, channels))
        return taken_in
