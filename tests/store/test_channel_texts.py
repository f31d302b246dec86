"""What each channel's texts come to stays counted, whatever is stored, edited, moved or deleted."""

from __future__ import annotations

import random

import aiosqlite
import pytest

from indexer.database.database import Database
from indexer.model import ChannelId, MessageId, UserId
from indexer.store import messages
from tests.worlds.records import AUTHOR, message, picture, settle

_COUNTED = "SELECT channel_id, texts, characters FROM channel_texts WHERE texts > 0 ORDER BY channel_id"
_ANEW = (
    "SELECT channel_id, count(*), sum(length(content) + length(file_names) + length(alt_texts))"
    " FROM messages JOIN texts USING (message_id) GROUP BY channel_id ORDER BY channel_id"
)


async def check(tx: aiosqlite.Connection) -> int:
    """Asserts that the counts are right; returns how many texts there are."""
    counted = [tuple(row) for row in await tx.execute_fetchall(_COUNTED)]
    assert counted == [tuple(row) for row in await tx.execute_fetchall(_ANEW)]
    return sum(texts for _, texts, _ in counted)


@pytest.mark.parametrize("seed", range(4))
async def test_counts_of_texts_are_those_of_a_count(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    await settle(database, 10, 11, 12)
    most = 0
    for _ in range(120):
        async with database.transaction() as tx:
            number = rng.randrange(1, 40)
            match rng.choice(["store", "store", "store", "edit", "delete", "author", "move", "channel"]):
                case "store" | "edit":
                    text = "wörter 猫" * rng.randrange(5)
                    shown = picture(f"https://cdn.example/{number}/a.png", alt_text="x" * rng.randrange(9))
                    known = await messages.channel_of(tx, MessageId(number))
                    author = AUTHOR + rng.randrange(3)
                    post = message(number, shown, content=text, channel=known or rng.randrange(10, 13), author=author)
                    await messages.store(tx, [post], keep="pictures", seen_ms=0)
                case "delete":
                    await tx.execute("DELETE FROM messages WHERE message_id = ?", (number,))
                case "author" if rng.random() < 0.1:
                    await messages.delete_some(tx, 1_000, author_id=UserId(AUTHOR + rng.randrange(3)))
                case "move":
                    await tx.execute(
                        "UPDATE messages SET channel_id = ? WHERE message_id = ?", (rng.randrange(10, 13), number)
                    )
                case "channel" if rng.random() < 0.3:
                    await messages.delete_some(tx, 3, channel_id=ChannelId(11))
                case _:
                    pass
            most = max(most, await check(tx))
    assert most > 10
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM channels WHERE channel_id = 10")
        await check(tx)
        await tx.execute("DELETE FROM guilds")
        assert await check(tx) == 0
