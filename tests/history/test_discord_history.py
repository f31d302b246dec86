"""Discord's history through unmodified discord.py, against the sandbox: what is offered, and what each fault means."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.discord_history import DiscordHistory, _sticker_cdn
from bot.history.rest import Pace, RequestBudget
from indexer.errors import ChannelClosed, ChannelGone, ConfigError, RetryLater, TellPerson
from indexer.progress import State
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import ChannelKind, Message
from indexer.settings import CrawlSettings
from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind as Kind
from sandbox.world import Embed, File, Guild, User, World
from tests.openapi import description
from tests.worlds.crawling import listed, logged_in, open_index
from tests.worlds.picture_files import picture
from tests.worlds.rich_guild import rich_world
from tests.worlds.waiting import DEADLINE_S, until

HISTORY = "GET /channels/{channel_id}/messages"


def server() -> tuple[World, Guild, User]:
    world = World()
    owner = world.user("mara", "Mara")
    return world, world.guild("Meadow", owner), owner


async def test_every_channel_and_thread_that_may_be_read_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, mara = server()
    chat, news = guild.channel("chat"), guild.channel("news", Kind.ANNOUNCEMENT)
    voice, stage = guild.channel("voice", Kind.VOICE), guild.channel("stage", Kind.STAGE)
    forum, media = guild.channel("forum", Kind.FORUM), guild.channel("media", Kind.MEDIA)
    guild.channel("a category", Kind.CATEGORY)
    adult = guild.channel("adult", age_restricted=True)
    no_view = guild.channel("no-view", overwrites=[guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL)])
    no_history = guild.channel("no-hist", overwrites=[guild.everyone.overwrite(deny=Permission.READ_MESSAGE_HISTORY)])
    no_connect = guild.channel("no-conn", Kind.VOICE, overwrites=[guild.everyone.overwrite(deny=Permission.CONNECT)])
    active = chat.thread("active", mara)
    archived = [chat.thread(f"old {n}", mara, archived=True, archived_ms=1_700_000_000_000 + n) for n in range(130)]
    private = chat.thread("private", mara, private=True)
    old_private = chat.thread("old private", mara, private=True, archived=True)
    post, old_post = forum.thread("a post", mara), forum.thread("an old post", mara, archived=True)
    adult_thread = adult.thread("adult thread", mara)
    in_hidden = no_view.thread("in hidden", mara)
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        found = await listed(history, guild.id)
    by_id = {channel.id: channel for channel in found}
    assert len(by_id) == len(found)
    wanted = [chat, news, voice, stage, forum, media, adult, active, private, old_private, post, old_post, adult_thread]
    assert set(by_id) == {channel.id for channel in [*wanted, *archived]}
    assert not {no_view.id, no_history.id, no_connect.id, in_hidden.id} & set(by_id)
    assert "___hidden___" not in {channel.name for channel in found}
    assert by_id[ChannelId(adult.id)].age_restricted
    assert by_id[ChannelId(adult_thread.id)].age_restricted  # inherited
    assert by_id[ChannelId(old_post.id)].archived
    assert by_id[ChannelId(old_post.id)].parent_id == forum.id
    assert by_id[ChannelId(media.id)].kind is ChannelKind.MEDIA
    order = [channel.id for channel in found]
    assert all(order.index(c.parent_id) < order.index(c.id) for c in found if c.parent_id is not None)


async def test_private_threads_without_manage_threads_are_offered_only_where_the_bot_is_a_member(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    mara = world.user("mara")
    allowed = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
    guild = world.guild("Meadow", mara, bot_allowed=allowed)
    chat = guild.channel("chat")
    chat.thread("secret", mara, private=True)
    chat.thread("old secret", mara, private=True, archived=True)
    mine = chat.thread("mine", mara, private=True, members=[world.bot])
    old = [chat.thread(f"old {n}", mara, private=True, archived=True, members=[world.bot]) for n in range(110)]
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        found = {channel.id for channel in await listed(history, guild.id)}
        assert found == {chat.id, mine.id, *(thread.id for thread in old)}
        await history.page(ChannelId(old[0].id))
        mine.remove_member(world.bot)
        closed = chat.thread("another", mara, private=True)
        with pytest.raises(ChannelClosed):
            await history.page(ChannelId(closed.id))


async def test_a_private_thread_closes_where_the_bot_may_no_longer_manage_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    mara = world.user("mara")
    allowed = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.MANAGE_THREADS
    guild = world.guild("Meadow", mara, bot_allowed=allowed)
    chat = guild.channel("chat")
    secret = chat.thread("secret", mara, private=True, archived=True)
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        assert secret.id in {channel.id for channel in await listed(history, guild.id)}
        await history.page(ChannelId(secret.id))
        chat.allow(guild.me, deny=Permission.MANAGE_THREADS)

        async def closed_without_a_request() -> bool:
            try:
                await history.page(ChannelId(secret.id))
            except ChannelClosed as error:  # Discord refuses before the change has arrived by the gateway
                return "closed-private-thread" in str(error)
            return False

        await until(closed_without_a_request)


def unsigned(message: Message | None) -> Message:
    """The message without signed addresses: each answer signs for the second in which it is given."""
    assert message is not None
    return replace(message, pictures=tuple(replace(shown, url="", proxy_url=None) for shown in message.pictures))


async def test_history_is_read_to_its_end_with_fresh_links(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, mara = server()
    chat = guild.channel("chat")
    posted = [chat.post(mara, f"message {n}") for n in range(230)]
    shown = chat.post(mara, "look", files=[File.of("SPOILER_cat.png", picture(1), description="a cat")])
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        first = await history.page(ChannelId(chat.id))
        second = await history.page(ChannelId(chat.id), before=first[-1].id)
        third = await history.page(ChannelId(chat.id), before=second[-1].id)
        newer = await history.page(ChannelId(chat.id), after=MessageId(posted[-3].id))
        alone = await history.message(ChannelId(chat.id), MessageId(shown.id))
        gone = await history.message(ChannelId(chat.id), MessageId(shown.id + 1))
    assert [len(first), len(second), len(third)] == [100, 100, 31]
    assert [m.id for m in (*first, *second, *third)] == [m.id for m in reversed([*posted, shown])]
    assert [m.id for m in newer] == [shown.id, posted[-1].id, posted[-2].id]
    assert unsigned(alone) == unsigned(first[0])
    assert gone is None
    (ref,) = first[0].pictures
    assert "hm=" in ref.url
    assert "?" not in ref.link
    assert ref.alt_text == "a cat"


async def _until_refused(history: DiscordHistory, channel_id: ChannelId) -> None:
    """The change of permissions arrives by the gateway, a moment later."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await history.page(channel_id)
            await asyncio.sleep(0.01)


