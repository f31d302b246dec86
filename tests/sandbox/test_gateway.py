"""The gateway: who is let in, what is told to whom, and how a broken connection goes on."""

import asyncio
import base64
import json
from typing import Any

import aiohttp
import discord
import pytest

from sandbox.gateway_codes import Close, Intent
from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind, World
from tests.sandbox.conftest import Connect
from tests.sandbox.gateway_client import identify, wire
from tests.worlds.rich_guild import rich_world


@pytest.mark.parametrize("compressed", [True, False])
async def test_identify_brings_ready_and_every_guild(compressed: bool) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox, compressed=compressed) as bot:
        await bot.send(1, None)
        assert (await bot.next())["op"] == 11
        await bot.send(2, identify(sandbox))
        ready = await bot.until("READY")
        assert ready["guilds"] == [{"id": str(rich.guild.id), "unavailable": True}]
        guild = await bot.until("GUILD_CREATE")
        assert {c["name"] for c in guild["channels"]} >= {"chat", "forum", "___hidden___"}
        assert "secret" not in str(guild)
        assert {t["name"] for t in guild["threads"]} == {"a post", "whispers"}
        assert [m["user"]["id"] for m in guild["members"]] == [str(rich.world.bot.id)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": "wrong"}, Close.AUTHENTICATION_FAILED),
        ({"shard": [2, 2]}, Close.INVALID_SHARD),
        ({"intents": int(Intent.GUILD_PRESENCES)}, Close.DISALLOWED_INTENTS),
        ({"intents": 1 << 40}, Close.INVALID_INTENTS),
    ],
)
async def test_a_wrong_identify_is_closed_with_its_code(change: dict[str, Any], code: Close) -> None:
    async with open_sandbox(rich_world().world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox) | change)
        assert await bot.closed() == code


async def test_a_privileged_intent_that_is_switched_off_is_closed_with_4014() -> None:
    rich = rich_world()
    rich.world.application.message_content = False
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        assert await bot.closed() == 4014


async def test_the_token_may_stand_as_in_the_header_and_json_in_a_binary_frame() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as bot:
        asked = identify(sandbox, token=f"Bot {sandbox.token}")
        await bot.socket.send_bytes(json.dumps({"op": 2, "d": asked}).encode())
        assert (await bot.until("GUILD_CREATE"))["id"] == str(rich.guild.id)


def test_a_token_has_discords_shape() -> None:
    world = World()
    whose, made, secret = world.application.token.split(".")
    assert base64.urlsafe_b64decode(whose + "==") == str(world.bot.id).encode()
    assert (len(made), len(secret)) == (6, 38)
    assert World().application.token != world.application.token


@pytest.mark.parametrize(
    ("op", "data"),
    [
        (2, None),
        (2, []),
        (2, {"shard": "0/1"}),
        (2, {"shard": [0]}),
        (2, {"shard": [0, None]}),
        (2, {"intents": "all"}),
        (6, None),
        (6, {"seq": "x"}),
        (8, None),
        (8, {"guild_id": "Meadow"}),
        (8, {"guild_id": "1", "user_ids": ["mara"]}),
    ],
)
async def test_data_of_another_shape_is_closed_with_4002(op: int, data: object) -> None:
    async with open_sandbox(rich_world().world) as sandbox, wire(sandbox) as bot:
        if op == 8:
            await bot.send(2, identify(sandbox))
            await bot.until("GUILD_CREATE")
        elif isinstance(data, dict):
            data |= {"token": sandbox.token}
        await bot.send(op, data)
        assert await bot.closed() == Close.DECODE_ERROR


@pytest.mark.parametrize(
    ("text", "code"),
    [("no json", 4002), ("[]", 4002), ('{"op": null}', 4002), ('{"op": 99}', 4001), ('{"op": 8, "d": {}}', 4003)],
)
async def test_nonsense_is_closed_with_its_code(text: str, code: int) -> None:
    async with open_sandbox(rich_world().world) as sandbox, wire(sandbox) as bot:
        await bot.socket.send_str(text)
        assert await bot.closed() == code


