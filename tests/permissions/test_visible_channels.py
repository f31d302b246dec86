"""The first thing that must never fail: nobody is shown what they may not see."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.history.rest import ShieldedRequests
from bot.permissions import thread_members, visible_channels
from bot.permissions.shared_audience import shared_channels
from bot.permissions.thread_members import ThreadMembers
from indexer.records.ids import ChannelId, GuildId, OriginId
from indexer.records.messages import Channel, ChannelKind
from sandbox.permissions import Overwrite, OverwriteKind, Permission
from tests.soak import SOAK, tries
from tests.worlds.random_guilds import (
    BOT,
    GUILD,
    Member,
    Role,
    Room,
    World,
    discord_guild,
    discord_member,
    random_world,
)
from tests.worlds.waiting import DEADLINE_S

READ = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY


class Threads:
    """Discord's answer to who is in a thread."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[int] = []

    async def get_thread_member(self, thread_id: int, user_id: int) -> dict[str, Any]:
        self.asked.append(thread_id)
        if user_id in self.world.rooms[thread_id].joined:
            return {"id": str(thread_id), "user_id": str(user_id), "join_timestamp": "", "flags": 0}
        answer: Any = SimpleNamespace(status=404, reason="Not Found")  # all that the error reads of it
        raise discord.NotFound(answer, {"code": 10007, "message": "no"})


async def seen(world: World, member_id: int, asking: Room) -> frozenset[int]:
    guild = discord_guild(world)
    member = discord_member(guild, world.members[member_id])
    channel = guild.get_channel_or_thread(asking.id) or discord.Object(asking.id)
    http: Any = Threads(world)
    return frozenset(
        await visible_channels.look(ThreadMembers(http, ShieldedRequests()), guild, member, channel, world.stored())
    )


@tries(usual=200, soak=10_000, part=500)
async def test_in_thousands_of_random_guilds_every_member_sees_exactly_what_discord_lets_them_read(
    numbers: range,
) -> None:
    looks = 0
    for seed in numbers:
        world = random_world(seed)
        guild = discord_guild(world)
        http: Any = Threads(world)
        for member in world.members.values():
            if member.id == BOT:
                continue
            await asyncio.sleep(0)  # nothing below waits: the loop is let go between two members
            joined = discord_member(guild, member)
            for asking in list(world.rooms.values())[:: 1 if SOAK else 3]:
                channel = guild.get_channel_or_thread(asking.id) or discord.Object(asking.id)
                found = await visible_channels.look(
                    ThreadMembers(http, ShieldedRequests()), guild, joined, channel, world.stored()
                )
                restricted_thread_unknown = asking.parent is not None and not asking.cached
                expected = world.may_find(member.id, asking)
                assert found <= expected, f"LEAK in world {seed}: {member} from {asking} sees {found - expected}"
                if not restricted_thread_unknown:
                    assert found == expected, f"world {seed}: {member} from {asking} misses {expected - found}"
                looks += 1
    assert looks > len(numbers)


def small_world(**rooms: Room) -> tuple[World, dict[str, Room]]:
    """An owner (1), a moderator (2) with Manage Threads, a member (3) and the bot, an administrator."""
    moderator = Role(GUILD + 50, Permission.MANAGE_THREADS)
    bot = Role(GUILD + 51, Permission.ADMINISTRATOR)
    members = {
        GUILD + 1: Member(GUILD + 1, []),
        GUILD + 2: Member(GUILD + 2, [moderator.id]),
        GUILD + 3: Member(GUILD + 3, []),
        BOT: Member(BOT, [bot.id]),
    }
    made = {room.id: room for room in rooms.values()}
    return World(GUILD + 1, READ | Permission.CONNECT, {moderator.id: moderator, bot.id: bot}, members, made), rooms


OWNER, MODERATOR, MEMBER = GUILD + 1, GUILD + 2, GUILD + 3


async def test_a_private_thread_is_seen_by_those_in_it_and_by_those_who_manage_threads() -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    secret = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=lobby.id)
    world, _ = small_world(lobby=lobby, secret=secret)
    assert secret.id in await seen(world, OWNER, lobby)
    assert secret.id in await seen(world, MODERATOR, lobby)
    assert secret.id not in await seen(world, MEMBER, lobby)
    secret.joined.add(MEMBER)
    assert secret.id in await seen(world, MEMBER, lobby)


async def test_an_archived_private_thread_that_only_storage_knows_follows_the_same_rule() -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    secret = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=lobby.id, cached=False)
    world, _ = small_world(lobby=lobby, secret=secret)
    assert secret.id not in await seen(world, MEMBER, lobby)
    secret.joined.add(MEMBER)
    assert secret.id in await seen(world, MEMBER, lobby)


async def test_a_moderator_in_time_out_no_longer_manages_threads() -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    secret = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=lobby.id)
    world, _ = small_world(lobby=lobby, secret=secret)
    world.members[MODERATOR].timed_out = True
    assert await seen(world, MODERATOR, lobby) == {lobby.id}


