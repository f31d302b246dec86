"""Posted pictures are compared before anybody asks: within a round's bounds, once, and only where they can be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from indexer.database.database import open_database
from indexer.errors import RetryLater
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.records.copies import RULE, Verdicts, pair_of
from indexer.records.ids import GuildId, MessageId, PictureId, PlaceId
from indexer.records.pictures import PixelSpec
from indexer.search import pair_comparer
from indexer.search.pair_comparer import PairComparer
from indexer.settings import DecodeSettings
from indexer.store import messages, verdicts
from sandbox.drawing import edits
from tests.worlds.library import GUILD, PETS, SECRET, Library
from tests.worlds.migrated import migrated
from tests.worlds.scenery import png, scenery

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALIKE = "dog on a hill near the lake"  # what the model sees in all pictures that are in doubt
ORIGINAL = scenery(1)
CROP = edits.crop(ORIGINAL, 0.8)


class Posted(Library):
    """Pictures whose files are on this machine (`kept`) or at Discord. Both are asked in order: `asked`."""

    kept: dict[PictureId, bytes]
    at_discord: dict[PictureId, bytes]
    asked: list[tuple[str, PictureId]]

    async def show(self, what: str, image: Image.Image, *, kept: bool = True, **where: object) -> PictureId:
        picture = await self.picture_of(await self.post(what, **where))  # type: ignore[arg-type]  # the test names the fields
        (self.kept if kept else self.at_discord)[picture] = png(image)
        return picture

    async def _picture(self, place_id: PlaceId) -> PictureId:
        async with self.db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT picture_id FROM places WHERE place_id = ?", (place_id,))
        ((picture_id,),) = rows
        return PictureId(picture_id)

    async def nearby(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        picture = await self._picture(place_id)
        self.asked.append(("nearby", picture))
        return self.kept.get(picture)

    async def download(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        picture = await self._picture(place_id)
        self.asked.append(("download", picture))
        if picture not in self.at_discord:
            raise RetryLater("Discord is away")
        return self.at_discord[picture]

    async def told(self) -> Verdicts:
        async with self.db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT DISTINCT picture_id FROM places")
            return await verdicts.among(connection, GUILD, RULE, [picture_id for (picture_id,) in rows])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    async with open_decoder(DecodeSettings(workers=1), PixelSpec(64)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def library(tmp_path: Path) -> AsyncIterator[Posted]:
    migrated(tmp_path)
    async with open_database(tmp_path) as db:
        library = Posted(db, tmp_path / "segments")
        library.kept, library.at_discord, library.asked = {}, {}, []
        await library.open()
        yield library
        await asyncio.to_thread(library.index.close)


def comparer(library: Posted, decoder: Decoder, downloads: int = 10) -> PairComparer:
    return PairComparer(library.db, library.index, library.model_id, library, decoder, lambda: True, downloads)


async def test_a_copy_and_another_picture_are_told_and_not_compared_again_after_a_restart(
    library: Posted, decoder: Decoder
) -> None:
    first = await library.show(ALIKE, ORIGINAL)
    crop = await library.show(f"{ALIKE} tree", CROP, channel=SECRET)
    other = await library.show(f"{ALIKE} rain", scenery(2), channel=PETS)
    await library.show("boat", scenery(3))
    await comparer(library, decoder).round()
    told = await library.told()
    assert told.keys() == {pair_of(first, crop), pair_of(first, other), pair_of(crop, other)}
    copy = told[pair_of(first, crop)]
    assert copy is not None
    assert copy.share == pytest.approx(0.64, abs=0.03)
    assert told[pair_of(first, other)] is None
    library.asked.clear()
    restarted = comparer(library, decoder)
    await restarted.round()
    assert library.asked == []
    late = await library.show(f"{ALIKE} cloud", scenery(4))
    await restarted.round()
    assert {pair for pair in await library.told() if late in pair} == {pair_of(late, n) for n in (first, crop, other)}


async def test_a_round_downloads_no_more_than_it_may_and_the_next_one_goes_on(
    library: Posted, decoder: Decoder
) -> None:
    shown = [await library.show(f"{ALIKE} {n}", scenery(n), kept=False) for n in (3, 4, 5)]
    slow = comparer(library, decoder, downloads=2)
    await slow.round()
    assert len(await library.told()) == 1
    await slow.round()
    assert len(await library.told()) == 3
    assert sorted(picture for how, picture in library.asked if how == "download") == shown


async def test_a_round_compares_no_more_pairs_than_it_may(
    library: Posted, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_comparer, "PAIRS", 2)
    for number in range(3):
        await library.show(f"{ALIKE} {number}", scenery(number))
    some = comparer(library, decoder)
    await some.round()
    assert len(await library.told()) == 2
    await some.round()
    assert len(await library.told()) == 3


async def test_a_pair_whose_pixels_cannot_be_had_stays_not_compared_and_is_asked_for_once(
    library: Posted, decoder: Decoder
) -> None:
    for number in range(2):
        await library.show(f"{ALIKE} {number}", scenery(number))
    away = await library.picture_of(await library.post(f"{ALIKE} away"))
    damaged = await library.picture_of(await library.post(f"{ALIKE} damaged"))
    library.kept[damaged] = b"\x89PNG\r\n\x1a\n and nothing more"
    watching = comparer(library, decoder)
    for _ in range(2):
        await watching.round()
    assert len(await library.told()) == 1
    assert library.asked.count(("download", away)) == 1


async def test_without_downloads_only_what_is_on_this_machine_is_compared(library: Posted, decoder: Decoder) -> None:
    for number in range(2):
        await library.show(f"{ALIKE} {number}", scenery(number))
    await library.show(f"{ALIKE} away", scenery(7), kept=False)
    await comparer(library, decoder, downloads=0).round()
    assert len(await library.told()) == 1
    assert {how for how, _ in library.asked} == {"nearby"}


async def test_a_picture_that_is_deleted_while_it_is_compared_leaves_no_verdict(
    library: Posted, decoder: Decoder
) -> None:
    await library.show(ALIKE, ORIGINAL)
    message_id: MessageId = await library.post(f"{ALIKE} tree")

    class Deleting(Posted):
        async def nearby(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
            async with library.db.transaction() as tx:
                await messages.delete(tx, [message_id])
            return png(CROP)

    deleting = Deleting(library.db, library.db.path.parent / "segments")
    files = PairComparer(library.db, library.index, library.model_id, deleting, decoder, lambda: True, 0)
    await files.round()
    assert await library.told() == {}
    async with library.db.reader() as connection:
        assert await verdicts.count(connection) == 0
    await asyncio.to_thread(deleting.index.close)
