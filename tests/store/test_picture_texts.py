"""What pictures say: kept once a picture, true for every message that shows it, gone with the picture."""

from __future__ import annotations

import random
from collections import defaultdict

import aiosqlite
import pytest

from indexer.database.connections import in_thread
from indexer.database.database import Database
from indexer.model import ChannelId, MessageId, PictureId, UserId
from indexer.store import messages, picture_texts, pictures, places
from tests.worlds.records import AUTHOR, decoded, message, picture, settle

INDEXES = ("words", "words_trigram", "shown_words", "shown_words_trigram")


async def shown_by(tx: aiosqlite.Connection, *message_ids: int) -> dict[MessageId, dict[PictureId, str]]:
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


async def show(tx: aiosqlite.Connection, rng: random.Random) -> None:
    """Stores or edits a message with up to three of eight pictures, and attaches some of them."""
    number = rng.randrange(1, 30)
    known = await messages.channel_of(tx, MessageId(number))
    contents = rng.sample(range(8), rng.randrange(1, 4))
    refs = [picture(f"https://cdn.example/{content}.png", at) for at, content in enumerate(contents)]
    author = AUTHOR + rng.randrange(3)
    post = message(number, *refs, content="猫 cat", channel=known or rng.randrange(10, 13), author=author)
    await messages.store(tx, [post], keep="pictures", seen_ms=0)
    for place_id, link in await tx.execute_fetchall(
        "SELECT place_id, link FROM places WHERE message_id = ? AND state = 'pending'", (number,)
    ):
        if rng.random() < 0.8:
            await places.attach(tx, place_id, await pictures.add(tx, decoded(link)))


async def tell(tx: aiosqlite.Connection, rng: random.Random) -> None:
    body = " ".join(rng.choice(("invoice", "猫", "total", "東京タワー", "Zürich")) for _ in range(rng.randrange(4)))
    for (picture_id,) in await tx.execute_fetchall("SELECT picture_id FROM pictures ORDER BY random() LIMIT 2"):
        await picture_texts.put(tx, PictureId(picture_id), rng.choice(("ocr", "caption")), body, rng.random())


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_searched_is_what_the_pictures_say_whatever_happens(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    await settle(database, 10, 11, 12)
    most = 0
    for _ in range(150):
        async with database.transaction() as tx:
            match rng.choice(["show"] * 5 + ["tell"] * 5 + ["delete", "author", "move", "channel", "retry"]):
                case "show":
                    await show(tx, rng)
                case "tell":
                    await tell(tx, rng)
                case "delete":
                    await messages.delete(tx, [MessageId(rng.randrange(1, 30))])
                case "author" if rng.random() < 0.3:
                    await tx.execute("DELETE FROM messages WHERE author_id = ?", (UserId(AUTHOR + rng.randrange(3)),))
                case "move":
                    await tx.execute(
                        "UPDATE messages SET channel_id = ? WHERE message_id = ?",
                        (rng.randrange(10, 13), rng.randrange(1, 30)),
                    )
                case "channel" if rng.random() < 0.3:
                    await messages.delete_some(tx, 3, channel_id=ChannelId(11))
                case "retry":
                    await tx.execute(
                        "UPDATE places SET state = 'pending', picture_id = NULL WHERE place_id IN"
                        " (SELECT place_id FROM places ORDER BY random() LIMIT 1)"
                    )
                case _:
                    pass
            most = max(most, await check(tx))
    assert most > 5
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM channels WHERE channel_id = 10")
        await check(tx)
        await tx.execute("DELETE FROM guilds")
        assert await check(tx) == 0


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
        assert shown == {1: {picture_id: "a boat\nsecond"}}
        assert await picture_texts.put(tx, picture_id, "ocr", " \n")
        assert await shown_by(tx, 1) == {1: {picture_id: "a boat"}}
        rows = await tx.execute_fetchall("SELECT kind, body, confidence FROM picture_texts")
        assert [tuple(row) for row in rows] == [("caption", "a boat", None)]


async def test_a_picture_that_is_gone_takes_no_text(database: Database) -> None:
    async with database.transaction() as tx:
        assert not await picture_texts.put(tx, PictureId(99), "ocr", "late")
        assert not await picture_texts.put(tx, PictureId(99), "ocr", "")
        assert list(await tx.execute_fetchall("SELECT * FROM picture_texts")) == []
