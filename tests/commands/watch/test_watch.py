"""/watch: a channel is told when a listed picture is posted again, and of nothing that not all its readers may read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import discord
import pytest
import pytest_asyncio

from bot.notices import rounds
from indexer.errors import RetryLater
from indexer.notices import watched_pictures
from indexer.notices.watched_pictures import WatchedPictures
from sandbox.drawing import edits
from sandbox.options import NotAllowed
from sandbox.permissions import Permission
from sandbox.world import Channel, File, Message
from tests.worlds.running_bot import Running, Town, indexed, noise, town
from tests.worlds.scenery import png, scenery
from tests.worlds.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("watch")]


@pytest.fixture(scope="module", autouse=True)
def by_hand() -> Iterator[None]:
    """The bot looks for what is new once, at its start. A test says when it does so again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "LOOK_S", 86_400.0)
        yield


@pytest.fixture(scope="module")
def place() -> Town:
    return town(pictures=20, secrets=2, others=1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(place: Town, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with indexed(place, tmp_path_factory.mktemp("watch") / "data") as running:
        yield running


@pytest.fixture
def board(place: Town) -> Channel:
    """A channel that everybody reads, and that nothing was posted in."""
    return place.guild.channel("board")


async def watch(bot: Running, place: Town, board: Channel, **options: object) -> str:
    added = await bot.person(place.owner).slash(place.talk.id, "watch add", {"channel": board.id, **options})
    assert added.ephemeral
    return added.text()


async def posted(bot: Running, place: Town, channel: Channel, file: File) -> Message:
    """A message whose picture can be searched."""
    message = channel.post(place.member.user, "look", files=[file])

    async def searchable() -> bool:
        return await bot.count("SELECT count(*) FROM places WHERE state = 'ready' AND message_id = ?", message.id) == 1

    await until(searchable)
    return message


async def told(bot: Running, board: Channel) -> list[str]:
    """After a round: what the channel was told, oldest first."""
    assert await bot.client.watch_notices.round()
    return [message.content for message in board.messages() if message.author.bot]


def linked(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"/channels/\d+/\d+/(\d+)", text)]


async def removed(bot: Running, place: Town, said: str) -> None:
    for number in re.findall(r"#(\d+)", said.split(":")[0]):
        reply = await bot.person(place.owner).slash(place.talk.id, "watch remove", {"number": int(number)})
        assert "no longer watched" in reply.text()


async def test_a_re_post_of_a_message_s_picture_is_told_with_a_link_and_nothing_is_deleted(
    bot: Running, place: Town, board: Channel
) -> None:
    original = await posted(bot, place, place.pictures, noise(400))
    said = await watch(bot, place, board, message=original.jump_url)
    assert "as long as that message is there" in said
    assert "that you see" in said, "#secret is not watched"
    await posted(bot, place, place.pictures, noise(401))
    assert await told(bot, board) == []
    again = await posted(bot, place, place.talk, noise(400))
    (notice,) = await told(bot, board)
    assert linked(notice) == [again.id]
    assert "Same picture" in notice
    assert await told(bot, board) == [notice], "told twice"
    assert place.talk.message(again.id) is not None
    listed = (await bot.person(place.owner).slash(place.talk.id, "watch list")).text()
    assert original.jump_url in listed
    original.delete()

    async def gone() -> bool:
        return await bot.count("SELECT count(*) FROM watched_pictures WHERE place_id IS NOT NULL") == 0

    await until(gone)


async def test_an_edited_copy_of_an_uploaded_picture_is_told_and_a_look_alike_only_where_asked(
    bot: Running, place: Town, board: Channel
) -> None:
    picture = scenery(7)
    copies = await watch(bot, place, board, image=png(picture))
    crop = await posted(bot, place, place.pictures, File.of("crop.png", png(edits.crop(picture, 0.8))))
    (notice,) = await told(bot, board)
    assert linked(notice) == [crop.id]
    assert "Edited copy: cropped to 6" in notice
    alike = await watch(bot, place, board, image=png(scenery(8)), lookalikes=True)
    assert "something very similar" in alike
    near = await posted(bot, place, place.pictures, File.of("near.png", png(scenery(8, moved=0.02))))
    last = (await told(bot, board))[-1]
    assert linked(last) == [near.id]
    for said in (copies, alike):
        await removed(bot, place, said)


async def test_what_not_every_reader_of_the_channel_may_read_is_told_there_at_no_time(
    bot: Running, place: Town, board: Channel
) -> None:
    said = await watch(bot, place, board, image=noise(420).data)
    attic = place.guild.channel("attic")
    await posted(bot, place, place.secret, noise(420))
    await posted(bot, place, attic, noise(420))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WatchedPictures, "channels_to_tell", _nobody)
        assert await bot.client.watch_notices.round()
    assert await bot.count("SELECT count(*) FROM watched_matches") == 1
    attic.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)
    known = bot.client.get_channel(attic.id)
    assert isinstance(known, discord.TextChannel)
    await until(lambda: not known.permissions_for(known.guild.default_role).view_channel)
    assert await told(bot, board) == []
    assert await bot.count("SELECT count(*) FROM watched_matches") == 0
    await removed(bot, place, said)


