"""The bot's own messages are never indexed: what a shared reply repeats is forgotten with the message that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexer.errors import RetryLater
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import Message, PictureRef, Source
from indexer.service import Service
from indexer.store import embeddings, guilds, message_lookup, messages, pictures, places
from sandbox.server import open_sandbox
from sandbox.world import File
from sandbox.world.events import Event, MessageCreated
from tests.worlds.asking import channels_of
from tests.worlds.crawling import logged_in
from tests.worlds.records import decoded, vector
from tests.worlds.running_bot import Running, Town, indexed, noise, running, town, with_crawl
from tests.worlds.waiting import until, until_equals


async def by_author(bot: Running, author_id: int) -> int:
    async with bot.service.db.reader() as connection:
        ((number,),) = await connection.execute_fetchall(
            "SELECT count(*) FROM messages WHERE author_id = ?", (author_id,)
        )
    return int(number)


async def stored(bot: Running, message_id: int) -> bool:
    async with bot.service.db.reader() as connection:
        return await message_lookup.channel_of(connection, MessageId(message_id)) is not None


async def all_events_told(bot: Running, place: Town) -> None:
    """Posts one more picture and waits for it: events come in order, so whatever came before was worked off."""
    last = place.pictures.post(place.owner.user, "the last one", files=[noise(9_999)])
    await until(lambda: stored(bot, last.id))


async def shared(bot: Running, place: Town, picture: File) -> None:
    """The member shares what is like `picture`; returns when the reply stands in the channel."""
    posted: list[int] = []

    def heard(event: Event) -> None:
        if isinstance(event, MessageCreated) and event.message.author == bot.sandbox.world.bot:
            posted.append(event.message.id)

    bot.sandbox.world.listen(heard)
    await bot.person(place.member).slash(place.talk.id, "similar", {"image": picture.data, "share": True})
    await until(lambda: posted)


async def test_a_shared_reply_is_not_indexed_live(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        await shared(bot, place, noise(3))
        await all_events_told(bot, place)
        assert await by_author(bot, bot.sandbox.world.bot.id) == 0
        again = await bot.person(place.member).slash(place.talk.id, "duplicates")
        assert place.talk.id not in channels_of(again)


async def test_an_edited_reply_of_the_bots_own_is_not_indexed(tmp_path: Path) -> None:
    place = town()
    own = place.talk.post(place.world.bot, "working on it", files=[noise(40)])
    async with indexed(place, tmp_path) as bot:
        own.edit("done: number 3", files=[noise(3)])
        await all_events_told(bot, place)
        assert await by_author(bot, place.world.bot.id) == 0


@pytest.mark.parametrize("use_search", [True, False])
async def test_messages_of_the_bots_own_are_not_indexed_from_history(tmp_path: Path, use_search: bool) -> None:
    place = town(others=400)
    for at in range(3):
        place.talk.post(place.world.bot, f"hit {at}", files=[noise(at)])

    change = with_crawl(start="auto", use_search=use_search)
    async with indexed(place, tmp_path, change=change) as bot:
        assert (await bot.service.status()).total.messages == 8
        assert await by_author(bot, place.world.bot.id) == 0


async def test_a_forgotten_member_is_not_found_in_what_the_bot_shared(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox) as bot:
            await shared(bot, place, noise(3))
            await shared(bot, place, noise(3))
            await all_events_told(bot, place)
            member, owner = bot.person(place.member), bot.person(place.owner)
            sure = await member.press(await member.slash(place.talk.id, "privacy"), "Forget me everywhere")
            await member.press(sure, "Yes, forget me")
            await found_nowhere(bot, place)
            await owner.slash(place.talk.id, "reindex start")
            await bot.indexed(place.guild)
            await found_nowhere(bot, place)
        async with running(sandbox, tmp_path) as bot:
            await found_nowhere(bot, place)


async def found_nowhere(bot: Running, place: Town) -> None:
    """Neither by the picture nor by the words nor among what was posted twice."""
    owner = bot.person(place.owner)
    questions: list[dict[str, Any]] = [{"image": noise(3).data}, {"text": '"picture number"'}]
    for question in questions:
        reply = await owner.slash(place.talk.id, "similar", question)
        assert str(place.member.id) not in reply.text()
        assert place.talk.id not in channels_of(reply), reply.text()
    assert not channels_of(await owner.slash(place.talk.id, "duplicates"))


async def test_what_an_earlier_version_stored_of_the_bots_own_goes_at_the_start(tmp_path: Path) -> None:
    place = town()
    own = place.talk.post(place.world.bot, "by @Bo: picture number 3", files=[noise(3)])
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox) as bot:
            await store_as_before(bot, place, own.id)
            assert await by_author(bot, place.world.bot.id) == 1
            assert (await bot.service.status()).total.embeddings == 9
            async with bot.service.db.transaction() as tx:  # reading its history would leave the message out, too
                await guilds.set_consent(tx, GuildId(place.guild.id), False)
        async with running(sandbox, tmp_path) as bot:
            await until_equals(0, lambda: by_author(bot, place.world.bot.id))
            assert (await bot.service.status()).total.embeddings == 8
            async with bot.service.db.reader() as connection:
                words = await connection.execute_fetchall("SELECT 1 FROM words WHERE words MATCH '\"by bo\"'")
            assert list(words) == []


async def test_a_busy_database_at_the_start_does_not_end_the_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()
    tried: list[UserId] = []
    forget_own = Service.forget_own

    async def busy_at_first(service: Service, bot_id: UserId) -> int:
        tried.append(bot_id)
        if len(tried) == 1:
            raise RetryLater("the database is busy", retry_after=0.01)
        return await forget_own(service, bot_id)

    monkeypatch.setattr(Service, "forget_own", busy_at_first)
    async with running(place.world, tmp_path) as bot:
        await until(lambda: len(tried) == 2)
        assert bot.client.is_serving()


async def store_as_before(bot: Running, place: Town, message_id: int) -> None:
    """The bot's own message with a picture and its embedding, as versions before this rule stored it."""
    link = "https://cdn.discordapp.com/attachments/1/2/old.png"
    message = Message(
        MessageId(message_id),
        ChannelId(place.talk.id),
        GuildId(place.guild.id),
        UserId(place.world.bot.id),
        "Afterimage",
        "by @Bo: picture number 3",
        pictures=(PictureRef(0, Source.ATTACHMENT, link, link),),
    )
    async with bot.service.db.transaction() as tx:
        kept = await messages.store(tx, [message], keep="pictures", seen_ms=1)
        picture_id = await pictures.add(tx, decoded("old"))
        assert await places.attach(tx, kept.new_places[0].id, picture_id)
        await embeddings.add(tx, bot.service.model_id, [(picture_id, vector(1, 32))])


