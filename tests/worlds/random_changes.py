"""Random changes of stored messages, for tests of what triggers derive from them."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import aiosqlite

from indexer.database.database import Database
from indexer.records.ids import ChannelId, MessageId
from indexer.store import message_lookup, messages, pictures, places
from tests.worlds.records import AUTHOR, decoded, message, picture, settle

CHANNELS = (10, 11, 12)
CHANGES = 150

Change = Callable[[aiosqlite.Connection, random.Random], Awaitable[None]]


def _number(rng: random.Random) -> MessageId:
    return MessageId(rng.randrange(1, 30))


async def _store(tx: aiosqlite.Connection, rng: random.Random) -> None:
    """Stores or edits a message with up to three of eight pictures, and attaches most of them."""
    number = _number(rng)
    refs = [
        picture(f"https://cdn.example/{content}.png", at, alt_text="x" * rng.randrange(9))
        for at, content in enumerate(rng.sample(range(8), rng.randrange(1, 4)))
    ]
    channel = await message_lookup.channel_of(tx, number) or rng.choice(CHANNELS)
    author = AUTHOR + rng.randrange(3)
    post = message(number, *refs, content="wörter 猫" * rng.randrange(5), channel=channel, author=author)
    await messages.store(tx, [post], keep="pictures", seen_ms=0)
    for place_id, link in await tx.execute_fetchall(
        "SELECT place_id, link FROM places WHERE message_id = ? AND state = 'pending'", (number,)
    ):
        if rng.random() < 0.8:
            await places.attach(tx, place_id, await pictures.add(tx, decoded(link)))


async def _delete(tx: aiosqlite.Connection, rng: random.Random) -> None:
    await messages.delete(tx, [_number(rng)])


async def _move(tx: aiosqlite.Connection, rng: random.Random) -> None:
    await tx.execute("UPDATE messages SET channel_id = ? WHERE message_id = ?", (rng.choice(CHANNELS), _number(rng)))


async def _delete_author(tx: aiosqlite.Connection, rng: random.Random) -> None:
    if rng.random() < 0.3:
        await tx.execute("DELETE FROM messages WHERE author_id = ?", (AUTHOR + rng.randrange(3),))


async def _empty_channel(tx: aiosqlite.Connection, rng: random.Random) -> None:
    if rng.random() < 0.3:
        await messages.delete_some(tx, 3, channel_id=ChannelId(rng.choice(CHANNELS)))


async def change_at_random(
    database: Database,
    seed: int,
    check: Callable[[aiosqlite.Connection], Awaitable[int]],
    *,
    also: Sequence[Change] = (),
) -> int:
    """Makes CHANGES random changes, then deletes a channel, then the guild. Calls `check` after each.

    `check` asserts what must hold, and returns how much there is; at the end it must return 0. `also` are further
    changes, each as likely as any other entry. Returns the most that there was.
    """
    rng = random.Random(seed)
    await settle(database, *CHANNELS)
    changes = [*[_store] * 5, _delete, _move, _delete_author, _empty_channel, *also]
    most = 0
    for _ in range(CHANGES):
        async with database.transaction() as tx:
            await rng.choice(changes)(tx, rng)
            most = max(most, await check(tx))
    async with database.transaction() as tx:
        await tx.execute("DELETE FROM channels WHERE channel_id = 10")
        await check(tx)
        await tx.execute("DELETE FROM guilds")
        assert await check(tx) == 0
    return most
