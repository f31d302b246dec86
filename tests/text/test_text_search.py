"""Word search: any text is safe, any script is found, every filter holds."""

from __future__ import annotations

import aiosqlite
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.records.ids import MessageId
from indexer.store import messages
from indexer.text import text_search
from indexer.text.terms import quoted
from tests.soak import example_count
from tests.worlds.library import GUILD, Library, everywhere


async def said(library: Library, text: str, **more: object) -> list[MessageId]:
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, text, everywhere(), 50, **more)  # type: ignore[arg-type]  # the test names the arguments
    return [hit.place.message_id for hit in hits]


async def test_a_word_is_found_in_content_file_name_and_alt_text(library: Library) -> None:
    for number in range(9):
        await library.post(f"x{number}", say="nothing here")
    content = await library.post("a", say="the Sunset over Rome")
    named = await library.post("b", names=["sunset.png"])
    described = await library.post("c", alt="the sunset over Rome")
    found = await said(library, "SUNSET")
    assert set(found) == {content, named, described}
    assert found.index(described) < found.index(content)  # who describes a picture means the picture


async def test_marks_over_letters_do_not_matter(library: Library) -> None:
    cafe = await library.post("a", say="im Café")
    assert await said(library, "cafe") == [cafe]
    assert await said(library, "CAFÉ") == [cafe]


async def test_a_star_at_the_end_finds_what_begins_so(library: Library) -> None:
    post = await library.post("a", say="photographs")
    assert await said(library, "photo") == []
    assert await said(library, "photo*") == [post]


async def test_more_of_the_words_rank_higher(library: Library) -> None:
    first = await library.post("a", say="red ball and much else beside that")
    both = await library.post("b", say="red bicycle")
    await library.post("c", say="green car")
    assert await said(library, "red bicycle") == [both, first]


async def test_a_message_that_says_half_of_the_question_has_a_smaller_share(library: Library) -> None:
    for number in range(20):
        await library.post(f"x{number}", say="cats and dogs")
    await library.post("a", say="red bicycle and car")
    await library.post("b", say="red")
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, "red and bicycle", everywhere(), 50)
    shares = {hit.picture_id: hit.share for hit in hits}
    both, half, *common = sorted(shares.values(), reverse=True)
    assert both == 1.0
    assert half > 2 * common[0]


async def test_equal_ranks_show_the_newest_first(library: Library) -> None:
    posted = [await library.post(str(n), say="the same words") for n in range(4)]
    assert await said(library, "same") == posted[::-1]


async def test_a_phrase_stands_side_by_side(library: Library) -> None:
    await library.post("a", say="party at my birthday")
    post = await library.post("b", say="Birthday party!")
    assert await said(library, "birthday party", phrases=["birthday party"]) == [post]
    assert await said(library, "birthday par*", phrases=["birthday par*"]) == [post]


async def test_every_phrase_must_be_said_and_the_other_words_only_rank(library: Library) -> None:
    plain = await library.post("a", say="birthday party")
    cake = await library.post("b", say="birthday party with cake")
    await library.post("c", say="cake alone")
    assert await said(library, "birthday party cake", phrases=["birthday party"]) == [cake, plain]
    assert await said(library, "a b", phrases=["birthday party", "with cake"]) == [cake]


async def test_excluded_words_are_not_said(library: Library) -> None:
    await library.post("a", say="cat and dog")
    alone = await library.post("b", say="cat alone")
    assert await said(library, "cat", without=["dog"]) == [alone]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("我今天拍了一张猫的照片", "照片"),
        ("我今天拍了一张猫的照片", "猫"),
        ("東京タワーに行きました", "東京タワー"),
        ("東京タワーに行きました", "した"),
        ("ผมรักแมวมาก", "แมว"),
        ("고양이를 봤어요", "고양이"),
        ("заходящее солнце", "солнце"),
        ("صورة قطة جميلة", "قطة"),
        ("תמונה של חתול", "חתול"),
        ("बिल्ली की तस्वीर", "बिल्ली"),
        ("ηλιοβασίλεμα στη θάλασσα", "ΘΆΛΑΣΣΑ"),
        ("photo of 猫咪 sleeping", "猫咪 sleeping"),
    ],
)
async def test_words_of_any_script_are_found(library: Library, text: str, asked: str) -> None:
    await library.post("x", say="nothing of the kind 狗 собака หมา")
    post = await library.post("a", say=text)
    assert (await said(library, asked))[0] == post


