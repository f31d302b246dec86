"""A world with a server on each of several shards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.config.shards import shard_range
from bot.config.tables import Config
from sandbox.world import Channel, Guild, Member, World
from tests.worlds.running_bot import noise


@dataclass
class ShardedTown:
    """`guilds[n]` is on shard n; `channels[n]` is its channel, with three pictures; `members[n]` posted them."""

    world: World
    guilds: list[Guild]
    channels: list[Channel]
    members: list[Member]


def sharded_town(shards: int) -> ShardedTown:
    world = World()
    ada, bo = world.user("ada", "Ada"), world.user("bo", "Bo")
    guilds: list[Guild] = []
    for shard in range(shards):
        while (world.ids.make() >> 22) % shards != shard:  # an id's shard changes with each millisecond
            world.clock.advance(0.001)
        guild = world.guild(f"Town {shard}", ada)
        while (guild.id >> 22) % shards != shard:  # the millisecond passed in between
            del world.guilds[guild.id]
            guild = world.guild(f"Town {shard}", ada)
        guilds.append(guild)
    members = [guild.join(bo) for guild in guilds]
    channels = [guild.channel("pictures") for guild in guilds]
    for shard, channel in enumerate(channels):
        for at in range(3):
            channel.post(bo, f"picture {at} of town {shard}", files=[noise(10 * shard + at)])
    return ShardedTown(world, guilds, channels, members)


def serving(shards: str, start: str = "auto") -> Callable[[Config], Config]:
    """A process that serves these shards and begins to read by itself."""

    def change(config: Config) -> Config:
        crawl = replace(config.settings.crawl, start=start)
        discord = replace(
            config.discord, shards=shard_range(shards), turns_dir=config.settings.data_dir.parent / "turns"
        )
        return replace(config, discord=discord, settings=replace(config.settings, crawl=crawl))

    return change
