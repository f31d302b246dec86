"""Query → hits on real SQLite and a real index."""

from __future__ import annotations

from dataclasses import replace

import pytest

from indexer.errors import TellPerson
from indexer.ports import Priority
from indexer.query.query import Retrieval
from indexer.records.hits import Band, Floor, SearchResult
from indexer.records.ids import MessageId
from indexer.records.messages import PlaceFlag
from indexer.search.baseline_sentences import BASELINE_SENTENCES
from indexer.store import messages
from tests.worlds.library import (
    ANNA,
    BEN,
    DAY_MS,
    MEMES,
    PETS,
    SECRET,
    START_MS,
    Library,
    ask,
    decoded,
    everywhere,
)


def found(result: SearchResult) -> list[MessageId]:
    return [hit.place.message_id for hit in result.hits]


async def test_words_find_the_picture_that_shows_them(library: Library) -> None:
    await library.noise(30)
    cat = await library.post("cat rain", say="look")
    result = await library.searcher.search(ask("cat rain"))
    assert found(result)[0] == cat
    assert result.searched == 31
    assert result.floor in (Floor.INDEX, Floor.DIRECT)
    assert list(result.stage_ms)[-5:] == ["retrieve", "judge", "fuse", "choose", "total"]
    assert {"picture", "text", "vectors", "words"} <= result.stage_ms.keys()


async def test_each_index_alone_finds_what_it_finds_and_both_together_find_all(library: Library) -> None:
    await library.noise(30)
    shown = await library.post("cat rain", say="look at this")
    said = await library.post("hill", say="cat rain")
    hits = {
        by: (await library.searcher.search(replace(ask("cat rain"), by=by))).hits
        for by in (Retrieval.VECTORS, Retrieval.WORDS, Retrieval.HYBRID)
    }
    messages_of = {by: [hit.place.message_id for hit in given] for by, given in hits.items()}
    assert messages_of[Retrieval.VECTORS][0] == shown
    assert said not in messages_of[Retrieval.VECTORS]
    assert messages_of[Retrieval.WORDS] == [said]
    assert {shown, said} <= set(messages_of[Retrieval.HYBRID])
    assert all(hit.parts.words_rank is None for hit in hits[Retrieval.VECTORS])
    assert all(hit.parts.vector_rank is None for hit in hits[Retrieval.WORDS])


async def test_words_that_were_learned_together_are_not_asked_of_the_model_again(library: Library) -> None:
    await library.noise(5)
    asked = [ask("cat"), ask("dog rain"), replace(ask("hill"), without=("rain",)), ask("cat")]
    library.encoder.asked.clear()
    await library.searcher.learn_words(asked)
    learned = [text for text, _ in library.encoder.asked]
    assert sorted(learned) == ["cat", "dog rain", "hill", "rain"]
    for query in asked:
        await library.searcher.prepare(query)
    assert [text for text, _ in library.encoder.asked] == learned


async def test_a_hit_carries_all_that_a_reply_shows(library: Library) -> None:
    await library.noise(20)
    cat = await library.post("cat", say="my cat", names=["tom.png"], alt="a cat", author=BEN, flags=PlaceFlag.SPOILER)
    hit = (await library.searcher.search(ask("cat"))).hits[0]
    assert (hit.excerpt, hit.file_name, hit.alt_text, hit.author_name) == ("my cat", "tom.png", "a cat", "user-302")
    assert (hit.place.channel_id, hit.place.author_id, hit.place.flags) == (MEMES, BEN, PlaceFlag.SPOILER)
    assert hit.link == f"https://cdn.discordapp.com/attachments/{MEMES}/{cat}/0.png"
    assert (hit.width, hit.height) == (640, 480)


async def test_a_picture_finds_itself_first_and_says_so(library: Library) -> None:
    await library.noise(30)
    cat = await library.post("cat rain")
    await library.post("cat sun")
    result = await library.searcher.search(ask("", "cat rain"))
    assert found(result)[0] == cat
    assert result.hits[0].band is Band.SAME
    assert result.hits[1].band is not Band.SAME


async def test_a_picture_and_words_together_find_what_has_both(library: Library) -> None:
    await library.noise(30)
    await library.post("cat sofa")
    both = await library.post("cat snow")
    await library.post("hill snow")
    result = await library.searcher.search(ask("snow", "cat garden"))
    assert found(result)[0] == both


async def test_what_a_message_says_is_found_though_its_picture_shows_something_else(library: Library) -> None:
    await library.noise(30)
    party = await library.post("balloon", say="Bens Geburtstagsfeier im Garten")
    result = await library.searcher.search(ask("geburtstagsfeier"))
    assert found(result)[0] == party
    assert result.hits[0].parts.words_rank == 1
    assert result.hits[0].band is Band.SAID


