"""A shared reply shows only what everybody who can read that channel may read too."""

from __future__ import annotations

import itertools

import discord

from bot.permissions.shared_audience import shared_channels
from indexer.records.messages import ChannelKind
from sandbox.permissions import OverwriteKind, Permission
from tests.soak import tries
from tests.worlds.random_guilds import BOT, GUILD, Member, Room, World, discord_guild, random_world


def every_possible_member(world: World) -> World:
    """The world with a member for each combination of roles, each named in overwrites or not, in time-out or not."""
    roles = list(world.roles)
    subsets = [list(some) for count in range(len(roles) + 1) for some in itertools.combinations(roles, count)]
    named = {
        overwrite.id
        for room in world.rooms.values()
        for overwrite in room.overwrites
        if overwrite.kind is OverwriteKind.MEMBER
    }
    members = {world.owner: world.members[world.owner], BOT: world.members[BOT]}
    rooms = {
        room.id: Room(room.id, room.kind, room.parent, list(room.overwrites), room.age_restricted, room.cached)
        for room in world.rooms.values()
    }
    fresh = itertools.count(GUILD + 1_000_000)
    for some, timed_out in itertools.product(subsets, (False, True)):
        for original in (None, *named - {world.owner, BOT}):
            member = Member(next(fresh), some, timed_out)
            members[member.id] = member
            for room in rooms.values():
                room.overwrites += [
                    type(overwrite)(member.id, overwrite.kind, overwrite.allow, overwrite.deny)
                    for overwrite in world.rooms[room.id].overwrites
                    if overwrite.kind is OverwriteKind.MEMBER and overwrite.id == original
                ]
    return World(world.owner, world.everyone, world.roles, members, rooms)


@tries(usual=40, soak=10_000, part=250)
def test_in_random_guilds_nothing_is_shared_that_one_possible_reader_could_not_read(numbers: range) -> None:
    shared_something = 0
    for seed in numbers:
        world = random_world(seed)
        for room in world.rooms.values():
            room.joined.clear()
        guild = discord_guild(world)
        everybody = every_possible_member(world)
        for asking in world.rooms.values():
            if asking.kind is ChannelKind.PRIVATE_THREAD or (asking.parent is not None and not asking.cached):
                continue
            shared = shared_channels(guild, guild.get_channel_or_thread(asking.id), world.stored())
            allowed = everybody.everyone_reads(everybody.rooms[asking.id])
            assert shared <= allowed, f"LEAK in world {seed}: {asking} shows {shared - allowed}"
            shared_something += len(shared - {asking.id})
    assert shared_something > len(numbers) // 10


@tries(usual=40, soak=1_000, part=250)
def test_sharing_is_no_stricter_than_it_must_be_between_texts(numbers: range) -> None:
    """Where every possible reader may read the other channel, it is shared."""
    total = 0
    for seed in numbers:
        world = random_world(seed)
        for room in world.rooms.values():
            room.joined.clear()
        guild = discord_guild(world)
        everybody = every_possible_member(world)
        for asking in world.rooms.values():
            if asking.parent is not None or asking.kind in (ChannelKind.VOICE, ChannelKind.STAGE):
                continue
            shared = shared_channels(guild, guild.get_channel(asking.id), world.stored())
            texts = {
                room.id
                for room in world.rooms.values()
                if room.parent is None and room.kind not in (ChannelKind.VOICE, ChannelKind.STAGE)
            }
            viewable = {room for room in texts if world.reads(BOT, world.rooms[room])}
            wanted = everybody.everyone_reads(everybody.rooms[asking.id]) & viewable
            assert wanted <= shared, f"world {seed}: {asking} does not show {wanted - shared}"
            total += len(wanted - {asking.id})
    assert total > len(numbers)


def test_without_a_channel_nothing_is_shared() -> None:
    world = random_world(1)
    assert shared_channels(discord_guild(world), None, world.stored()) == frozenset()
    assert shared_channels(discord_guild(world), discord.Object(1), world.stored()) == frozenset()


def test_a_private_thread_may_show_itself_but_no_other_private_thread() -> None:
    world = random_world(1)
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    first = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=lobby.id)
    second = Room(GUILD + 12, ChannelKind.PRIVATE_THREAD, parent=lobby.id)
    world.rooms = {room.id: room for room in (lobby, first, second)}
    world.roles[world.members[BOT].roles[0]].permissions = Permission.ADMINISTRATOR
    guild = discord_guild(world)
    assert shared_channels(guild, guild.get_channel_or_thread(first.id), world.stored()) == {lobby.id, first.id}
    assert shared_channels(guild, guild.get_channel(lobby.id), world.stored()) == {lobby.id}
