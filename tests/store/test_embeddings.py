"""Embeddings: one a picture and model, float16, gone with the picture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import aiosqlite
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.database.database import Database
from indexer.errors import Reason
from indexer.records.ids import MessageId, ModelId, PictureId
from indexer.store import embeddings, messages, pictures, places
from tests.worlds.records import MODEL, count, decoded, message, picture, settle, vector


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[aiosqlite.Connection]:
    await settle(database)
    async with database.transaction() as connection:
        yield connection


async def show(tx: aiosqlite.Connection, number: int) -> PictureId:
    """A message that shows a picture of its own."""
    stored = await messages.store(tx, [message(number, picture())], keep="pictures", seen_ms=0)
    picture_id = await pictures.add(tx, decoded(str(number)))
    await places.attach(tx, stored.new_places[0].id, picture_id)
    return picture_id


async def test_the_same_model_has_one_id_and_another_fingerprint_another(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    assert await embeddings.model_id(tx, MODEL) == model_id
    other = replace(MODEL, fingerprint="beef")
    assert await embeddings.model_id(tx, other) != model_id
    assert sorted((await embeddings.models(tx)).values(), key=lambda spec: spec.fingerprint) == [MODEL, other]


async def test_a_vector_comes_back_to_float16s_precision(tx: aiosqlite.Connection) -> None:
    model_id, picture_id = await embeddings.model_id(tx, MODEL), await show(tx, 1)
    assert await embeddings.vector(tx, model_id, picture_id) is None
    assert await embeddings.add(tx, model_id, [(picture_id, vector(1))]) == 1
    stored = await embeddings.vector(tx, model_id, picture_id)
    assert stored is not None
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, vector(1).astype(np.float16).astype(np.float32))


async def test_the_same_embedding_again_changes_nothing(tx: aiosqlite.Connection) -> None:
    model_id, picture_id = await embeddings.model_id(tx, MODEL), await show(tx, 1)
    assert await embeddings.add(tx, model_id, [(picture_id, vector(1))]) == 1
    assert await embeddings.add(tx, model_id, [(picture_id, vector(1))]) == 0
    assert await embeddings.add(tx, model_id, [(picture_id, vector(2))]) == 1
    assert await count(tx, "embeddings") == 1


async def test_embeddings_of_two_models_live_side_by_side(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    two = await embeddings.model_id(tx, replace(MODEL, dimension=6))
    picture_id = await show(tx, 1)
    await embeddings.add(tx, model_id, [(picture_id, vector(1))])
    assert await embeddings.missing(tx, model_id, 9) == []
    assert await embeddings.missing(tx, two, 9) == [picture_id]
    await embeddings.add(tx, two, [(picture_id, vector(1, 6))])
    assert await count(tx, "embeddings") == 2


async def test_missing_ones_are_ready_pictures_newest_first_page_by_page(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    ids = [await show(tx, number) for number in range(1, 6)]
    stored = await messages.store(tx, [message(9, picture())], keep="pictures", seen_ms=0)
    await places.attach(tx, stored.new_places[0].id, await pictures.add_rejected(tx, bytes(32), 1, Reason.EMPTY))
    await embeddings.add(tx, model_id, [(ids[3], vector(4))])
    assert await embeddings.missing(tx, model_id, 2) == [ids[4], ids[2]]
    assert await embeddings.missing(tx, model_id, 2, below=ids[2]) == [ids[1], ids[0]]


async def test_an_embedding_goes_with_its_picture(tx: aiosqlite.Connection) -> None:
    model_id, picture_id = await embeddings.model_id(tx, MODEL), await show(tx, 1)
    await embeddings.add(tx, model_id, [(picture_id, vector(1))])
    await messages.delete(tx, [MessageId(1)])
    assert await count(tx, "embeddings") == 0
    assert await embeddings.add(tx, model_id, [(picture_id, vector(1))]) == 0  # it was on its way


@pytest.mark.parametrize(
    "wrong",
    [
        np.array([1, 0, 0], np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.array([2, 0, 0, 0], np.float32),
        np.zeros(4, np.float32),
        np.array([np.nan, 0, 0, 1], np.float32),
        np.array([np.inf, 0, 0, 0], np.float32),
    ],
    ids=["short", "matrix", "long", "zero", "nan", "infinite"],
)
async def test_what_is_no_unit_vector_of_the_model_is_refused(
    tx: aiosqlite.Connection, wrong: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    model_id, picture_id = await embeddings.model_id(tx, MODEL), await show(tx, 1)
    with pytest.raises(ValueError, match=f"picture {picture_id}"):
        await embeddings.add(tx, model_id, [(picture_id, vector(1)), (picture_id, wrong)])
    assert await count(tx, "embeddings") == 0


async def test_an_unknown_model_is_refused(tx: aiosqlite.Connection) -> None:
    with pytest.raises(ValueError, match="model 9 is unknown"):
        await embeddings.add(tx, ModelId(9), [])


@given(st.integers(0, (1 << 64) - 1))
def test_64_bits_fit_sqlites_integer_and_return(value: int) -> None:
    signed = pictures.as_signed(value)
    assert -(1 << 63) <= signed < 1 << 63
    assert signed & ((1 << 64) - 1) == value