async def test_who_says_the_whole_question_comes_before_a_newer_picture_that_is_only_related(library: Library) -> None:
    await library.noise(30)
    said = await library.post("balloon", say="isle of man")
    related = await library.post("isle hill boat")
    result = await library.searcher.search(ask("isle man"))
    assert found(result)[:2] == [said, related]
    assert [hit.band for hit in result.hits[:2]] == [Band.SAID, Band.RELATED]


async def test_a_message_that_shares_only_a_filler_word_with_the_question_is_no_answer(library: Library) -> None:
    await library.noise(30)
    for number in range(5):
        await library.post(f"clutter{number}", say="this and that")
    half = await library.post("balloon", say="Geburtstagsfeier")
    result = await library.searcher.search(ask("geburtstagsfeier and kerzenschein"))
    assert found(result) == [half]


async def test_a_picture_is_shown_by_the_message_whose_words_matched(library: Library) -> None:
    await library.noise(20)
    older = await library.post("balloon", say="the birthday party")
    await library.post("balloon", say="again")
    hit = (await library.searcher.search(ask("birthday"))).hits[0]
    assert hit.place.message_id == older
    assert len(hit.other_places) == 1


async def test_words_in_quotes_must_be_said(library: Library) -> None:
    await library.noise(20)
    await library.post("cat", say="a party for my birthday")
    said = await library.post("cat", say="What a birthday party!")
    result = await library.searcher.search(ask("cat birthday party", phrases=("birthday party",)))
    assert found(result) == [said]


async def test_excluded_words_are_neither_shown_nor_said(library: Library) -> None:
    await library.noise(30)
    alone = await library.post("cat", say="one")
    await library.post("cat #2", say="my cat and a dog")
    result = await library.searcher.search(ask("cat", without=("dog",)))
    assert alone in found(result)
    assert all("dog" not in hit.excerpt for hit in result.hits)


async def test_an_excluded_picture_content_goes_down(library: Library) -> None:
    await library.noise(30)
    await library.post("cat dog")
    alone = await library.post("cat tree")
    result = await library.searcher.search(ask("cat", without=("dog",)))
    assert found(result)[0] == alone


async def test_one_picture_posted_nine_times_is_one_hit_with_nine_places(library: Library) -> None:
    await library.noise(20)
    posted = [await library.post("cat", day=day) for day in range(9)]
    result = await library.searcher.search(ask("cat"))
    assert len([hit for hit in result.hits if hit.place.message_id in posted]) == 1
    hit = result.hits[0]
    assert hit.place.message_id == posted[-1]
    assert [place.message_id for place in hit.other_places] == posted[-2::-1]
    assert hit.first_place.message_id == posted[0]


async def test_two_encodings_of_one_picture_are_one_hit(library: Library) -> None:
    await library.noise(20)
    first = await library.post(decoded("cat #png", perceptual_hash=0xFF00))
    again = await library.post(decoded("cat #jpeg", perceptual_hash=0xFF01))
    other = await library.post(decoded("cat #other", perceptual_hash=0x00FF_FFFF_0000))
    result = await library.searcher.search(ask("cat"))
    assert found(result)[:2] == [other, again]
    assert [place.message_id for place in result.hits[1].other_places] == [first]


async def test_equal_scores_show_the_newest_first(library: Library) -> None:
    await library.noise(20)
    posted = [await library.post(decoded(f"cat #{n}", perceptual_hash=0xFFFF << 12 * n)) for n in range(3)]
    assert found(await library.searcher.search(ask("cat")))[:3] == posted[::-1]


async def test_nothing_close_enough_is_no_hit_rather_than_five_random_ones(library: Library) -> None:
    await library.noise(60)
    for query in (ask("volcano"), ask("", "volcano")):
        result = await library.searcher.search(query)
        assert result.hits == ()
        assert result.searched == 60


async def test_a_least_score_decides_alone(library: Library) -> None:
    await library.noise(30)
    await library.post("cat")
    all_of_them = await library.searcher.search(ask("cat", min_score=-1.0, count=50))
    assert len(all_of_them.hits) == 31
    least = all_of_them.hits[3].score
    some = await library.searcher.search(ask("cat", min_score=least, count=50))
    assert found(some) == found(all_of_them)[:4]


async def test_only_channels_of_the_filter_are_searched_shown_and_counted(library: Library) -> None:
    await library.noise(20)
    await library.post("cat", say="cat", channel=SECRET)
    public = await library.post("cat", say="cat", channel=PETS)
    result = await library.searcher.search(ask("cat"))
    assert found(result) == [public]
    assert result.hits[0].other_places == ()
    assert result.searched == 21
    nowhere = await library.searcher.search(ask("cat", filter=replace(everywhere(), channels=frozenset())))
    assert (nowhere.hits, nowhere.searched) == ((), 0)