async def test_a_resume_brings_what_was_missed_once_and_in_order() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox:
        async with wire(sandbox) as bot:
            await bot.send(2, identify(sandbox))
            session = (await bot.until("READY"))["session_id"]
            await bot.until("GUILD_CREATE")
            rich.chat.post(rich.member, "seen")
            assert (await bot.until("MESSAGE_CREATE"))["content"] == "seen"
            sequence = bot.sequence
        missed = [rich.chat.post(rich.member, str(i)).content for i in range(3)]
        async with wire(sandbox) as bot:
            await bot.send(6, {"token": sandbox.token, "session_id": session, "seq": sequence})
            assert [(await bot.until("MESSAGE_CREATE"))["content"] for _ in missed] == missed
            await bot.until("RESUMED")
            rich.chat.post(rich.member, "after")
            assert (await bot.until("MESSAGE_CREATE"))["content"] == "after"


async def test_a_session_that_is_gone_cannot_be_resumed() -> None:
    async with open_sandbox(rich_world().world) as sandbox, wire(sandbox) as bot:
        await bot.send(6, {"token": sandbox.token, "session_id": "gone", "seq": 1})
        found = await bot.next()
        assert (found["op"], found["d"]) == (9, False)


async def test_without_the_content_intent_events_are_hollow() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox, intents=int(Intent.GUILDS | Intent.GUILD_MESSAGES)))
        await bot.until("GUILD_CREATE")
        rich.chat.post(rich.member, "words")
        assert (await bot.until("MESSAGE_CREATE"))["content"] == ""


async def test_what_the_bot_may_not_see_it_does_not_hear() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        await bot.until("GUILD_CREATE")
        rich.secret.post(rich.owner, "hidden")
        rich.secret.update(name="vault")
        hidden = rich.secret.thread("hidden", rich.owner)
        hidden.delete()
        rich.chat.post(rich.owner, "shown")
        renamed = await bot.next()
        assert (renamed["t"], renamed["d"]["name"]) == ("CHANNEL_UPDATE", "___hidden___")
        assert (await bot.next())["d"]["content"] == "shown"


async def test_members_are_told_only_to_those_with_the_intent_and_asked_for_by_anyone() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        await bot.until("GUILD_CREATE")
        rich.guild.members[rich.member.id].update(nick="Ben")
        rich.guild.me.update(nick="Finder")
        assert (await bot.until("GUILD_MEMBER_UPDATE"))["nick"] == "Finder"
        ask = {"guild_id": str(rich.guild.id), "user_ids": [str(rich.member.id), "5"], "nonce": "n", "limit": 0}
        await bot.send(8, ask)
        chunk = await bot.until("GUILD_MEMBERS_CHUNK")
        assert ([m["nick"] for m in chunk["members"]], chunk["not_found"], chunk["nonce"]) == (["Ben"], ["5"], "n")


async def test_discord_py_comes_back_by_itself_after_a_drop(connect: Connect) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, connect(sandbox) as bot:
        await sandbox.gateway.drop(4000)
        rich.chat.post(rich.member, "while away")
        message = await bot.hears("message")
        assert isinstance(message, discord.Message)
        assert (message.content, sandbox.gateway.resumed) == ("while away", 1)
        await sandbox.gateway.ask_to_reconnect()
        bot.heard.clear()
        await bot.hears("shard_resumed")
        assert sandbox.gateway.identified == 1


async def test_discord_py_identifies_anew_when_its_session_is_forgotten(connect: Connect) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, connect(sandbox) as bot:
        bot.heard.clear()
        await sandbox.gateway.forget_sessions()
        rich.chat.post(rich.member, "never told")
        await bot.hears("shard_connect")
        assert sandbox.gateway.identified == 2
        rich.chat.post(rich.member, "told")
        message = await bot.hears("message")
        assert isinstance(message, discord.Message)
        assert message.content == "told"


async def test_two_shards_hear_of_their_own_guilds_only() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as first, wire(sandbox) as second:
        shards = [(first, 0), (second, 1)]
        for bot, number in shards:
            await bot.send(2, identify(sandbox, shard=[number, 2]))
        ready = [await bot.until("READY") for bot, _ in shards]
        mine = (rich.guild.id >> 22) % 2
        assert [len(found["guilds"]) for found in ready] == [1 - mine, mine]


