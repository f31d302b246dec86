"""What was read in pictures: found by its words and by has:text, inside the asker's filter, however it is searched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.replies.closeness import Asked, band_text
from bot.replies.explained import explained_parts
from bot.texts import Language
from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.query.grammar import parse
from indexer.query.query import Query
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, MessageId
from indexer.store import deleted_here
from tests.worlds.library import GUILD, MEMES, PETS, SECRET, Library


def test_has_text_is_a_filter_and_cannot_contradict_itself() -> None:
    assert (parse("has:text", 0).text, parse("-has:texts", 0).text, parse("has:gif", 0).text) == (True, False, None)
    assert parse("-has:text", 0).has_filters
    with pytest.raises(TellPerson):
        parse("has:text -has:text", 0)


def asked(words: str, *channels: ChannelId, text: bool | None = None) -> Query:
    return Query(GUILD, Filter(frozenset(channels), text=text), count=10).asked_by(parse(words, 0))


class Posted(Library):
    """A receipt, a meme with a caption, a picture without words, and something in a hidden channel."""

    receipt: MessageId
    meme: MessageId
    plain: MessageId
    hidden: MessageId

    async def fill(self) -> None:
        await self.open()
        self.receipt = await self.post("receipt", say="groceries")
        self.meme = await self.post("meme", channel=PETS)
        self.plain = await self.post("plain")
        self.hidden = await self.post("hidden", channel=SECRET)
        await self.says(self.receipt, "TOTAL 47,11 EUR")
        await self.says(self.hidden, "total secret")
        await self.says(self.meme, "a caption says total", kind="caption")

    async def found(self, query: Query) -> set[MessageId]:
        return {hit.place.message_id for hit in (await self.searcher.search(query)).hits}


@pytest_asyncio.fixture
async def library(database: Database, tmp_path: Path) -> AsyncIterator[Posted]:
    library = Posted(database, tmp_path / "index")
    await library.fill()
    yield library
    library.index.close()


async def test_the_words_are_found_and_the_reply_says_where(library: Posted) -> None:
    answer = await library.searcher.search(asked('"total 47"', MEMES, PETS))
    (hit,) = answer.hits
    assert hit.place.message_id == library.receipt
    assert "words found in the picture" in band_text(hit, Asked(words="total 47"), Language.ENGLISH)
    assert hit.parts.picture_bm25 is not None
    assert any("of it from words in the picture" in text for text in explained_parts(hit, Language.ENGLISH))
    (hit,) = (await library.searcher.search(asked('"groceries"', MEMES))).hits
    assert hit.parts.picture_bm25 is None, "its message says it, the picture does not"
    assert "in the picture" not in band_text(hit, Asked(words="groceries"), Language.ENGLISH)


async def test_a_caption_is_found_by_its_words_told_from_words_that_were_read_and_is_no_text(library: Posted) -> None:
    question = asked('"kite"', PETS)
    assert await library.found(question) == set()
    await library.says(library.meme, "a dog with a kite", kind="caption")
    (hit,) = (await library.searcher.search(question)).hits
    assert hit.place.message_id == library.meme, "an answer from before the caption is not given again"
    assert (hit.parts.picture_bm25, hit.parts.caption_bm25) == (None, hit.parts.bm25)
    assert "words found in a model's caption of it" in band_text(hit, Asked(words="kite"), Language.ENGLISH)
    assert any("from a model's caption of the picture" in text for text in explained_parts(hit, Language.ENGLISH))
    assert await library.found(asked("kite", PETS, text=True)) == set()
    await library.says(await library.post("hidden too", channel=SECRET), "a kite of the board", kind="caption")
    assert await library.found(question) == {library.meme}


@pytest.mark.parametrize("words", ["", "total"])
async def test_has_text_looks_only_where_the_asker_may(library: Posted, words: str) -> None:
    visible = (MEMES, PETS)
    assert await library.found(asked(words, *visible, text=True)) == {library.receipt}
    assert library.receipt not in await library.found(asked(words, *visible, text=False))
    assert await library.found(asked(words, SECRET, text=True)) == {library.hidden}
    nothing_else = await library.searcher.search(asked("", *visible, text=False))
    assert {hit.place.message_id for hit in nothing_else.hits} == {library.meme, library.plain}
    assert nothing_else.searched == 2, "hidden pictures do not count"


async def test_who_says_all_of_the_words_comes_before_who_says_some_and_is_by_chance_nearer(
    database: Database, tmp_path: Path
) -> None:
    library = Library(database, tmp_path / "index")
    await library.open()
    await library.noise(150)
    right = []
    for number in range(8):
        words = f"zebra{number} gate{number} delay{number}"
        right.append(await library.post(f"shot{number}"))
        await library.says(right[-1], f"departures {words}")
        await library.says(await library.post(f"photo{number}"), f"arrivals zebra{number} gate{number}")
    first = []
    for number in range(8):
        answer = await library.searcher.search(asked(f"zebra{number} gate{number} delay{number}", MEMES, PETS))
        first.append(answer.hits[0].place.message_id)
    library.index.close()
    assert first == right


async def test_delete_takes_has_text_as_it_takes_other_filters(library: Posted) -> None:
    both = await library.post("plain too", "receipt")
    await library.says(both, "17 May")
    async with library.db.reader() as connection:
        with_text = await deleted_here.meant(connection, GUILD, Filter(frozenset({MEMES, PETS}), text=True))
        without = await deleted_here.meant(connection, GUILD, Filter(frozenset({MEMES, PETS}), text=False))
    assert list(with_text) == sorted([library.receipt, both])
    assert list(without) == sorted([library.meme, library.plain]), "a message goes whole, so one with words stays"
