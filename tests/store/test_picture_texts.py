"""What pictures say: kept once a picture, true for every message that shows it, gone with the picture."""

from __future__ import annotations

import random
from collections import defaultdict

import aiosqlite
import pytest

from indexer.database.connections import in_thread
from indexer.database.database import Database
from indexer.records.ids import MessageId, PictureId
from indexer.store import messages, picture_texts, pictures, places
from tests.worlds.random_changes import change_at_random
from tests.worlds.records import decoded, message, picture, settle

INDEXES = ("words", "words_trigram", "shown_words", "shown_words_trigram")


async def shown_by(tx: aiosqlite.Connection, *message_ids: int) -> dict[MessageId, dict[PictureId, dict[str, str]]]:
    ids = [MessageId(message_id) for message_id in message_ids]
    return await in_thread(tx, lambda raw: picture_texts.shown_by(raw, ids))


async def check(tx: aiosqlite.Connection) -> int:
    """Asserts that what is derived is what the texts and places say; returns how many messages show a text."""
    wanted: dict[int, list[str]] = defaultdict(list)
    for message_id, body in await tx.execute_fetchall(
        "SELECT p.message_id, t.body FROM places p JOIN picture_texts t USING (picture_id)"
        " GROUP BY p.message_id, t.text_id ORDER BY min(p.ordinal), t.kind"
    ):
        wanted[message_id].append(body)
    rows = await tx.execute_fetchall("SELECT message_id, body FROM shown_texts")
    shown = {int(message_id): str(body).split("\n") for message_id, body in rows}
    assert shown == wanted
    for index in INDEXES:
        await tx.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
    counted = await tx.execute_fetchall(
        "SELECT channel_id, shown, shown_characters FROM channel_texts WHERE shown > 0 ORDER BY channel_id"
    )
    anew = await tx.execute_fetchall(
        "SELECT channel_id, count(*), sum(length(body)) FROM messages JOIN shown_texts USING (message_id)"
        " GROUP BY channel_id ORDER BY channel_id"
    )
    assert [tuple(row) for row in counted] == [tuple(row) for row in anew]
    ((orphans,),) = await tx.execute_fetchall(
        "SELECT count(*) FROM picture_texts t"
        " WHERE NOT EXISTS (SELECT 1 FROM places p WHERE p.picture_id = t.picture_id)"
    )
    assert orphans == 0, "a text outlives its picture"
    return len(wanted)


async def tell(tx: aiosqlite.Connection, rng: random.Random) -> None:
    body = " ".join(rng.choice(("invoice", "猫", "total", "東京タワー", "Zürich")) for _ in range(rng.randrange(4)))
    for (picture_id,) in await tx.execute_fetchall("SELECT picture_id FROM pictures ORDER BY random() LIMIT 2"):
        await picture_texts.put(tx, PictureId(picture_id), rng.choice(("ocr", "caption")), body, rng.random())


async def read_again(tx: aiosqlite.Connection, _: random.Random) -> None:
    """A place loses its picture, as before another try."""
    await tx.execute(
        "UPDATE places SET state = 'pending', picture_id = NULL WHERE place_id IN"
        " (SELECT place_id FROM places ORDER BY random() LIMIT 1)"
    )


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_searched_is_what_the_pictures_say_whatever_happens(database: Database, seed: int) -> None:
    assert await change_at_random(database, seed, check, also=[*[tell] * 5, read_again]) > 5


async def test_a_text_takes_the_place_of_the_one_before_and_an_empty_one_takes_it_away(database: Database) -> None:
    await settle(database, 10)
    async with database.transaction() as tx:
        stored = await messages.store(tx, [message(1, picture())], keep="pictures", seen_ms=0)
        picture_id = await pictures.add(tx, decoded("a"))
        await places.attach(tx, stored.new_places[0].id, picture_id)
        assert await picture_texts.put(tx, picture_id, "ocr", "first", 0.5)
        assert await picture_texts.put(tx, picture_id, "ocr", "second", 0.9)
        assert await picture_texts.put(tx, picture_id, "caption", "a boat")
        shown = await shown_by(tx, 1, 2)
        assert shown == {1: {picture_id: {"caption": "a boat", "ocr": "second"}}}
        assert await picture_texts.put(tx, picture_id, "ocr", " \n")
        assert await shown_by(tx, 1) == {1: {picture_id: {"caption": "a boat"}}}
        rows = await tx.execute_fetchall("SELECT kind, body, confidence FROM picture_texts")
        assert [tuple(row) for row in rows] == [("caption", "a boat", None)]


async def test_a_picture_that_is_gone_takes_no_text(database: Database) -> None:
    async with database.transaction() as tx:
        assert not await picture_texts.put(tx, PictureId(99), "ocr", "late")
        assert not await picture_texts.put(tx, PictureId(99), "ocr", "")
        assert list(await tx.execute_fetchall("SELECT * FROM picture_texts")) == []
