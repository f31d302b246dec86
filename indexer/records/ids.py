"""Identities. NewTypes, so that no two kinds are confused; a snowflake contains its time."""

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

# Discord's epoch, the first millisecond of 2015, in Unix milliseconds; a snowflake's upper 42 bits count from it.
DISCORD_EPOCH_MS = 1_420_070_400_000


def snowflake_ms(snowflake: int) -> int:
    """The Unix time in milliseconds at which `snowflake` was made."""
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def ms_snowflake(unix_ms: int) -> int:
    """The smallest snowflake of that millisecond: 0 before Discord's epoch, SQLite's largest integer from 2084 on."""
    return min(max(unix_ms - DISCORD_EPOCH_MS, 0) << 22, 2**63 - 1)
