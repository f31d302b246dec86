"""What comparing pairs of pictures gave, stored: found by either picture, and gone with either of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from indexer.crawl.removals import forget_guild, opt_out
from indexer.database.database import open_database
from indexer.records.copies import RULE, Copy, pair_of
from indexer.records.ids import EVERYWHERE, GuildId, MessageId, PictureId
from indexer.store import messages, verdicts
from tests.worlds.library import ANNA, BEN, GUILD, MEMES, PETS, Library
from tests.worlds.migrated import migrated

CROPPED = Copy(0.97, share=0.5, mirrored=True)
OTHER_GUILD = GuildId(7)


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    migrated(tmp_path)
    async with open_database(tmp_path) as db:
        library = Library(db, tmp_path / "segments")
        await library.open()
        yield library
        await asyncio.to_thread(library.index.close)


async def put(library: Library, left: PictureId, right: PictureId, copy: Copy | None, rule: int = RULE) -> None:
    async with library.db.transaction() as tx:
        await verdicts.put(tx, GUILD, rule, pair_of(left, right), copy)


async def count(library: Library) -> int:
    async with library.db.reader() as connection:
        return await verdicts.count(connection)


async def test_a_verdict_is_read_with_what_was_done_to_the_copy_and_replaced_by_a_newer_one(library: Library) -> None:
    first, second, third = [await library.picture_of(await library.post(f"thing{n}")) for n in range(3)]
    await put(library, second, first, CROPPED)
    await put(library, third, first, None)
    async with library.db.reader() as connection:
        assert await verdicts.among(connection, GUILD, RULE, [first, second]) == {(first, second): CROPPED}
        assert await verdicts.among(connection, GUILD, RULE, [second, third]) == {}
        assert await verdicts.of_any(connection, GUILD, RULE, [third]) == {(first, third): None}
        assert len(await verdicts.of_any(connection, GUILD, RULE, [first])) == 2
        assert await verdicts.of_any(connection, OTHER_GUILD, RULE, [first]) == {}
        assert await verdicts.of_any(connection, GUILD, RULE + 1, [first]) == {}
    await put(library, first, second, None, RULE + 1)
    async with library.db.transaction() as tx:
        assert await verdicts.delete(tx, but_rule=RULE + 1) == 1
        assert await verdicts.among(tx, GUILD, RULE + 1, [first, second, third]) == {(first, second): None}
        assert await verdicts.delete(tx) == 1


async def test_what_is_told_of_a_picture_that_is_gone_is_not_stored(library: Library) -> None:
    gone = await library.post("gone")
    first, second = [await library.picture_of(message) for message in (gone, await library.post("stays"))]
    async with library.db.transaction() as tx:
        await messages.delete(tx, [gone])
    await put(library, first, second, CROPPED)
    await put(library, second, PictureId(second + 1), None)
    assert await count(library) == 0


async def test_a_verdict_goes_with_the_author_who_is_forgotten_and_with_the_guild(library: Library) -> None:
    anna, ben, again = [
        await library.picture_of(await library.post(what, author=author))
        for what, author in (("one", ANNA), ("two", BEN), ("three", BEN))
    ]
    await put(library, anna, ben, None)
    await put(library, ben, again, CROPPED)
    await opt_out(library.db, ANNA, EVERYWHERE)
    async with library.db.reader() as connection:
        assert await verdicts.of_any(connection, GUILD, RULE, [anna, ben]) == {(ben, again): CROPPED}
    await forget_guild(library.db, GUILD)
    assert await count(library) == 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_verdict_never_outlives_either_picture(library: Library, seed: int) -> None:
    rng = Random(seed)
    posted: list[MessageId] = []
    for _ in range(30):
        if rng.random() < 0.6 or not posted:
            posted.append(await library.post(f"thing{rng.randrange(5)}", channel=rng.choice([MEMES, PETS])))
        else:
            async with library.db.transaction() as tx:
                await messages.delete(tx, [posted.pop(rng.randrange(len(posted)))])
        async with library.db.transaction() as tx:
            rows = await tx.execute_fetchall("SELECT DISTINCT picture_id FROM places ORDER BY 1")
            shown = [PictureId(picture_id) for (picture_id,) in rows]
            kept = await tx.execute_fetchall("SELECT picture_id, other_id FROM verdicts")
            assert {picture_id for row in kept for picture_id in row} <= set(shown)
            for left, right in combinations(shown, 2):
                await verdicts.put(tx, GUILD, RULE, (left, right), rng.choice([None, CROPPED]))
            ((stored,),) = await tx.execute_fetchall("SELECT count(*) FROM verdicts")
            assert stored == len(list(combinations(shown, 2)))


@pytest.mark.parametrize("gone", [0, 1])
async def test_in_a_guild_that_shows_a_picture_no_more_nothing_is_known_of_it_although_another_guild_shows_it(
    library: Library, gone: int
) -> None:
    posted = [await library.post("one"), await library.post("two")]
    left, right = [await library.picture_of(message_id) for message_id in posted]
    async with library.db.transaction() as tx:
        await tx.execute_fetchall("INSERT INTO guilds (guild_id, name, added_ms) VALUES (7, 'other', 0)")
        await tx.execute_fetchall(
            "INSERT INTO channels (channel_id, guild_id, kind, name) SELECT 700, 7, kind, name FROM channels LIMIT 1"
        )
        await tx.execute_fetchall(
            "INSERT INTO messages (message_id, guild_id, channel_id, author_id, checked_ms) VALUES (70, 7, 700, ?, 0)",
            (ANNA,),
        )
        await tx.execute_fetchall(
            "INSERT INTO places (message_id, guild_id, ordinal, picture_id, source, link, state)"
            " SELECT 70, 7, picture_id, picture_id, source, link, 'ready' FROM places"
        )
        for guild_id in (GUILD, OTHER_GUILD):
            await verdicts.put(tx, guild_id, RULE, pair_of(left, right), CROPPED)
        await messages.delete(tx, [posted[gone]])
    async with library.db.reader() as connection:
        assert await verdicts.of_any(connection, GUILD, RULE, [left, right]) == {}
        assert await verdicts.of_any(connection, OTHER_GUILD, RULE, [left, right]) == {pair_of(left, right): CROPPED}