def of_a_webhook(place: Town) -> dict[str, Any]:
    """The payload of a message that a bridge posts by a webhook."""
    return {
        "id": "5", "channel_id": str(place.talk.id), "webhook_id": "77", "content": "from a bridge", "attachments": [],
        "author": {"id": "77", "username": "Bridge"}, "edited_timestamp": None,
    }  # fmt: skip


async def test_other_bots_are_indexed_unless_that_is_switched_off(tmp_path: Path) -> None:
    place = town()
    robot = place.world.user("gallery", bot=True)
    old = place.talk.post(robot, "of a bot", files=[noise(40)])

    without_bots = with_crawl(start="auto", bots=False)
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path / "all", sandbox) as bot:
            assert await stored(bot, old.id)
        async with running(sandbox, tmp_path / "all", without_bots) as bot:

            async def gone() -> bool:
                return not await stored(bot, old.id)

            await until(gone)
            assert (await bot.service.status()).total.embeddings == 8
        async with running(sandbox, tmp_path / "none", without_bots) as bot:
            await bot.indexed(place.guild)
            place.talk.post(robot, "and live", files=[noise(42)])
            await all_events_told(bot, place)
            assert await by_author(bot, robot.id) == 0


@pytest.mark.parametrize("bots", [True, False])
async def test_a_webhook_counts_as_a_bot_and_the_applications_own_as_itself(
    monkeypatch: pytest.MonkeyPatch, bots: bool
) -> None:
    place = town()
    body, guild_id = of_a_webhook(place), GuildId(place.guild.id)
    async with open_sandbox(place.world) as sandbox, logged_in(sandbox, monkeypatch, bots=bots) as history:
        assert history.parse(body, guild_id).ignored is not bots
        assert history.parse({**body, "application_id": str(place.world.application.id)}, guild_id).ignored
        own = history.parse({**body, "author": {"id": str(place.world.bot.id), "username": "A"}}, guild_id)
    assert own.ignored
    assert (own.content, own.author_name, own.pictures) == ("", "", ())