async def test_being_in_a_private_thread_does_not_help_who_cannot_see_its_channel() -> None:
    hidden = Room(GUILD + 10, ChannelKind.TEXT, overwrites=[Overwrite(MEMBER, OverwriteKind.MEMBER, deny=READ)])
    secret = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=hidden.id, joined={MEMBER})
    world, _ = small_world(hidden=hidden, secret=secret)
    assert await seen(world, MEMBER, hidden) == frozenset()


async def test_age_restricted_channels_and_their_threads_are_seen_only_from_age_restricted_ones() -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    adult = Room(GUILD + 11, ChannelKind.TEXT, age_restricted=True)
    thread = Room(GUILD + 12, ChannelKind.PUBLIC_THREAD, parent=adult.id)
    world, _ = small_world(lobby=lobby, adult=adult, thread=thread)
    assert await seen(world, OWNER, lobby) == {lobby.id}
    assert await seen(world, OWNER, adult) == {lobby.id, adult.id, thread.id}
    assert await seen(world, OWNER, thread) == {lobby.id, adult.id, thread.id}


async def test_a_voice_channel_needs_connect_and_a_time_out_takes_it_away() -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    voice = Room(GUILD + 11, ChannelKind.VOICE)
    world, _ = small_world(lobby=lobby, voice=voice)
    assert voice.id in await seen(world, MEMBER, lobby)
    world.members[MEMBER].timed_out = True
    assert await seen(world, MEMBER, lobby) == {lobby.id}
    world.members[MEMBER].timed_out = False
    voice.overwrites.append(Overwrite(GUILD, OverwriteKind.ROLE, deny=Permission.CONNECT))
    assert await seen(world, MEMBER, lobby) == {lobby.id}


async def test_a_thread_whose_membership_discord_does_not_tell_in_time_stays_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    secret = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=lobby.id, joined={MEMBER})
    world, _ = small_world(lobby=lobby, secret=secret)

    late, ended = asyncio.Event(), asyncio.Event()

    async def slow(self: Threads, thread_id: int, user_id: int) -> dict[str, Any]:
        await late.wait()
        ended.set()
        return {}

    monkeypatch.setattr(Threads, "get_thread_member", slow)
    monkeypatch.setattr(thread_members, "ANSWER_S", 0.02)
    assert await seen(world, MEMBER, lobby) == {lobby.id}
    late.set()  # the request itself is never cut off: cut off in a global rate limit, it would lock discord.py
    async with asyncio.timeout(DEADLINE_S):
        await ended.wait()


async def test_a_thread_that_discord_fails_to_tell_about_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    lobby = Room(GUILD + 10, ChannelKind.TEXT)
    secret = Room(GUILD + 11, ChannelKind.PRIVATE_THREAD, parent=lobby.id, joined={MEMBER})
    world, _ = small_world(lobby=lobby, secret=secret)

    async def broken(self: Threads, thread_id: int, user_id: int) -> dict[str, Any]:
        raise ConnectionResetError(104, "reset")

    monkeypatch.setattr(Threads, "get_thread_member", broken)
    assert await seen(world, MEMBER, lobby) == {lobby.id}


async def test_before_the_guild_has_arrived_nothing_is_visible() -> None:
    world, _ = small_world(lobby=Room(GUILD + 10, ChannelKind.TEXT))
    guild = discord_guild(world)
    member = discord_member(guild, world.members[OWNER])
    guild._members.clear()
    assert visible_channels.visible_channels(guild, member, None, stored=world.stored()) == frozenset()


@tries(usual=100, soak=2_500, part=500)
def test_what_only_an_archive_says_of_channels_is_never_shown_to_anybody(numbers: range) -> None:
    """Whatever an archive claims: threads of channels that are open, private ones of the member's own, other kinds."""
    for seed in numbers:
        world = random_world(seed)
        rng = random.Random(seed)
        guild = discord_guild(world)
        stored = world.stored()
        parents = [room.id for room in world.rooms.values()]
        claimed = [
            Channel(
                ChannelId(rng.getrandbits(60)),
                GuildId(GUILD),
                rng.choice(list(ChannelKind)),
                "claimed",
                ChannelId(rng.choice([*parents, 7])),
                origin_id=OriginId(rng.randrange(1, 4)),
            )
            for _ in range(12)
        ]
        asked_in = discord.Object(rng.choice(parents))
        assert shared_channels(guild, asked_in, [*claimed, *stored]) == shared_channels(guild, asked_in, stored)
        for who in world.members.values():
            member = discord_member(guild, who)
            asking = discord.Object(rng.choice(parents))
            joined = [channel.id for channel in claimed]
            without = visible_channels.visible_channels(guild, member, asking, stored=stored, joined=joined)
            mixed = [*stored, *claimed]
            rng.shuffle(mixed)
            assert visible_channels.visible_channels(guild, member, asking, stored=mixed, joined=joined) == without
            assert visible_channels.hidden_for_age(guild, member, asking, mixed) == visible_channels.hidden_for_age(
                guild, member, asking, stored
            )
