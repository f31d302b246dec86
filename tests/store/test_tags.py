"""Tags belong to where a picture is shown: found inside the filter, counted by guild, deleted with their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.clock import now_ms
from indexer.query.grammar import parse
from indexer.query.tag_names import MOST_TAGS
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, MessageId, PlaceId
from indexer.reports import data_export
from indexer.settings import IndexSettings
from indexer.store import audit, forget, messages, place_lookup, tags
from indexer.tags import STEP, Tags, Target
from indexer.vectors.index import VectorIndex
from tests.worlds.library import ANNA, BEN, GUILD, MEMES, PETS, SECRET, Library, ask, everywhere


async def places_of(library: Library, *message_ids: MessageId) -> list[PlaceId]:
    async with library.db.reader() as connection:
        return [place_id for _, place_id, _ in await place_lookup.named(connection, "message_id", message_ids)]


async def tag(library: Library, message_id: MessageId, *names: str) -> None:
    await Tags(library.db).change(GUILD, await places_of(library, message_id), add=names)


async def hits(
    library: Library, words: str, question: str, channels: frozenset[ChannelId] = frozenset({MEMES, PETS})
) -> list[MessageId]:
    """The messages that are found by these words and by the tags of `question`."""
    wish = parse(question, now_ms())
    chosen = Filter(channels, tags=frozenset(wish.tags), not_tags=frozenset(wish.not_tags))
    return [hit.place.message_id for hit in (await library.searcher.search(ask(words, filter=chosen))).hits]


@pytest.mark.parametrize("words", ["", "cat"])
@pytest.mark.parametrize("sealed", [True, False])
async def test_only_pictures_with_all_the_tags_and_none_of_the_others_are_found(
    library: Library, words: str, sealed: bool
) -> None:
    both, one, none = [await library.post(f"cat {number}", say="cat", day=number) for number in range(3)]
    if sealed:
        await library.index.compact(library.db)
    await tag(library, both, "kept", "rainy day")
    await tag(library, one, "kept")
    assert set(await hits(library, words, "tag:kept")) == {both, one}
    assert await hits(library, words, 'tag:Kept tag:"Rainy Day"') == [both]
    assert set(await hits(library, words, '-tag:"rainy day"')) == {one, none}
    assert await hits(library, words, 'tag:kept -tag:"rainy day"') == [one]
    assert await hits(library, words, "tag:unknown") == []


async def test_without_faiss_the_answers_are_the_same(library: Library, tmp_path: Path) -> None:
    kept, other = await library.post("cat 1"), await library.post("cat 2")
    await tag(library, kept, "kept")
    direct = VectorIndex(library.db.path, tmp_path / "none", IndexSettings(engine="direct"))
    try:
        for chosen, expected in (("tags", kept), ("not_tags", other)):
            allowed = everywhere(**{chosen: frozenset({"kept"})})
            vector = (await library.encoder.encode_words(["cat"]))[0]
            found = [index.search(GUILD, library.model_id, vector, 5, allowed) for index in (library.index, direct)]
            assert [place.message_id for candidate in found[0].candidates for place in candidate.places] == [expected]
            assert found[0].candidates == found[1].candidates
    finally:
        direct.close()


async def test_a_tag_in_one_channel_says_nothing_of_the_same_picture_in_another(library: Library) -> None:
    hidden, shown = await library.post("same cat", channel=SECRET), await library.post("same cat")
    await tag(library, hidden, "evidence")
    assert await hits(library, "", "tag:evidence") == []
    assert await hits(library, "", "-tag:evidence") == [shown]
    assert await hits(library, "cat", "tag:evidence") == []
    (hit,) = (await library.searcher.search(ask("cat"))).hits
    assert hit.tags == ()


async def test_an_answer_that_is_remembered_knows_a_new_tag(library: Library) -> None:
    post = await library.post("cat")
    assert (await library.searcher.search(ask("cat"))).hits[0].tags == ()
    await tag(library, post, "new")
    assert (await library.searcher.search(ask("cat"))).hits[0].tags == ("new",)
    await Tags(library.db).change(GUILD, await places_of(library, post), remove=["new"])
    assert (await library.searcher.search(ask("cat"))).hits[0].tags == ()


async def test_tags_are_given_and_taken_in_steps_and_counted_once(library: Library) -> None:
    post = await library.post(*[f"thing {number}" for number in range(10)])
    shown = await places_of(library, post)
    many: Sequence[PlaceId] = [*shown, *[PlaceId(10_000 + number) for number in range(STEP)]]  # most are not there
    told: list[int] = []
    done = await Tags(library.db).change(GUILD, many, add=["a", "b"], told=told.append)
    assert (done.places, done.changed, done.full, told) == (len(many), 10, 0, [STEP, len(many)])
    assert (await Tags(library.db).change(GUILD, shown, add=["a"])).changed == 0
    assert (await Tags(library.db).change(GUILD, shown[:3], add=["c"], remove=["b", "z"])).changed == 3
    assert [(count.tag, count.places) for count in await Tags(library.db).counted()] == [("a", 10), ("b", 7), ("c", 3)]
    async with library.db.reader() as connection:
        lines = await audit.recent(connection, 9, GUILD)
    assert [(line.action, line.detail["places"]) for line in lines] == [("tags.change", n) for n in (3, 10, len(many))]


async def test_a_picture_that_would_have_too_many_tags_stays_as_it_is(library: Library) -> None:
    (place,) = await places_of(library, await library.post("cat"))
    await Tags(library.db).change(GUILD, [place], add=[f"t{number}" for number in range(MOST_TAGS - 1)])
    full = await Tags(library.db).change(GUILD, [place], add=["x", "y"])
    assert (full.changed, full.full) == (0, 1)
    again = await Tags(library.db).change(GUILD, [place], add=["t0", "x"])
    assert (again.changed, again.full) == (1, 0)


async def test_a_picture_is_named_by_its_message_or_its_number_and_what_names_none_is_told(library: Library) -> None:
    post = await library.post("a", "b")
    first, second = await places_of(library, post)
    targets = [Target("message_id", post), Target("place_id", first), Target("place_id", 999), Target("path", "/none")]
    places, missing = await Tags(library.db).named(targets)
    assert places == {GUILD: [first, second]}
    assert missing == targets[2:]


async def test_a_tag_moves_with_its_message_and_leaves_no_byte_when_it_goes(library: Library) -> None:
    moving, deleted, taken = [await library.post(name) for name in ("a", "b", "c")]
    for post, name in ((moving, "quetzal"), (deleted, "quetzalcoatlus"), (taken, "zeppelinfahrt")):
        await tag(library, post, name)
    async with library.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE messages SET channel_id = ? WHERE message_id = ?", (PETS, moving))
        await messages.delete(tx, [deleted])
    await Tags(library.db).change(GUILD, await places_of(library, taken), remove=["zeppelinfahrt"])
    assert await hits(library, "", "tag:quetzal", channels=frozenset({MEMES})) == []
    assert await hits(library, "", "tag:quetzal", channels=frozenset({PETS})) == [moving]
    assert await forget.purge(library.db)
    data = library.db.path.read_bytes()
    assert b"quetzal" in data
    assert b"quetzalcoatlus" not in data
    assert b"zeppelinfahrt" not in data


async def test_a_member_is_told_the_tags_of_their_own_pictures(library: Library) -> None:
    await tag(library, await library.post("a", author=ANNA), "mine")
    await tag(library, await library.post("b", author=BEN), "theirs")
    async with library.db.reader() as connection:
        (held,) = [message async for message in data_export.messages(connection, ANNA)]
    assert [picture.tags for picture in held.pictures] == [("mine",)]
    async with library.db.reader() as connection:
        assert await tags.counted(connection, GUILD)