async def test_many_events_at_once_arrive_whole_and_in_order() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        await bot.until("GUILD_CREATE")
        for i in range(300):
            rich.chat.post(rich.member, str(i))
            if i % 50 == 0:
                await bot.send(1)
                await asyncio.sleep(0)
        assert [(await bot.until("MESSAGE_CREATE"))["content"] for _ in range(300)] == [str(i) for i in range(300)]


async def test_discord_py_hears_of_channels_threads_roles_and_members(connect: Connect) -> None:
    rich = rich_world()
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True, members=True)
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, intents=intents) as bot:
        seen = bot.get_guild(rich.guild.id)
        assert seen is not None
        role = rich.guild.role("Guest")
        await bot.hears("guild_role_create")
        role.update(allowed=Permission.VIEW_CHANNEL)
        await bot.hears("guild_role_update")
        new = rich.guild.channel("new", ChannelKind.FORUM)
        await bot.hears("guild_channel_create")
        new.thread("hello", rich.member)
        await bot.hears("thread_create")
        rich.post.archive()
        await bot.hears("thread_update")
        new.delete()
        await bot.hears("guild_channel_delete")
        await bot.hears("raw_thread_delete")
        guest = rich.guild.join(rich.world.user("guest"))
        await bot.hears("member_join")
        guest.update(roles=[role])
        await bot.hears("member_update")
        role.delete()
        await bot.hears("guild_role_delete")
        guest.leave()
        await bot.hears("member_remove")
        rich.guild.rename("Field")
        await bot.hears("guild_update")
        rich.chat.remove([m.id for m in rich.chat.page(3)], bulk=True)
        await bot.hears("raw_bulk_message_delete")
        assert seen.name == "Field"


async def test_an_identify_that_comes_too_soon_gets_no_session_and_another_buckets_does() -> None:
    async with open_sandbox(rich_world().world) as sandbox:
        starts = sandbox.gateway.starts
        starts.gap_s, starts.max_concurrency = 600.0, 2
        async with wire(sandbox) as first, wire(sandbox) as second, wire(sandbox) as third:
            await first.send(2, identify(sandbox, shard=[0, 4]))
            await first.until("READY")
            await second.send(2, identify(sandbox, shard=[2, 4]))
            refused = await second.next()
            assert (refused["op"], refused["d"]) == (9, False)
            await third.send(2, identify(sandbox, shard=[1, 4]))
            await third.until("READY")
        assert [(asked.shard, asked.accepted) for asked in starts.asked] == [
            ((0, 4), True),
            ((2, 4), False),
            ((1, 4), True),
        ]


async def test_the_days_sessions_count_down_and_one_more_costs_the_token() -> None:
    async with open_sandbox(rich_world().world) as sandbox, aiohttp.ClientSession() as session:
        sandbox.gateway.starts.total = 2
        token = sandbox.token

        async def limit() -> Any:
            headers = {"Authorization": f"Bot {sandbox.token}"}
            async with session.get(f"{sandbox.api_base}/gateway/bot", headers=headers) as answer:
                return (await answer.json())["session_start_limit"]

        for left in (2, 1):
            assert (await limit())["remaining"] == left
            async with wire(sandbox) as bot:
                await bot.send(2, identify(sandbox))
                await bot.until("READY")
        found = await limit()
        assert (found["total"], found["remaining"], found["max_concurrency"]) == (2, 0, 1)
        assert 0 < found["reset_after"] <= 86_400_000
        async with wire(sandbox) as bot:
            await bot.send(2, identify(sandbox))
            assert await bot.closed() == Close.AUTHENTICATION_FAILED
        assert sandbox.token != token


async def test_a_shard_with_too_many_servers_is_closed_with_4011() -> None:
    async with open_sandbox(rich_world().world) as sandbox, wire(sandbox) as bot:
        sandbox.gateway.starts.guilds_a_shard = 0
        await bot.send(2, identify(sandbox))
        assert await bot.closed() == Close.SHARDING_REQUIRED
