"""/similar and Find similar, asked through a sandbox by members of every standing."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from bot.commands import query_scope
from bot.replies.contact_sheet import CELL
from indexer.records.ids import UserId
from sandbox.world import File, Message
from sandbox.world.events import Event, MessageCreated
from tests.worlds.asking import shown, similar
from tests.worlds.running_bot import Running, Town, noise
from tests.worlds.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("similar")]


async def test_an_uploaded_picture_finds_the_message_that_shows_it(bot: Running, place: Town) -> None:
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 3")
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data)
    assert reply.ephemeral
    assert shown(reply)[0] == wanted.id
    first = reply.sections()[0]
    assert "Same picture" in first.texts[0]
    assert f"<@{place.member.id}> in <#{place.pictures.id}>" in first.texts[0]
    bare = f"{bot.sandbox.base_url}/attachments/{place.pictures.id}/{wanted.attachments[0].id}/noise-3.png"
    assert first.thumbnail is not None
    assert first.thumbnail.partition("?")[0] == bare  # Discord signs it anew when it shows it


async def test_words_find_what_a_message_says(bot: Running, place: Town) -> None:
    reply = await similar(bot.person(place.member), place.talk.id, text='"number 17"')
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 17")
    assert shown(reply) == [wanted.id]


async def test_find_similar_on_a_message_without_a_picture_says_so(bot: Running, place: Town) -> None:
    words = place.talk.post(place.member.user, "only words")
    reply = await bot.person(place.member).message_command(place.talk.id, "Find similar", words.id)
    assert "shows no picture" in reply.text()


async def test_nobody_sees_hits_or_counts_from_a_channel_that_is_closed_to_them(bot: Running, place: Town) -> None:
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(1000).data)
    assert all(jump.channel_id != place.secret.id for jump in reply.jump_links())
    assert "24 pictures searched" in reply.text()
    owner = await similar(bot.person(place.owner), place.talk.id, image=noise(1000).data)
    assert owner.jump_links()[0].channel_id == place.secret.id
    assert "26 pictures searched" in owner.text()


async def test_a_channel_filter_searches_that_channel_and_nothing_else(bot: Running, place: Town) -> None:
    reply = await similar(bot.person(place.owner), place.talk.id, image=noise(3).data, channel=place.secret.id)
    assert {jump.channel_id for jump in reply.jump_links()} <= {place.secret.id}
    hidden = await similar(bot.person(place.member), place.talk.id, text="in:secret picture")
    assert "#secret" in hidden.text()
    assert "may see" in hidden.text()


async def test_more_like_a_hit_answers_beside_it(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, image=noise(3).data)
    more = await asker.select(reply, "More like …", ["More like picture 1"])
    assert more.ephemeral
    assert "Pictures like the one you chose" in more.text()
    assert shown(reply)[0] not in shown(more)


async def test_a_file_that_is_no_picture_is_refused_in_a_clear_sentence(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    for data, said in (
        (b"", "empty"),
        (b"MZ" + bytes(500), "not a picture"),
        (noise(3).data[:80], "breaks off"),
    ):
        reply = await similar(asker, place.talk.id, image=File.of("cat.png", data))
        assert said in reply.text(), reply.text()
        assert reply.ephemeral


async def test_a_picture_that_has_to_wait_too_long_is_not_blamed_on_discord(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_scope, "ANSWER_S", 0.3)
    async with bot.service.decoder.turn_of(UserId(place.member.id)):  # another picture of theirs is in hand
        reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data)
        assert "opening many pictures" in reply.text()
        assert "Discord" not in reply.text()
        assert shown(await similar(bot.person(place.owner), place.talk.id, text="picture number 3"))


async def test_asking_for_nothing_says_what_to_give(bot: Running, place: Town) -> None:
    assert "Give a picture, words, or both" in (await similar(bot.person(place.member), place.talk.id)).text()


async def test_a_bad_date_says_how_dates_are_written(bot: Running, place: Town) -> None:
    reply = await similar(bot.person(place.member), place.talk.id, text="cat", after="next tuesday")
    assert "3 weeks ago" in reply.text()


async def test_a_shared_reply_shows_only_what_everybody_in_the_channel_may_see(bot: Running, place: Town) -> None:
    owner = bot.person(place.owner)
    posted: list[Message] = []

    def heard(event: Event) -> None:
        if isinstance(event, MessageCreated) and event.message.author == bot.sandbox.world.bot:
            posted.append(event.message)

    bot.sandbox.world.listen(heard)
    reply = await similar(owner, place.talk.id, image=noise(1000).data, text="min:-1", count=20, share=True)
    assert reply.ephemeral
    assert "Shared below: 20 hits" in reply.text()
    await until(lambda: posted)
    (shared,) = posted
    assert shared.channel.id == place.talk.id
    text = str(shared.components)
    assert str(place.pictures.id) in text
    assert str(place.secret.id) not in text
    assert f"shared by <@{place.owner.id}>" in text
    turned = await owner.press(shared, "Next")
    assert str(place.secret.id) not in str(turned.message.components)
    refused = await bot.person(place.member).press(shared, "Next")
    assert "Only who asked" in refused.text()
    nothing = await similar(owner, place.talk.id, image=noise(1000).data, channel=place.secret.id, share=True)
    assert "nothing was shared" in nothing.text()


async def test_a_reply_can_be_shared_afterwards(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, image=noise(3).data)
    done = await asker.press(reply, "Share here")
    assert "Shared" in done.interaction.original.content  # type: ignore[union-attr]  # None fails the test as well


async def test_a_contact_sheet_is_one_picture_for_the_asker_alone(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, image=noise(3).data, text="min:-1", count=7)
    sent = await asker.press(reply, "Contact sheet")
    assert sent.ephemeral
    (attachment,) = sent.message.attachments
    with Image.open(io.BytesIO(attachment.file.data)) as image:
        assert image.format == "PNG"
        assert image.width > 5 * CELL
        assert len(image.getcolors(1 << 20) or ()) > 20


async def test_explain_tells_how_each_hit_got_its_place(bot: Running, place: Town) -> None:
    member = await similar(bot.person(place.member), place.talk.id, text="picture number 3 min:-1", explain=True)
    assert "cosine" in member.text()
    assert "BM25" in member.text()
    assert " ms" not in member.text()
    owner = await similar(bot.person(place.owner), place.talk.id, text="picture number 3 min:-1", explain=True)
    assert "vectors" in owner.text()
    assert "floor: index" in owner.text()


async def test_the_footer_says_how_much_is_searched_and_indexed(bot: Running, place: Town) -> None:
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data, channel=place.pictures.id)
    assert f"24 pictures searched · 100 % of <#{place.pictures.id}> indexed" in reply.text()


async def test_a_german_member_is_answered_in_german(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.guild, "locale", "de")
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data)
    assert "Dasselbe Bild" in reply.text()
    assert "24 Bilder durchsucht" in reply.text()
