"""A search compares the pixels of what it found: that decides what is called an edited copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.replies.explained import explained_parts
from bot.texts import Language
from indexer.database.database import open_database
from indexer.errors import RetryLater
from indexer.pictures.decoder import open_decoder
from indexer.query.query import Query
from indexer.records.hits import Band, Filter, Hit
from indexer.records.ids import GuildId, PlaceId
from indexer.records.pictures import PixelSpec
from indexer.search import copy_checker
from indexer.search.copy_checker import open_copy_checker
from indexer.search.search import Searcher
from indexer.settings import DecodeSettings, SearchSettings
from indexer.supervisor import Faults
from sandbox.drawing import edits
from tests.worlds.library import GUILD, MEMES, PETS, SECRET, Library, ask, decoded
from tests.worlds.migrated import migrated
from tests.worlds.scenery import png, scenery
from tests.worlds.waiting import DEADLINE_S


class Compared(Library):
    """A library whose places all show one file, or none. `had`: the places that were asked for it."""

    file: bytes | None = None
    gate: asyncio.Event | None = None
    had: list[PlaceId]

    async def picture_file(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        self.had.append(place_id)
        if self.gate is not None:
            await self.gate.wait()
        if self.file is None:
            raise RetryLater("Discord is away")
        return self.file


class Files:
    def __init__(self, library: Compared) -> None:
        self.file = library.picture_file


@pytest.fixture
async def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Compared]:
    monkeypatch.setattr(copy_checker, "BUDGET_S", DEADLINE_S)  # how fast this machine is, is another matter
    migrated(tmp_path)
    async with (
        open_database(tmp_path) as db,
        open_decoder(DecodeSettings(workers=1), PixelSpec(64)) as decoder,
    ):
        library = Compared(db, tmp_path / "segments")
        library.had = []
        async with open_copy_checker(Files(library), decoder, Faults()) as checker:
            await library.open()
            library.searcher = Searcher(db, library.index, library.encoder, library.model_id, SearchSettings(), checker)
            await library.noise(20)
            yield library
        library.index.close()


def cropped(words: str = "", filter: Filter | None = None) -> Query:
    """Asks with a crop, which the model takes for the picture of a dog, and whose hash is far from every other."""
    query = ask(words, "dog", **({} if filter is None else {"filter": filter}))
    return replace(query, small_copies=(png(edits.crop(scenery(1), 0.8)),))


async def first(library: Compared, query: Query) -> Hit:
    return (await library.searcher.search(query)).hits[0]


async def test_pixels_make_an_edited_copy_and_nothing_else_does_where_the_hash_disagrees(library: Compared) -> None:
    await library.post("dog #posted")
    library.file = png(scenery(1))
    copy = await first(library, cropped())
    assert copy.band is Band.EDITED
    assert copy.copied is not None
    assert copy.copied.share == pytest.approx(0.64, abs=0.03)
    library.file = png(scenery(2))
    other = await first(library, replace(cropped(), digests=frozenset({b"another question"})))
    assert (other.band, other.copied) == (Band.VERY_SIMILAR, None)
    library.file = None
    unknown = await first(library, replace(cropped(), digests=frozenset({b"a third one"})))
    assert (unknown.band, unknown.copied) == (Band.VERY_SIMILAR, None)


async def test_where_pixels_speak_against_a_copy_a_hash_that_agrees_somewhat_makes_none(library: Compared) -> None:
    await library.post(decoded("dog #posted", perceptual_hash=decoded("dog").perceptual_hash ^ 0b1_1111))
    unknown = await first(library, cropped())
    assert (unknown.band, unknown.parts.pixels) == (Band.EDITED, "unknown")
    assert "its pixels were not compared" in explained_parts(unknown, Language.ENGLISH)
    library.file = png(scenery(2))
    other = await first(library, replace(cropped(), digests=frozenset({b"another question"})))
    assert (other.band, other.parts.pixels) == (Band.VERY_SIMILAR, "another")
    assert "its pixels show another picture" in explained_parts(other, Language.ENGLISH)


async def test_where_the_hash_is_almost_equal_the_picture_is_not_compared(library: Compared) -> None:
    bits = decoded("dog").perceptual_hash
    await library.post(decoded("dog #posted", perceptual_hash=bits ^ 1))
    hit = await first(library, cropped())
    assert hit.band is Band.SAME
    assert hit.place.place_id not in library.had


async def test_beside_words_nobody_looks_for_a_copy(library: Compared) -> None:
    await library.post("dog #posted")
    await first(library, cropped("dog"))
    assert library.had == []


async def test_a_hidden_picture_is_never_asked_for_and_a_visible_place_is_when_there_is_one(library: Compared) -> None:
    library.file = png(scenery(1))
    await library.post("dog #hidden", channel=SECRET)
    both = decoded("dog #both")
    shown = await library.post(both, channel=PETS)
    await library.post(both, channel=SECRET)
    assert (await first(library, cropped(filter=Filter(frozenset({MEMES, PETS}))))).copied is not None
    async with library.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT place_id FROM places WHERE message_id = ?", (shown,))
    assert library.had[:1] == [row[0] for row in rows]
    async with library.db.reader() as connection:
        hidden = await connection.execute_fetchall(
            "SELECT place_id FROM places JOIN messages USING (message_id) WHERE channel_id = ?", (SECRET,)
        )
    assert not {row[0] for row in hidden} & set(library.had)


async def test_an_answer_that_comes_before_the_comparison_says_so_and_is_not_remembered(library: Compared) -> None:
    await library.post("dog #posted")
    library.file, library.gate = png(scenery(1)), asyncio.Event()
    query = await library.searcher.prepare(cropped())
    early = await library.searcher.search(query, compare_s=0.0)
    assert early.coming
    assert early.hits[0].band is Band.VERY_SIMILAR
    library.gate.set()
    await library.searcher.compared(query)
    late = await library.searcher.search(query, compare_s=0.0)
    assert not late.coming
    assert late.hits[0].band is Band.EDITED
    assert "compare" in late.stage_ms


async def test_a_picture_of_the_index_is_compared_by_a_place_where_it_is_shown(library: Compared) -> None:
    library.file = png(scenery(1))
    asked = await library.picture_of(await library.post("dog #asked"))
    await library.post("dog #posted")
    hit = await first(library, Query(GUILD, Filter(frozenset({MEMES, PETS})), like=(asked,)))
    assert hit.band is Band.EDITED
    assert hit.copied is not None
    assert hit.copied.share == 1.0
