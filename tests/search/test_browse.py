"""Filters alone list what passes them, newest first, and say nothing of what lies outside."""

from __future__ import annotations

from dataclasses import replace

from indexer.query.query import Query
from indexer.records.hits import Band, Filter
from indexer.records.messages import PlaceFlag
from tests.worlds.library import ANNA, BEN, DAY_MS, GUILD, MEMES, PETS, SECRET, START_MS, Library, ask, everywhere


def browse(filter: Filter | None = None, count: int = 100) -> Query:
    return Query(GUILD, filter or everywhere(), count=count)


async def test_without_anything_to_look_for_the_newest_come_first_and_the_model_is_not_asked(library: Library) -> None:
    posts = [await library.post(f"thing{number}", day=day) for number, day in enumerate((5, 1, 9, 3))]
    library.encoder.asked.clear()
    result = await library.searcher.search(browse())
    assert [hit.place.message_id for hit in result.hits] == [posts[2], posts[0], posts[3], posts[1]]
    assert {hit.band for hit in result.hits} == {Band.LISTED}
    assert result.searched == 4
    assert library.encoder.asked == []


async def test_pictures_of_one_message_stand_in_its_order(library: Library) -> None:
    await library.post("old")
    await library.post("one", "two", "three", names=("one.png", "two.png", "three.png"))
    result = await library.searcher.search(browse())
    assert [hit.file_name for hit in result.hits][:3] == ["one.png", "two.png", "three.png"]


async def test_a_picture_that_was_posted_again_is_listed_once_with_all_its_places(library: Library) -> None:
    first = await library.post("dog", author=BEN)
    cats = [await library.post("cat") for _ in range(6)]
    result = await library.searcher.search(browse(count=2))
    cat, dog = result.hits
    assert (cat.place.message_id, cat.first_place.message_id, len(cat.other_places)) == (cats[-1], cats[0], 5)
    assert dog.place.message_id == first
    assert result.searched == 7


async def test_walking_back_through_the_years_misses_nothing_and_repeats_nothing(library: Library) -> None:
    days = [0, 0.5, 1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 600, 601, 700, 3_000]  # the last one is in the future
    posts = [await library.post(f"thing{number}", day=day) for number, day in enumerate(days)]
    for count in (1, 2, 7, len(days), 100):
        result = await library.searcher.search(browse(count=count))
        assert [hit.place.message_id for hit in result.hits] == posts[::-1][:count]
    between = everywhere(after_ms=START_MS + DAY_MS, before_ms=START_MS + 602 * DAY_MS)
    result = await library.searcher.search(browse(between))
    assert [hit.place.message_id for hit in result.hits] == posts[2:14][::-1]


async def test_every_filter_narrows_the_list(library: Library) -> None:
    gif = await library.post("cat", channel=PETS, author=BEN, day=2, flags=PlaceFlag.ANIMATED)
    still = await library.post("dog", channel=MEMES, author=ANNA, day=4)

    async def listed(**narrowed: object) -> list[int]:
        found = await library.searcher.search(browse(everywhere(**narrowed)))
        assert found.searched == len(found.hits)
        return [hit.place.message_id for hit in found.hits]

    assert await listed() == [still, gif]
    assert await listed(require=PlaceFlag.ANIMATED) == [gif]
    assert await listed(exclude=PlaceFlag.ANIMATED) == [still]
    assert await listed(authors=frozenset({BEN})) == [gif]
    assert await listed(after_ms=START_MS + 3 * DAY_MS) == [still]
    assert await listed(before_ms=START_MS + 3 * DAY_MS) == [gif]
    only_pets = await library.searcher.search(browse(Filter(frozenset({PETS}))))
    assert [hit.place.message_id for hit in only_pets.hits] == [gif]


async def test_what_is_hidden_changes_nothing_of_the_list(library: Library) -> None:
    for number in range(8):
        await library.post(f"thing{number % 5}", channel=PETS if number % 2 else MEMES)
    before = await library.searcher.search(browse())
    for number in range(5):
        await library.post(f"thing{number}", channel=SECRET)
        await library.post(f"secret{number}", channel=SECRET)
    after = await library.searcher.search(browse())
    assert replace(after, stage_ms={}) == replace(before, stage_ms={})


async def test_words_to_leave_out_are_something_to_look_for(library: Library) -> None:
    assert not ask("", without=("dog",)).filters_only
    assert not ask("cat").filters_only
    assert ask("").filters_only
