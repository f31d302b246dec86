"""The demo's guild and a small one on each of the other shards."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from sandbox.demo.pictures import Picture
from sandbox.demo.world import SEED, DemoWorld, build
from sandbox.drawing.concepts import CONCEPTS, Concept
from sandbox.drawing.scene import random_scene, scene_of
from sandbox.permissions import INVITED
from sandbox.world import Channel, Guild, Member, Message, World

SHARDS: Final = 4
_PICTURES: Final = 12
_SOUGHT: Final = ("volcano", "piano", "snowman", "lobster")


@dataclass(frozen=True, slots=True)
class SmallGuild:
    """A member asks for `words` in `channel`; `expected` must come first."""

    guild: Guild
    member: Member
    channel: Channel
    words: str
    expected: Message


def shard_of(guild: Guild) -> int:
    """https://discord.com/developers/docs/events/gateway#sharding"""
    return (guild.id >> 22) % SHARDS


def fleet_world(seed: int = SEED) -> tuple[DemoWorld, list[SmallGuild]]:
    """Guilds on every shard: the demo's own, with all its questions, and three small ones."""
    demo, random = build(seed), Random(seed)
    others = [shard for shard in range(SHARDS) if shard != shard_of(demo.guild)]
    pool = [concept for concept in CONCEPTS if concept.id not in _SOUGHT]
    by_id = {concept.id: concept for concept in CONCEPTS}
    return demo, [
        _small(demo.world, shard, random, pool, by_id[words])  # type: ignore[index]  # names are ConceptIds
        for shard, words in zip(others, _SOUGHT, strict=False)
    ]


def _small(world: World, shard: int, random: Random, pool: Sequence[Concept], sought: Concept) -> SmallGuild:
    owner = world.user(f"owner{shard}", f"Owner {shard}")
    guild = world.guild(f"Village {shard}", owner, bot_allowed=INVITED)
    while shard_of(guild) != shard:  # an id's shard changes with each millisecond
        del world.guilds[guild.id]
        world.clock.advance(0.001)
        guild = world.guild(f"Village {shard}", owner, bot_allowed=INVITED)
    channel = guild.channel("pictures")
    for at in range(_PICTURES):
        picture = Picture(random_scene(random, pool, 2), (480, 360), "jpg")
        channel.post(owner, f"number {at}", files=[picture.file(f"image{at}.jpg")])
    picture = Picture(scene_of(random, [sought]), (480, 360), "jpg")
    expected = channel.post(owner, "look", files=[picture.file("image.jpg")])
    return SmallGuild(guild, guild.members[owner.id], channel, sought.words[0], expected)
