"""A full disk: those who manage a server are told once, and nobody else reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.gateway import disk_notices
from indexer.database import room
from indexer.records.ids import GuildId
from sandbox.members import Person
from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import Channel, Guild, Message
from tests.worlds.running_bot import Running, noise, running, town, with_auto_start
from tests.worlds.waiting import until

FULL, ROOM = "nearly full", "has room again"
MORE_THAN_ANY_DISK = 10**18


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_S", 0.02)
    monkeypatch.setattr(disk_notices, "LOOK_S", 0.02)
    monkeypatch.setattr(disk_notices, "STEADY_S", 0.1)


def keep_free(bot: Running, needed: int) -> None:
    """As if `storage.min_free_bytes` were this: with more than the disk has, it is full."""
    bot.service.db.room._needed_bytes = needed


async def steady(bot: Running, state: str) -> None:
    """Waits until the state has lasted, and everybody who had to be told of it was."""

    async def holds() -> bool:
        return bot.client._disk_notices._steady == state

    await until(holds)
    looks = bot.client._disk_notices.looks

    async def looked() -> bool:
        return bot.client._disk_notices.looks > looks + 1

    await until(looked)


def posted(bot: Running, guild: Guild) -> list[tuple[Channel, str]]:
    """Everything that the bot has posted in the server for more than one pair of eyes."""
    world_bot = bot.sandbox.world.bot
    return [
        (channel, message.content)
        for channel in guild.channels.values()
        for message in channel.messages()
        if message.author == world_bot and not message.ephemeral
    ]


def managers_only(guild: Guild) -> Channel:
    return guild.channel(
        "updates",
        overwrites=[
            guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL),
            guild.me.overwrite(
                allow=Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.SEND_MESSAGES
            ),
        ],
    )


async def test_managers_are_told_once_in_their_own_channel_also_over_a_restart_and_once_that_it_goes_on(
    tmp_path: Path,
) -> None:
    place = town()
    guild = place.guild
    updates = guild.public_updates_channel = managers_only(guild)
    unread = place.world.guild("Not indexed", place.owner.user)
    unread.public_updates_channel = managers_only(unread)
    async with open_sandbox(place.world) as sandbox:
        async with running(sandbox, tmp_path) as bot:
            await bot.service.jobs.start(GuildId(guild.id))
            await bot.indexed(guild)
            keep_free(bot, MORE_THAN_ANY_DISK)
            await steady(bot, disk_notices.FULL)
            ((channel, text),) = posted(bot, guild)
            assert channel is updates
            assert FULL in text
            missed: Message = place.pictures.post(place.member.user, "while it was full", files=[noise(500)])
            await bot.client._events.settled()
        async with running(sandbox, tmp_path) as bot:
            keep_free(bot, MORE_THAN_ANY_DISK)
            await steady(bot, disk_notices.FULL)
            assert len(posted(bot, guild)) == 1  # not again
            owner = await bot.person(place.owner).slash(place.talk.id, "similar", {"text": "picture"})
            assert owner.followups == []  # they were told in the channel
            keep_free(bot, 0)
            await steady(bot, disk_notices.ROOM)
            told = posted(bot, guild)
            assert [channel for channel, _ in told] == [updates, updates]
            assert ROOM in told[1][1]
            await found(bot, missed)
            keep_free(bot, MORE_THAN_ANY_DISK)  # another episode
            await steady(bot, disk_notices.FULL)
            assert len(posted(bot, guild)) == 3
            assert posted(bot, unread) == []


async def found(bot: Running, message: Message) -> None:
    """Waits until the message's picture can be found."""

    async def holds() -> bool:
        async with bot.service.db.reader() as connection:
            rows = await connection.execute_fetchall(
                "SELECT 1 FROM places WHERE message_id = ? AND state = 'ready'", (message.id,)
            )
        return bool(list(rows))

    await until(holds)


async def test_without_such_a_channel_the_first_manager_who_gives_a_command_is_told_and_no_member(
    tmp_path: Path,
) -> None:
    place = town()
    guild = place.guild
    guild.system_channel = place.talk  # members read it
    async with running(place.world, tmp_path, with_auto_start) as bot:
        await bot.indexed(guild)
        member, owner = bot.person(place.member), bot.person(place.owner)
        keep_free(bot, MORE_THAN_ANY_DISK)
        await steady(bot, disk_notices.FULL)
        assert posted(bot, guild) == []
        assert await told_nothing(member, place.talk)
        assert FULL in await told(owner, place.talk)
        assert await told_nothing(owner, place.talk)
        keep_free(bot, 0)
        await steady(bot, disk_notices.ROOM)
        assert await told_nothing(member, place.talk)
        assert ROOM in await told(owner, place.talk)
        assert await told_nothing(owner, place.talk)
        assert posted(bot, guild) == []


async def told(who: Person, channel: Channel) -> str:
    """What the member is told behind the answer to a command, for their eyes only."""
    reply = await who.slash(channel.id, "stats")
    await reply.until(lambda answer: bool(answer.followups))
    (behind,) = reply.followups
    assert behind.ephemeral
    return behind.content


async def told_nothing(who: Person, channel: Channel) -> bool:
    reply = await who.slash(channel.id, "stats")
    await reply.settled()
    return not reply.followups


async def test_what_everybody_reads_names_no_figures_of_the_disk(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        keep_free(bot, MORE_THAN_ANY_DISK)

        async def low() -> bool:
            return bot.service.db.room.low

        await until(low)
        reason = bot.service.db.room.reason
        assert reason is not None
        assert not reason.values