async def test_every_filter_narrows_vectors_and_words_alike(library: Library) -> None:
    await library.noise(20)
    old = await library.post("cat", say="cat", day=1)
    bens = await library.post("cat #2", say="cat", day=5, author=BEN)
    gif = await library.post("cat #3", say="cat", day=9, flags=PlaceFlag.ANIMATED)
    for narrowed, expected in (
        ({"authors": frozenset({BEN})}, [bens]),
        ({"before_ms": START_MS + 2 * DAY_MS, "after_ms": START_MS + DAY_MS // 2}, [old]),
        ({"require": PlaceFlag.ANIMATED}, [gif]),
        ({"exclude": PlaceFlag.ANIMATED, "after_ms": START_MS + 3 * DAY_MS}, [bens]),
        ({"not_message": gif, "after_ms": START_MS + 3 * DAY_MS}, [bens]),
    ):
        result = await library.searcher.search(ask("cat", filter=everywhere(**narrowed)))
        assert [hit.place.message_id for hit in result.hits if "noise" not in hit.excerpt] == expected, narrowed


async def test_a_deleted_message_is_never_found_again_though_the_answer_was_remembered(library: Library) -> None:
    await library.noise(20)
    cat = await library.post("cat", say="cat")
    query = ask("cat")
    assert found(await library.searcher.search(query)) == [cat]
    assert (await library.searcher.search(query)).stage_ms.keys() == {"picture", "total"}
    async with library.db.transaction() as tx:
        await messages.delete(tx, [cat])
    assert cat not in found(await library.searcher.search(query))


async def test_an_edited_message_is_found_by_its_new_words_only(library: Library) -> None:
    await library.noise(20)
    post = await library.post("balloon", say="zeppelin")
    assert found(await library.searcher.search(ask("zeppelin"))) == [post]
    async with library.db.transaction() as tx:
        await tx.execute("UPDATE texts SET content = 'funeral' WHERE message_id = ?", (post,))
    assert found(await library.searcher.search(ask("zeppelin"))) == []
    assert found(await library.searcher.search(ask("funeral"))) == [post]


async def test_an_answer_remembered_for_one_member_is_not_given_to_another(library: Library) -> None:
    await library.noise(20)
    await library.post("cat", channel=SECRET)
    sees_all = replace(everywhere(), channels=frozenset({MEMES, PETS, SECRET}))
    assert len((await library.searcher.search(ask("cat", filter=sees_all))).hits) == 1
    assert (await library.searcher.search(ask("cat"))).hits == ()


async def test_what_one_member_asked_is_not_remembered_for_another(library: Library) -> None:
    await library.noise(20)
    query = replace(ask("cat"), asker=ANNA)
    await library.searcher.search(query)
    library.encoder.asked.clear()
    again = await library.searcher.search(query)
    assert library.encoder.asked == []
    others = await library.searcher.search(replace(query, asker=BEN))
    assert library.encoder.asked == [("cat", Priority.QUERY)]
    assert others.stage_ms.keys() > again.stage_ms.keys()


async def test_a_repeated_question_asks_the_model_once_and_as_a_query(library: Library) -> None:
    await library.noise(20)
    library.encoder.asked.clear()
    for _ in range(3):
        await library.searcher.search(ask("cat", without=("dog",)))
    await library.post("cat")
    await library.searcher.search(ask("cat", without=("dog",)))
    texts = [
        question
        for question in library.encoder.asked
        if question[0] != "pixels" and question[0] not in BASELINE_SENTENCES
    ]
    assert texts == [("cat", Priority.QUERY), ("dog", Priority.QUERY)]


async def test_more_like_a_hit_leaves_out_the_hit_itself(library: Library) -> None:
    await library.noise(20)
    cat = await library.post("cat rain")
    other = await library.post("cat sun")
    query = await library.searcher.prepare(ask(like=(await library.picture_of(cat),)))
    assert found(await library.searcher.search(query))[0] == other
    assert cat not in found(await library.searcher.search(query))


async def test_more_like_a_picture_that_the_member_may_not_see_is_refused(library: Library) -> None:
    hidden = await library.post("cat", channel=SECRET)
    with pytest.raises(TellPerson, match="search-picture-gone"):
        await library.searcher.prepare(ask(like=(await library.picture_of(hidden),)))


async def test_diversity_brings_something_else_forward(library: Library) -> None:
    await library.noise(20)
    for number in range(4):
        await library.post(decoded(f"cat rain #{number}", perceptual_hash=0xFFFF << 12 * number))
    other = await library.post("cat sun")
    plain = found(await library.searcher.search(ask("cat rain", count=2)))
    varied = found(await library.searcher.search(ask("cat rain", count=2, diversity=0.7)))
    assert other not in plain
    assert other in varied