async def test_an_empty_page_without_the_permission_is_not_taken_for_an_empty_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, guild, mara = server()
    chat = guild.channel("chat")
    chat.post(mara, "hello")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        assert len(await history.page(ChannelId(chat.id))) == 1
        chat.allow(guild.everyone, deny=Permission.READ_MESSAGE_HISTORY)
        with pytest.raises(ChannelClosed, match="closed-history"):
            await _until_refused(history, ChannelId(chat.id))


async def test_without_the_message_content_intent_a_person_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, mara = server()
    chat = guild.channel("chat")
    for n in range(5):
        chat.post(mara, f"message {n}", files=[File.of("a.png", picture(n))])
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        world.application.message_content = False  # switched off while the bot is connected
        with pytest.raises(TellPerson, match="history-no-content"):
            await history.page(ChannelId(chat.id))


async def test_a_deleted_channel_is_gone_not_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, mara = server()
    chat = guild.channel("chat")
    thread = chat.thread("old", mara, archived=True)
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        assert thread.id in {channel.id for channel in await listed(history, guild.id)}
        thread.delete()
        with pytest.raises(ChannelGone):
            await history.page(ChannelId(thread.id))


@pytest.mark.parametrize("kind", ["500", "502", "503", "504", "reset", "truncate", "429", "429-global", "429-shared"])
async def test_a_passing_fault_of_discord_is_survived(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By discord.py, which repeats it, or by RetryLater, which asks us to."""
    world, guild, mara = server()
    chat = guild.channel("chat")
    posted = [chat.post(mara, f"message {n}").id for n in range(3)]
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        sandbox.faults.plan(kind, HISTORY)
        try:
            page = await history.page(ChannelId(chat.id))
        except RetryLater:
            page = await history.page(ChannelId(chat.id))
        assert sandbox.faults.struck[kind] == 1
    assert [message.id for message in page] == posted[::-1]


async def test_a_page_that_arrives_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, mara = server()
    chat = guild.channel("chat")
    for n in range(250):
        chat.post(mara, f"message {n}")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        sandbox.faults.plan("duplicate", "never")  # pages are remembered from now on
        first = await history.page(ChannelId(chat.id))
        sandbox.faults.plan("duplicate", HISTORY)
        with pytest.raises(RetryLater, match="not asked for"):
            await history.page(ChannelId(chat.id), before=first[-1].id)
        second = await history.page(ChannelId(chat.id), before=first[-1].id)
    assert second[0].id < first[-1].id


async def test_a_429_of_cloudflare_pauses_for_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, _ = server()
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        sandbox.faults.plan("429-cloudflare", HISTORY)
        with pytest.raises(RetryLater) as caught:
            await history.page(ChannelId(chat.id))
    assert caught.value.retry_after == 1.0
    assert history.rest.budget.spent == 1


async def test_a_token_that_is_no_longer_valid_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, _ = server()
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        world.application.token = "another.token.now"
        with pytest.raises(ConfigError, match="token"):
            await history.page(ChannelId(chat.id))


async def test_refusals_are_counted_and_stop_the_crawl_long_before_a_ban(monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, _ = server()
    chat = guild.channel("chat")
    budget = RequestBudget(refusals=3, window_s=0.3)
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch, budget=budget) as history:
        sandbox.faults.plan("429-shared", HISTORY, times=3)
        await history.page(ChannelId(chat.id))
        assert budget.spent == 0  # what others used up does not count
        sandbox.faults.plan("429", HISTORY, times=3)
        await history.page(ChannelId(chat.id))
        sent = sandbox.record.counts[HISTORY]
        with pytest.raises(RetryLater, match="refused 3 requests") as caught:
            await history.page(ChannelId(chat.id))
        assert sandbox.record.counts[HISTORY] == sent
        assert caught.value.retry_after is not None
        await asyncio.sleep(caught.value.retry_after + 0.05)
        await history.page(ChannelId(chat.id))


async def test_a_crawl_cancelled_in_a_global_rate_limit_does_not_lock_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py leaves its global gate closed for good when a request is cancelled while it waits there."""
    world, guild, _ = server()
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        sandbox.faults.retry_after_s = 0.3
        sandbox.faults.plan("429-global", HISTORY)
        asking = asyncio.create_task(history.page(ChannelId(chat.id)))
        async with asyncio.timeout(DEADLINE_S):
            while not sandbox.faults.struck["429-global"]:  # noqa: ASYNC110 -- the sandbox has no event for it
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(DEADLINE_S):
            assert await history.page(ChannelId(chat.id)) == []


def test_stickers_come_from_where_messages_come_from() -> None:
    assert _sticker_cdn("https://discord.com/api/v10") == "https://cdn.discordapp.com"
    assert _sticker_cdn("http://127.0.0.1:5/api/v10") == "http://127.0.0.1:5"


async def test_a_guild_the_bot_was_removed_from_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _, _ = server()
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        with pytest.raises(ChannelClosed, match="closed-server"):
            await history.guild(GuildId(5))


async def test_a_server_is_indexed_whole_and_the_second_run_downloads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, guild, mara = server()
    chat, forum = guild.channel("chat"), guild.channel("forum", Kind.FORUM)
    for n in range(150):
        files = [File.of(f"{n}.png", picture(n))] if n % 5 == 0 else []
        chat.post(mara, f"message {n}", files=files)
    hosted = world.host("https://example.org/cat.png", File.of("cat.png", picture(500)))
    chat.post(mara, "https://example.org/cat.png", embeds=[Embed(kind="image", url=hosted.url, thumbnail=hosted)])
    post = forum.thread("a post", mara, archived=True)
    original = post.post(mara, "four", files=[File.of(f"f{n}.png", picture(600 + n)) for n in range(4)])
    chat.post(mara, forward=original)
    chat.post(mara, stickers=[world.sticker("wave", File.of("wave.png", picture(700)))])
    for number in range(20):
        chat.post(mara, f"the same again {number}", files=[File.of("again.png", picture(0))])
    async with (
        open_sandbox(world) as sandbox,
        logged_in(sandbox, monkeypatch) as history,
        open_index(sandbox, history, tmp_path, guild.id) as index,
    ):
        progress = await index.pipeline.run_guild(GuildId(guild.id))
        assert (progress.state, progress.failed) == (State.DONE, 0)
        places = 30 + 1 + 4 + 4 + 20
        assert await index.count("SELECT count(*) FROM places WHERE state = 'ready'") == places
        assert index.encoder.encoded == await index.count("SELECT count(*) FROM pictures") == 30 + 1 + 4
        before = await index.rows()
        sandbox.record.clear()
        await index.pipeline.run_guild(GuildId(guild.id))
        assert await index.rows() == before
        media = {route: n for route, n in sandbox.record.counts.items() if "channels" not in route}
        assert not [route for route in media if "attachments" in route or "media" in route or "external" in route]
        assert index.encoder.encoded == 35


@given(st.lists(st.floats(0, 0.2), min_size=50, max_size=300))
def test_reading_history_leaves_room_for_commands_in_any_second(pauses: list[float]) -> None:
    pace = Pace(per_second=35, burst=10)
    arrivals = [1000.0 + passed for passed in accumulate(pauses)]
    turns = [now + pace.wait_s(now) for now in arrivals]
    assert turns == sorted(turns)
    for first, later in zip(turns, turns[46:], strict=False):
        assert later - first > 0.999  # at most 46 in any second, of Discord's 50


async def test_a_whole_crawl_asks_nothing_that_discord_does_not_describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = description()
    rich = rich_world()
    for number in range(2500):  # enough for search to be worth asking
        rich.chat.post(rich.member, f"message {number}")
    async with (
        open_sandbox(rich.world, keep=1000) as sandbox,
        logged_in(sandbox, monkeypatch, stickers=True) as history,
        open_index(sandbox, history, tmp_path, rich.guild.id, CrawlSettings(stickers=True)) as index,
    ):
        progress = await index.pipeline.run_guild(GuildId(rich.guild.id))
        assert (progress.state, progress.channels_parked) == (State.DONE, 0)
        first = await history.message(ChannelId(rich.chat.id), MessageId(rich.picture.id))
        assert first is not None
        sources = await index.rows()
    assert await described.check(sandbox.record.exchanges) > 30
    assert any("search" in exchange.route for exchange in sandbox.record.exchanges)
    assert {state for _, _, _, state, *_ in sources["places"]} == {"ready"}
