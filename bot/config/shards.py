"""Which of the bot's shards this process serves, and which servers belong to them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from indexer.records.ids import MADE_UP

# At most 2,500 servers belong to a shard, so this is for 25 million of them: a typing mistake is a larger number.
MOST_SHARDS = 10_000

_RANGE = re.compile(r"(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?/(?P<count>\d{1,9})", re.ASCII)


def shard_of(guild_id: int, count: int) -> int:
    """Which of `count` shards receives the server's events.

    https://discord.com/developers/docs/events/gateway#sharding
    """
    return (guild_id >> 22) % count


@dataclass(frozen=True, slots=True)
class ShardRange:
    """The shards `first` to `last` of `count`. A `count` of 0: as many as Discord recommends, and all of them."""

    first: int = 0
    last: int = -1
    count: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError, which says what does not fit."""
        if self.count > MOST_SHARDS:
            raise ValueError(f"{self.count} shards are more than {MOST_SHARDS:,}")
        if self.count and self.first > self.last:
            raise ValueError(f"the first shard ({self.first}) comes after the last one ({self.last})")
        if self.count and self.last >= self.count:
            raise ValueError(f"there is no shard {self.last} of {self.count}: they count from 0 to {self.count - 1}")
        if not self.count and (self.first, self.last) != (0, -1):
            raise ValueError("shards of none cannot be served")

    @property
    def ids(self) -> range:
        """The shards of this process; empty where Discord says how many there are."""
        return range(self.first, self.last + 1)

    @property
    def whole(self) -> bool:
        """Whether this process serves all shards of the bot."""
        return len(self.ids) == self.count

    @property
    def share(self) -> float:
        """This process's part of what Discord allows the whole bot, above 0 and at most 1."""
        return 1.0 if self.whole else len(self.ids) / self.count

    def serves(self, guild_id: int) -> bool:
        """Whether the server belongs to one of these shards. A folder of pictures belongs to whoever has it."""
        return self.whole or guild_id >= MADE_UP or shard_of(guild_id, self.count) in self.ids

    @property
    def registers(self) -> bool:
        """Whether this process registers the bot's commands, which one process does for all. It serves shard 0."""
        return self.first == 0

    def __str__(self) -> str:
        """As the configuration writes it."""
        if self.whole:
            return str(self.count)
        which = f"{self.first}-{self.last}" if self.last > self.first else f"{self.first}"
        return f"{which}/{self.count}"

    @property
    def words(self) -> str:
        """For people: "shards 4-7 of 16"; empty where this process serves all of them."""
        which, _, count = str(self).partition("/")
        return f"shard{'s' if '-' in which else ''} {which} of {count}" if count else ""


ALL_RECOMMENDED = ShardRange()


def shard_range(value: int | str) -> ShardRange:
    """16 or "16": all of 16 shards; 0: all of as many as Discord recommends; "4-7/16" and "5/16": those of 16.

    Raises ValueError, which says what does not fit.
    """
    text = str(value).strip()
    if text.isascii() and text.isdecimal():
        count = int(text[:10])
        return ShardRange(0, count - 1, count)
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError("it is neither a number of shards nor some of them")
    first, count = int(found["first"]), int(found["count"])
    if not count:
        raise ValueError("shards of none cannot be served")
    return ShardRange(first, first if found["last"] is None else int(found["last"]), count)
