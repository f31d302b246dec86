"""Identities. NewTypes, so that no two kinds are confused; a snowflake contains its time."""

from collections.abc import Callable, Iterable
from typing import NewType

GuildId = NewType("GuildId", int)
ChannelId = NewType("ChannelId", int)  # also threads: to Discord a thread is a channel
MessageId = NewType("MessageId", int)
UserId = NewType("UserId", int)
PictureId = NewType("PictureId", int)  # rowid in `pictures`
PlaceId = NewType("PlaceId", int)  # rowid in `places`
ModelId = NewType("ModelId", int)  # rowid in `models`
JobId = NewType("JobId", int)
OriginId = NewType("OriginId", int)  # rowid in `origins`

DISCORD = OriginId(0)  # the origin of everything that came from Discord itself

EVERYWHERE = GuildId(0)  # means all guilds, in an opt-out

# Whether this process serves a guild. Discord routes guilds to shards, and a bot's shards may be several processes with
# a data folder each.
Serves = Callable[[GuildId], bool]


def serves_all(guild_id: GuildId) -> bool:
    """Of a process that serves all shards."""
    return True


# Discord's epoch, the first millisecond of 2015, in Unix milliseconds; a snowflake's upper 42 bits count from it.
DISCORD_EPOCH_MS = 1_420_070_400_000

# Ids of collections (folders of pictures on this machine) are made up. They are larger than any snowflake that Discord
# gives before November 2049, and stay below 2^63, SQLite's largest integer. From the highest bit on:
#     1 · collection 16 bits · second 33 bits · counter 13 bits
# The second counts from 1833 to 2106: photographs are older than Discord's epoch.
MADE_UP = 1 << 62
COLLECTIONS = 1 << 16
_COUNTER_BITS, _SECOND_BITS = 13, 33
COLLECTION_SHIFT = _COUNTER_BITS + _SECOND_BITS
_FIRST_SECOND = -(1 << 32)  # Unix seconds


def collection_id(collection: int, unix_s: int | None = None) -> int:
    """The smallest made-up id of this collection (0 ≤ collection < COLLECTIONS), of this second where one is given."""
    second = 0 if unix_s is None else min(max(unix_s - _FIRST_SECOND, 0), (1 << _SECOND_BITS) - 1)
    return MADE_UP | collection << COLLECTION_SHIFT | second << _COUNTER_BITS


def collection_of(made_up: int) -> int | None:
    """The collection of a made-up id; None for an id of Discord's."""
    return made_up - MADE_UP >> COLLECTION_SHIFT if made_up >= MADE_UP else None


def within_collection(collection: int, number: int) -> int:
    """A made-up id of this collection for what has no time, a folder for instance, from any large number."""
    return collection_id(collection) | number % (1 << COLLECTION_SHIFT)


def snowflake_ms(snowflake: int) -> int:
    """The Unix time in milliseconds at which `snowflake` was made, or the second of a made-up id."""
    if snowflake >= MADE_UP:
        return ((snowflake >> _COUNTER_BITS) % (1 << _SECOND_BITS) + _FIRST_SECOND) * 1000
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def ms_snowflake(unix_ms: int) -> int:
    """The smallest snowflake of that millisecond: 0 before Discord's epoch, SQLite's largest integer from 2084 on."""
    return min(max(unix_ms - DISCORD_EPOCH_MS, 0) << 22, 2**63 - 1)


def first_message_at(unix_ms: int, channels: Iterable[int]) -> int:
    """The smallest id that a message of that millisecond or later can have in these channels, all of one guild."""
    collection = collection_of(next(iter(channels), 0))
    return ms_snowflake(unix_ms) if collection is None else collection_id(collection, -(-unix_ms // 1000))
