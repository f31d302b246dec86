"""Text search in what pictures say."""

from __future__ import annotations

import pytest

from indexer.records.ids import MessageId
from indexer.store import messages
from indexer.text import text_search
from tests.worlds.library import GUILD, MEMES, SECRET, Library, ask, decoded, everywhere


async def said(library: Library, text: str, **more: object) -> list[MessageId]:
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, text, everywhere(), 50, **more)  # type: ignore[arg-type]  # the test names the arguments
    return [hit.place.message_id for hit in hits]


async def test_a_picture_is_found_by_what_it_says(library: Library) -> None:
    await library.post("a", say="nothing of it")
    post = await library.post("b")
    await library.says(post, "Invoice no. 4711\npayable in Zürich")
    for asked in ("invoice", "zurich", "4711", "inv*"):
        assert await said(library, asked) == [post], asked
    assert await said(library, "picture") == []


async def test_what_a_picture_says_counts_as_what_its_message_says_does_and_both_together_more(
    library: Library,
) -> None:
    for number in range(9):
        await library.post(f"x{number}", say="of something else")
    own = await library.post("a", say="the sunset over Rome")
    shown = await library.post("b")
    both = await library.post("c", say="the sunset over Rome")
    for post in (shown, both):
        await library.says(post, "the sunset over Rome")
    assert await said(library, "sunset") == [both, *sorted((own, shown), reverse=True)]


async def test_a_models_caption_counts_less_than_words_that_stand_in_the_picture_and_both_add_up(
    library: Library,
) -> None:
    for number in range(9):
        await library.post(f"x{number}", say="of something else")
    captioned, read, both = [await library.post(name) for name in "abc"]
    for kind, posts in (("ocr", (read, both)), ("caption", (captioned, both))):
        for post in posts:
            await library.says(post, "the sunset over Rome", kind)
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, "sunset", everywhere(), 50)
    assert [hit.place.message_id for hit in hits] == [both, read, captioned]
    assert [sorted(hit.shown) for hit in hits] == [["caption", "ocr"], ["ocr"], ["caption"]]
    assert all(hit.bm25 == pytest.approx(sum(hit.shown.values())) for hit in hits)


async def test_of_several_pictures_the_one_that_says_it_is_found(library: Library) -> None:
    post = await library.post("first", "second")
    await library.says(post, "invoice")
    other = await library.post("third", "fourth", say="an invoice")
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, "invoice", everywhere(), 50)
    first = await library.picture_of(post)
    assert [hit.picture_id for hit in hits if hit.place.message_id == post] == [first]
    assert len([hit for hit in hits if hit.place.message_id == other]) == 2


async def test_every_post_of_the_picture_is_found_wherever_it_was_read_first(library: Library) -> None:
    hidden = await library.post("same", channel=SECRET)
    await library.says(hidden, "invoice")
    assert await said(library, "invoice") == []
    shown = await library.post("same")
    assert await said(library, "invoice") == [shown]
    async with library.db.transaction() as tx:
        await messages.delete(tx, [shown])
    assert await said(library, "invoice") == []


async def test_words_of_the_message_and_of_its_picture_answer_together(library: Library) -> None:
    for number in range(9):
        await library.post(f"x{number}", say="red lamp")
    half = await library.post("a", say="red car")
    whole = await library.post("b", say="red")
    await library.says(whole, "bicycle")
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, "red bicycle", everywhere(), 50)
    shares = {hit.place.message_id: hit.share for hit in hits}
    assert hits[0].place.message_id == whole
    assert shares[whole] == 1.0
    assert shares[half] < 0.5


async def test_phrases_and_excluded_words_look_into_the_picture_too(library: Library) -> None:
    apart = await library.post("a", say="birthday")
    await library.says(apart, "party")
    shown = await library.post("b", say="come all")
    await library.says(shown, "Birthday party!")
    cake = await library.post("c", say="birthday party with cake")
    await library.says(cake, "a rocket")
    assert set(await said(library, "birthday party", phrases=["birthday party"])) == {shown, cake}
    assert await said(library, "birthday party come", phrases=["birthday party", "come all"]) == [shown]
    assert (await said(library, "cake rocket", phrases=["birthday party"]))[0] == cake
    assert set(await said(library, "birthday", without=["rocket"])) == {apart, shown}


async def test_a_search_with_words_shows_what_only_a_picture_says(library: Library) -> None:
    await library.noise(20)
    post = await library.post("unrelated thing")
    await library.says(post, "quetzalcoatlus")
    hits = (await library.searcher.search(ask("quetzalcoatlus"))).hits
    assert [hit.place.message_id for hit in hits] == [post]
    again = ask("quetzalcoatlus")
    assert (await library.searcher.search(again)).hits == hits
    await library.says(post, "something else")  # a remembered answer is not given any more
    assert (await library.searcher.search(again)).hits == ()


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("我今天拍了一张猫的照片", "照片"),
        ("我今天拍了一张猫的照片", "猫"),
        ("東京タワー", "タワー"),
        ("ผมรักแมวมาก", "แมว"),
    ],
)
async def test_what_pictures_say_in_scripts_without_spaces_is_found(library: Library, text: str, asked: str) -> None:
    await library.says(await library.post("x"), "nothing of the kind 狗 หมา")
    post = await library.post("a")
    await library.says(post, text)
    assert (await said(library, asked))[0] == post
    assert post in await said(library, asked, phrases=[asked])


async def test_very_common_letters_are_looked_for_in_the_texts_themselves(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "MAX_TRIGRAMS", 1)
    posts = [await library.post(f"a{number}") for number in range(3)]
    for post, text in zip(posts, ("猫と犬", "猫です", "犬です"), strict=True):
        await library.says(post, text)
    assert set(await said(library, "猫")) == set(posts[:2])


async def test_a_letter_that_only_the_index_folds_is_still_found(library: Library) -> None:
    post = await library.post("a")
    await library.says(post, "Łódź")
    plain = await library.post("b", say="Łódź")
    folded = await said(library, "łódź")
    assert set(folded) == {post, plain}


async def test_of_very_many_pictures_that_say_it_the_newest_visible_ones_are_looked_at(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "LEAST_WALKED", 3)
    monkeypatch.setattr(text_search, "MOST_WALKED", 3)
    posts = []
    for number in range(6):
        posts.append(await library.post(f"a{number}"))
        await library.says(posts[-1], "meme")
        hidden = await library.post(f"b{number}", channel=SECRET)
        await library.says(hidden, "meme")
    assert await said(library, "meme") == posts[:2:-1]


async def test_one_picture_in_two_messages_is_one_hit_with_the_better_one(library: Library) -> None:
    picture = decoded("shared")
    plain = await library.post(picture, channel=MEMES)
    telling = await library.post(picture, say="an invoice")
    await library.post("other", say="unrelated")
    await library.says(plain, "invoice")
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, "invoice", everywhere(), 50)
    assert [hit.place.message_id for hit in hits] == [telling]
