"""Who is in a private thread is asked sparingly, and nobody sees a thread longer than promised."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.history.rest import ShieldedRequests
from bot.permissions import visible_channels
from bot.permissions.thread_members import MEMBER_AT_ONCE, MEMBER_BURST, NOT_JOINED_S, ThreadMembers
from indexer.records.ids import ChannelId
from indexer.records.messages import ChannelKind
from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from tests.soak import SOAK, tries
from tests.worlds.random_guilds import BOT, GUILD, Member, Role, Room, World, discord_guild, discord_member
from tests.worlds.running_bot import noise, running, town, with_auto_start
from tests.worlds.waiting import DEADLINE_S

# Seconds, as docs/security.md promises them: a figure of its own, so that a change of ours is seen.
PROMISED_S = 10.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Threads:
    """Discord's side: who is in which thread now. With a `gate`, answers wait for it."""

    def __init__(self) -> None:
        self.joined: set[tuple[int, int]] = set()
        self.asked: list[tuple[int, int]] = []
        self.at_once: dict[int, int] = {}
        self.most_at_once: dict[int, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.heard = asyncio.Condition()

    async def were_asked(self, count: int) -> None:
        """Waits until so many questions have come."""
        async with asyncio.timeout(DEADLINE_S), self.heard:
            await self.heard.wait_for(lambda: len(self.asked) >= count)

    async def get_thread_member(self, channel_id: int, user_id: int) -> Any:
        async with self.heard:
            self.asked.append((channel_id, user_id))
            self.heard.notify_all()
        self.at_once[user_id] = self.at_once.get(user_id, 0) + 1
        self.most_at_once[user_id] = max(self.most_at_once.get(user_id, 0), self.at_once[user_id])
        is_in = (channel_id, user_id) in self.joined
        await self.gate.wait()
        self.at_once[user_id] -= 1
        if is_in:
            return {}
        answer: Any = SimpleNamespace(status=404, reason="Not Found")  # all that the error reads of it
        raise discord.NotFound(answer, {"code": 10007, "message": "no"})


def made() -> tuple[Threads, Clock, ThreadMembers]:
    threads, clock = Threads(), Clock()
    return threads, clock, ThreadMembers(threads, ShieldedRequests(), clock)


def ids(count: int) -> list[ChannelId]:
    return [ChannelId(number) for number in range(count, 0, -1)]


async def test_pressing_again_and_again_asks_discord_once() -> None:
    threads, _, members = made()
    threads.joined = {(7, 1), (30, 1)}
    for _ in range(100):
        assert await members.joined(1, ids(40)) == {7, 30}
    assert len(threads.asked) == 40


async def test_who_asks_at_the_same_time_waits_for_the_same_answer() -> None:
    threads, _, members = made()
    threads.joined = {(1, 1)}
    threads.gate.clear()
    asking = [asyncio.create_task(members.joined(1, ids(1))) for _ in range(20)]
    await threads.were_asked(1)
    threads.gate.set()
    assert await asyncio.gather(*asking) == [{1}] * 20
    assert len(threads.asked) == 1


async def test_a_member_who_was_taken_out_sees_the_thread_for_ten_seconds_at_most() -> None:
    threads, clock, members = made()
    threads.joined = {(1, 1)}
    assert await members.joined(1, ids(1)) == {1}
    threads.joined.clear()
    clock.now += PROMISED_S - 0.01
    assert await members.joined(1, ids(1)) == {1}
    clock.now += 0.01
    assert await members.joined(1, ids(1)) == frozenset()


async def test_the_seconds_count_from_before_discord_was_asked() -> None:
    threads, clock, members = made()
    threads.joined = {(1, 1)}
    threads.gate.clear()
    asking = asyncio.create_task(members.joined(1, ids(1)))
    await threads.were_asked(1)
    clock.now += PROMISED_S  # the answer was on its way all this time
    threads.gate.set()
    assert await asking == frozenset()


async def test_who_was_added_is_seen_after_half_a_minute() -> None:
    threads, clock, members = made()
    assert await members.joined(1, ids(1)) == frozenset()
    threads.joined = {(1, 1)}
    clock.now += NOT_JOINED_S
    assert await members.joined(1, ids(1)) == {1}


async def test_a_member_who_spent_the_budget_is_answered_without_those_threads_and_nobody_else_is() -> None:
    threads, clock, members = made()
    threads.joined = {(thread, user) for thread in range(1, 81) for user in (1, 2)}
    seen = await members.joined(1, ids(80))
    assert seen == set(range(31, 81))  # the newest
    assert len(threads.asked) == MEMBER_BURST
    assert await members.joined(1, [ChannelId(30)]) == frozenset()
    assert len(threads.asked) == MEMBER_BURST
    assert await members.joined(2, [ChannelId(30)]) == {30}
    clock.now += 5  # of two requests a second
    assert await members.joined(1, ids(80)) == set(range(21, 81))


async def test_one_members_questions_never_fill_the_line() -> None:
    threads, _, members = made()
    threads.joined = {(3, 2)}
    threads.gate.clear()
    hoarding = asyncio.create_task(members.joined(1, ids(50)))
    await threads.were_asked(MEMBER_AT_ONCE)
    modest = asyncio.create_task(members.joined(2, [ChannelId(3)]))
    await threads.were_asked(MEMBER_AT_ONCE + 1)  # although nothing of the first member's was answered
    assert threads.asked[-1] == (3, 2)
    assert threads.most_at_once[1] == MEMBER_AT_ONCE
    threads.gate.set()
    assert await modest == {3}
    await hoarding


async def test_nothing_of_a_member_is_kept_for_longer_than_it_counts() -> None:
    _, clock, members = made()
    await members.joined(1, ids(10))
    clock.now += NOT_JOINED_S
    await members.joined(2, ids(1))
    assert {user for _, user in members._told._values} == {2}


async def test_closing_ends_what_is_being_asked() -> None:
    threads, _, members = made()
    threads.gate.clear()
    asking = asyncio.create_task(members.joined(1, ids(20)))
    await threads.were_asked(MEMBER_AT_ONCE)
    await members.close()
    assert await asking == frozenset()
    assert members._asking == {}
    threads.gate.set()


@pytest.mark.soak
async def test_sixty_private_threads_and_hundreds_of_presses_cost_discord_fifty_requests(tmp_path: Path) -> None:
    place = town(pictures=12, secrets=0, others=0)
    for number in range(60):
        thread = place.pictures.thread(f"private {number}", place.owner.user, private=True)
        thread.post(place.owner.user, files=[noise(2000 + number)])
    presses = 300 if SOAK else 30
    async with open_sandbox(place.world, keep=100_000) as sandbox, running(sandbox, tmp_path, with_auto_start) as bot:
        await bot.indexed(place.guild)
        clock = Clock()
        bot.client.thread_members.clock = clock
        member = bot.person(place.member)
        reply = await member.slash(place.talk.id, "similar", {"text": "picture min:-1 count:50"})
        for number in range(presses):
            reply = await member.press(reply, "Previous" if number % 2 else "Next")
        asked = [exchange for exchange in sandbox.record.exchanges if "/thread-members/" in exchange.path]
        assert len(asked) == MEMBER_BURST
        assert {jump.channel_id for jump in reply.jump_links()} == {place.pictures.id}


@tries(usual=30, soak=3_000, part=300)
async def test_nobody_ever_sees_a_private_thread_that_was_closed_to_them_for_ten_seconds(numbers: range) -> None:
    """Random joining, leaving, role changes and questions, held against who could read what at each moment before."""
    read = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
    shown = hidden_late = 0
    for seed in numbers:
        rng = random.Random(seed)
        keeper, bot_role = Role(GUILD + 50, Permission.MANAGE_THREADS), Role(GUILD + 51, Permission.ADMINISTRATOR)
        people = {GUILD + n: Member(GUILD + n, []) for n in (1, 2, 3)} | {BOT: Member(BOT, [bot_role.id])}
        lobby = Room(GUILD + 10, ChannelKind.TEXT)
        rooms = [Room(GUILD + 20 + n, ChannelKind.PRIVATE_THREAD, parent=lobby.id) for n in range(4)]
        world = World(
            GUILD + 1, read, {role.id: role for role in (keeper, bot_role)}, people, {r.id: r for r in (lobby, *rooms)}
        )
        threads, clock, members = made()
        past: dict[tuple[int, int], float] = {}  # until when the member could last read the thread
        for _ in range(40):
            thread, user = rng.choice(rooms), GUILD + rng.choice((2, 3))
            match rng.choice(("join", "leave", "role", "wait", "ask", "ask", "ask")):
                case "join":
                    thread.joined.add(user)
                case "leave":
                    thread.joined.discard(user)
                case "role":
                    people[user].roles = [] if people[user].roles else [keeper.id]
                case "wait":
                    clock.now += rng.choice((0.5, 3.0, PROMISED_S / 2, PROMISED_S, 20.0))
                case "ask":
                    threads.joined = {(room.id, user_id) for room in rooms for user_id in room.joined}
                    guild = discord_guild(world)
                    member = discord_member(guild, people[user])
                    lobby_channel = guild.get_channel(lobby.id)
                    found = await visible_channels.look(members, guild, member, lobby_channel, world.stored())
                    now_allowed = world.may_find(user, lobby)
                    allowed = {room.id for room in rooms if clock.now - past.get((room.id, user), -1e9) < PROMISED_S}
                    assert found <= now_allowed | allowed, f"LEAK in world {seed}: {found - now_allowed - allowed}"
                    shown += len(found) - 1
                    hidden_late += len(found - now_allowed)
            for room in rooms:
                for user_id in (GUILD + 2, GUILD + 3):
                    if room.id in world.may_find(user_id, lobby):
                        past[room.id, user_id] = clock.now
    assert shown > len(numbers)
    assert hidden_late > 0  # else nothing was remembered, and the bound not tried