async def test_a_phrase_in_a_script_without_spaces_narrows_too(library: Library) -> None:
    post = await library.post("a", say="东京的照片")
    await library.post("b", say="照片 的 东京")
    assert await said(library, "东京的照片", phrases=["东京的照片"]) == [post]


async def test_edits_and_deletions_reach_the_trigrams(library: Library) -> None:
    post = await library.post("a", say="猫")
    async with library.db.transaction() as tx:
        await tx.execute("UPDATE texts SET content = '犬と猿' WHERE message_id = ?", (post,))
    assert await said(library, "猫") == []
    assert await said(library, "犬と") == [post]
    async with library.db.transaction() as tx:
        await messages.delete(tx, [post])
    assert await said(library, "犬と") == []
    async with library.db.transaction() as tx:
        await tx.execute("INSERT INTO words_trigram (words_trigram, rank) VALUES ('integrity-check', 1)")


async def test_the_trigrams_hold_exactly_the_texts_with_scripts_without_spaces(library: Library) -> None:
    for number, text in enumerate(["plain", "déjà vu", "猫", "a\0猫", "a\0b", "", "คน and more", "😀"]):
        await library.post(f"x{number}", say=text)
    async with library.db.reader() as connection:
        held = await connection.execute_fetchall("SELECT id FROM words_trigram_docsize ORDER BY id")
        wanted = await connection.execute_fetchall("SELECT message_id FROM unspaced_texts ORDER BY message_id")
    assert list(map(tuple, held)) == list(map(tuple, wanted))
    assert len(list(wanted)) == 2


@pytest.mark.parametrize(
    "text",
    [
        '"', "'", '"" OR ""', "cat AND", "NEAR(cat dog)", "content:cat", "{content}:cat", "^cat", "cat*dog", "* * *",
        "-cat", "(cat", "cat)", "cat\0dog", "\ud800cat", "a" * 1000, "NOT", '"*', "+", "cat + dog", ";DROP TABLE words",
    ],
)  # fmt: skip
async def test_no_text_breaks_the_query(library: Library, text: str) -> None:
    await library.post("a", say="cat dog 猫")
    await said(library, text, phrases=[text], without=[text])
    await said(library, text)


@pytest.mark.soak
@settings(max_examples=example_count(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), phrase=st.text(max_size=30), unwanted=st.text(max_size=30))
async def test_any_text_at_all_is_only_looked_for(library: Library, text: str, phrase: str, unwanted: str) -> None:
    async with library.db.reader() as connection:
        await text_search.ranked(connection, GUILD, text, everywhere(), 10, phrases=[phrase], without=[unwanted])


@given(st.text(max_size=40))
def test_a_quoted_term_has_no_open_end(text: str) -> None:
    inner = quoted(text)[1:-1]
    assert '"' not in inner.replace('""', "")


async def test_common_words_are_left_out_where_rarer_ones_are_asked_for(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "COMMON", 5)
    for number in range(12):
        await library.post(str(number), say="the usual words")
    rare = await library.post("r", say="the zeppelin")
    assert await said(library, "the zeppelin") == [rare]
    assert len(await said(library, "the usual")) == 13


async def test_of_a_word_that_everybody_says_the_newest_are_ranked(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "LEAST_WALKED", 3)
    posted = [await library.post(str(number), say="hello") for number in range(6)]
    assert await said(library, "hello") == posted[:2:-1]


async def test_a_message_with_four_pictures_gives_all_four(library: Library) -> None:
    await library.post("a", "b", "c", "d", say="four of them")
    async with library.db.reader() as connection:
        hits = await text_search.ranked(connection, GUILD, "four", everywhere(), 50)
    assert len(hits) == 4


async def test_the_readers_are_never_written_through(library: Library) -> None:
    async with library.db.reader() as connection:
        with pytest.raises(aiosqlite.OperationalError):
            await connection.execute("INSERT INTO words (words) VALUES ('optimize')")
