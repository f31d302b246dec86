"""Further frames of animations: they belong to an embedding, are replaced as a whole, and leave with the picture."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiosqlite
import numpy as np
import pytest

from indexer.database.database import Database
from indexer.records.ids import MessageId, ModelId, PictureId
from indexer.records.pictures import EmbeddedFrame, Moment
from indexer.store import embeddings, frames, messages, pictures, places
from indexer.store.frames import Animation
from tests.worlds.records import MODEL, count, decoded, message, picture, settle, vector

LARGEST = 2**64 - 1


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[aiosqlite.Connection]:
    await settle(database)
    async with database.transaction() as connection:
        yield connection


async def embedded(tx: aiosqlite.Connection, model_id: ModelId, number: int, frame_count: int = 9) -> PictureId:
    stored = await messages.store(tx, [message(number, picture())], keep="pictures", seen_ms=0)
    picture_id = await pictures.add(tx, decoded(str(number), frame_count=frame_count))
    await places.attach(tx, stored.new_places[0].id, picture_id)
    await embeddings.add(tx, model_id, [(picture_id, vector(number))])
    return picture_id


def further(*seeds: int) -> tuple[EmbeddedFrame, ...]:
    return tuple(EmbeddedFrame(Moment(100 * seed, LARGEST - seed), vector(seed)) for seed in seeds)


async def test_frames_come_back_in_order_of_time_with_their_hashes(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    still, moving = await embedded(tx, model_id, 1, 1), await embedded(tx, model_id, 2)
    await frames.put(tx, model_id, [Animation(moving, 700, 3, further(9, 4))])
    found = await frames.of(tx, model_id, [still, moving])
    assert list(found) == [moving]
    assert [frame.moment for frame in found[moving]] == [Moment(400, LARGEST - 4), Moment(900, LARGEST - 9)]
    np.testing.assert_allclose(found[moving][0].vector, vector(4), atol=1e-3)
    assert await frames.of(tx, ModelId(model_id + 1), [moving]) == {}


async def test_frames_are_replaced_as_a_whole_and_leave_with_their_embedding_and_picture(
    tx: aiosqlite.Connection,
) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    first, second = await embedded(tx, model_id, 1), await embedded(tx, model_id, 2)
    await frames.put(tx, model_id, [Animation(picture_id, 0, 3, further(5, 6)) for picture_id in (first, second)])
    await frames.put(tx, model_id, [Animation(first, 0, 3, further(7))])
    assert [frame.moment.at_ms for frame in (await frames.of(tx, model_id, [first]))[first]] == [700]
    await tx.execute_fetchall("DELETE FROM embeddings WHERE picture_id = ?", (first,))
    assert list(await frames.of(tx, model_id, [first, second])) == [second]
    await messages.delete(tx, [MessageId(2)])
    assert await count(tx, "frames") == 0


async def test_a_picture_that_was_deleted_meanwhile_is_left_out(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    await frames.put(tx, model_id, [Animation(PictureId(99), 0, 3, further(5))])
    assert await count(tx, "frames") == 0
    with pytest.raises(ValueError, match="unit length"):
        await frames.put(tx, model_id, [Animation(PictureId(99), 0, 3, (EmbeddedFrame(Moment(0, 0), 2 * vector(1)),))])


async def test_every_change_of_a_frame_is_a_line_of_the_index(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    moving = await embedded(tx, model_id, 1)
    for animation in (further(5), further(5, 6), ()):
        await tx.execute_fetchall("DELETE FROM index_log")
        await frames.put(tx, model_id, [Animation(moving, 0, 3, animation)])
        assert await count(tx, "index_log") > 0
    await frames.put(tx, model_id, [Animation(moving, 0, 3, further(5))])
    await tx.execute_fetchall("DELETE FROM index_log")
    await tx.execute_fetchall("UPDATE frames SET vector = x'0000'")
    assert await count(tx, "index_log") == 1


async def test_animations_of_which_fewer_frames_were_looked_for_are_missing(tx: aiosqlite.Connection) -> None:
    model_id = await embeddings.model_id(tx, MODEL)
    await embedded(tx, model_id, 1, 1)
    once, thrice = await embedded(tx, model_id, 2), await embedded(tx, model_id, 3)
    await frames.put(tx, model_id, [Animation(thrice, 0, 3, ())])
    assert await embeddings.missing(tx, model_id, 10, frames=1) == []
    assert await embeddings.missing(tx, model_id, 10, frames=3) == [once]
    assert await embeddings.missing(tx, model_id, 10, frames=4) == [thrice, once]
    assert await embeddings.frames_sought(tx, model_id, thrice) == 3
    assert await embeddings.room(tx) == (3, 3 * 2 * MODEL.dimension)
    await frames.put(tx, model_id, [Animation(once, 0, 3, further(5, 6))])
    assert await embeddings.room(tx) == (3, 5 * 2 * MODEL.dimension)
