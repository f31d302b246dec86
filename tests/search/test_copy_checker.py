"""Copies among what was found: had within a budget, compared in a worker, remembered for whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final

import pytest
import pytest_asyncio

from indexer.errors import RetryLater
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.records.ids import GuildId, PictureId, PlaceId, UserId
from indexer.records.pictures import PixelSpec
from indexer.search import copy_checker
from indexer.search.copy_checker import Asked, CopyChecker, open_copy_checker
from indexer.settings import DecodeSettings
from indexer.supervisor import Faults
from sandbox.drawing import edits
from tests.worlds.scenery import png, scenery
from tests.worlds.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA, BEN = UserId(1), UserId(2)
ORIGINAL, STRANGER, AWAY = PictureId(1), PictureId(2), PictureId(3)
EVERYTHING: Final = {ORIGINAL: PlaceId(11), STRANGER: PlaceId(12), AWAY: PlaceId(13)}
LONG_S = 30.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast this machine is, is another matter."""
    monkeypatch.setattr(copy_checker, "BUDGET_S", LONG_S)


class Shelf:
    """Files by their places; places in `gated` wait for the gate. `had` counts."""

    def __init__(self) -> None:
        self.files = {PlaceId(11): png(scenery(1)), PlaceId(12): png(scenery(2))}
        self.gate = asyncio.Event()
        self.gated: set[PlaceId] = set()
        self.had: list[PlaceId] = []

    async def file(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        self.had.append(place_id)
        if place_id in self.gated:
            await self.gate.wait()
        if place_id not in self.files:
            raise RetryLater("Discord is away")
        return self.files[place_id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    async with open_decoder(DecodeSettings(workers=1), PixelSpec(64)) as opened:
        yield opened


def opened(shelf: Shelf, decoder: Decoder, faults: Faults | None = None) -> AbstractAsyncContextManager[CopyChecker]:
    return open_copy_checker(shelf, decoder, faults or Faults())


def asked(by: UserId = ANNA) -> Asked:
    return Asked(GuildId(1), by, b"sha", png(edits.crop(scenery(1), 0.8)))


async def test_a_copy_is_told_another_picture_is_told_apart_and_what_is_away_is_not_told(decoder: Decoder) -> None:
    faults = Faults()
    async with opened(Shelf(), decoder, faults) as checker:
        told, coming = await checker.told(asked(), EVERYTHING, LONG_S)
    assert told.keys() == {ORIGINAL, STRANGER}
    assert told[STRANGER] is None
    copy = told[ORIGINAL]
    assert copy is not None
    assert copy.share == pytest.approx(0.64, abs=0.03)
    assert not coming
    assert not list(faults)


async def test_of_a_picture_that_shows_too_little_nothing_is_told_or_remembered(decoder: Decoder) -> None:
    shelf = Shelf()
    shelf.files[PlaceId(11)] = png(scenery(1, (256, 20)))
    async with opened(shelf, decoder) as checker:
        assert await checker.told(asked(), {ORIGINAL: PlaceId(11)}, LONG_S) == ({}, False)
        assert len(checker.remembered) == 0


async def test_a_picture_of_the_index_is_asked_with_by_its_place(decoder: Decoder) -> None:
    async with opened(Shelf(), decoder) as checker:
        like = replace(asked(), small_copy=b"", place_id=PlaceId(11))
        told, _ = await checker.told(like, {STRANGER: PlaceId(12)}, LONG_S)
    assert told == {STRANGER: None}


async def test_what_comes_late_is_known_a_moment_later_and_nothing_is_had_twice(decoder: Decoder) -> None:
    shelf = Shelf()
    shelf.gated = {PlaceId(11)}
    async with opened(shelf, decoder) as checker:
        assert await checker.told(asked(), {ORIGINAL: PlaceId(11)}, 0.0) == ({}, True)
        assert await checker.told(asked(), {ORIGINAL: PlaceId(11)}, 0.0) == ({}, True)
        shelf.gate.set()
        await checker.finished(asked())
        told, coming = await checker.told(asked(), {ORIGINAL: PlaceId(11)}, 0.0)
    assert told[ORIGINAL] is not None
    assert not coming
    assert shelf.had == [PlaceId(11)]


async def test_while_a_file_comes_the_member_may_have_other_pictures_opened(decoder: Decoder) -> None:
    shelf = Shelf()
    shelf.gated = {PlaceId(11)}
    async with opened(shelf, decoder) as checker:
        asking = asyncio.create_task(checker.told(asked(), {ORIGINAL: PlaceId(11)}, LONG_S))
        await until(lambda: bool(shelf.had))
        async with decoder.turn_of(ANNA):
            assert not asking.done()
        shelf.gate.set()
        told, _ = await asking
    assert told[ORIGINAL] is not None


async def test_what_was_forgotten_is_found_out_anew_at_once(decoder: Decoder) -> None:
    async with opened(Shelf(), decoder) as checker:
        before = await checker.told(asked(), {ORIGINAL: PlaceId(11)}, LONG_S)
        assert len(checker.remembered) == 1
        assert checker.remembered.clear() == 1
        assert await checker.told(asked(), {ORIGINAL: PlaceId(11)}, LONG_S) == before


async def test_a_picture_that_was_away_is_not_asked_for_again_at_once(decoder: Decoder) -> None:
    shelf = Shelf()
    async with opened(shelf, decoder) as checker:
        for _ in range(2):
            assert await checker.told(asked(), {AWAY: PlaceId(13)}, LONG_S) == ({}, False)
    assert shelf.had == [PlaceId(13)]


async def test_what_was_told_to_one_member_is_found_out_anew_for_another(decoder: Decoder) -> None:
    shelf = Shelf()
    async with opened(shelf, decoder) as checker:
        for member in (ANNA, ANNA, BEN):
            await checker.told(asked(member), {ORIGINAL: PlaceId(11)}, LONG_S)
    assert shelf.had == [PlaceId(11)] * 2


async def test_a_picture_that_does_not_come_within_the_budget_costs_no_other(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_checker, "BUDGET_S", 2.0)
    shelf = Shelf()
    shelf.gated = {PlaceId(12)}
    async with opened(shelf, decoder) as checker:
        told, coming = await checker.told(asked(), EVERYTHING, LONG_S)
    assert told.keys() == {ORIGINAL}
    assert not coming


async def test_whoever_stops_asking_stops_the_comparison(decoder: Decoder) -> None:
    shelf = Shelf()
    shelf.gated = {PlaceId(11)}
    async with opened(shelf, decoder) as checker:
        asking = asyncio.create_task(checker.told(asked(), {ORIGINAL: PlaceId(11)}, LONG_S))
        await until(lambda: bool(shelf.had))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await checker.finished(asked())
        assert await checker.told(asked(), {}, 0.0) == ({}, False)