async def _nobody(*_: object) -> list[object]:
    return []


async def test_a_notice_that_was_sent_and_not_recorded_is_not_posted_again(
    bot: Running, place: Town, board: Channel
) -> None:
    said = await watch(bot, place, board, image=noise(430).data)
    for _ in range(2):
        await posted(bot, place, place.pictures, noise(430))

    async def lost(*_: object) -> None:
        raise RetryLater("the database is busy")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WatchedPictures, "told", lost)
        assert not await bot.client.watch_notices.round()
    (notice,) = await told(bot, board)
    assert notice.startswith("2 watched pictures were posted")
    await removed(bot, place, said)


async def test_only_those_who_manage_the_server_may_and_only_of_what_they_see(
    bot: Running, place: Town, board: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = bot.person(place.member)
    with pytest.raises(NotAllowed):
        await member.slash(place.talk.id, "watch list")
    nothing = "That is no link to a message of this server"
    assert nothing in await watch(bot, place, board, message="https://discord.com/channels/1/2/3")
    talked = next(iter(place.talk.messages()))
    assert nothing in await watch(bot, place, board, message=talked.jump_url)
    assert "either a picture" in await watch(bot, place, board)
    mute = place.guild.channel("mute", overwrites=[place.guild.me.overwrite(deny=Permission.SEND_MESSAGES)])
    assert "you, or I, may not" in await watch(bot, place, mute, image=noise(1).data)
    monkeypatch.setattr(watched_pictures, "MOST_A_SERVER", 0)
    assert "At most 0 pictures" in await watch(bot, place, board, image=noise(1).data)
    unknown = await bot.person(place.owner).slash(place.talk.id, "watch remove", {"number": 999})
    assert "No picture is watched as #999" in unknown.text()


async def test_a_change_of_the_model_embeds_uploaded_pictures_anew_and_forget_me_forgets_them(
    bot: Running, place: Town, board: Channel
) -> None:
    manages = place.guild.role("managers", Permission.MANAGE_GUILD)
    manager = bot.person(place.guild.join(place.world.user("cleo"), manages))

    async def added() -> str:
        options = {"channel": board.id, "image": noise(440).data}
        return (await manager.slash(place.talk.id, "watch add", options)).text()

    number = int(re.findall(r"#(\d+)", await added())[0])
    async with bot.service.db.transaction() as tx:
        await tx.execute_fetchall(
            "INSERT INTO models (name, pretrained, dimension, fingerprint) VALUES ('newer', '', 8, '')"
        )
        await tx.execute_fetchall(
            "UPDATE watched_pictures SET vector = zeroblob(16), model_id = (SELECT max(model_id) FROM models)"
            " WHERE watch_id = ?",
            (number,),
        )
    await posted(bot, place, place.pictures, noise(441))
    assert await told(bot, board) == []
    length = await bot.count("SELECT length(vector) FROM watched_pictures WHERE watch_id = ?", number)
    assert length == 2 * bot.service.encoder.spec.dimension
    offered = await manager.autocomplete(place.talk.id, "watch remove", {"number": number}, "number")
    assert offered == [{"name": f"#{number}", "value": number}]
    sure = await manager.press(await manager.slash(place.talk.id, "privacy"), "Forget me in this server")
    await manager.press(sure, "Yes, forget me")
    assert await bot.count("SELECT count(*) FROM watched_pictures WHERE watch_id = ?", number) == 0
    assert "You asked to be forgotten" in await added()
