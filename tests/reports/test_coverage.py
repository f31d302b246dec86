"""What a reply says about how much can be found already."""

from __future__ import annotations

from indexer.records.ids import ChannelId, ms_snowflake
from indexer.reports.coverage import coverage
from indexer.sentence import Sentence
from indexer.store import authors, channels, spans
from tests.worlds.library import ANNA, BEN, DAY_MS, GUILD, MEMES, PETS, SECRET, START_MS, Library

NOW = START_MS + 100 * DAY_MS


async def percent(library: Library, *chosen: ChannelId) -> int:
    async with library.db.reader() as connection:
        return await coverage(connection, GUILD, chosen, NOW)


async def read(library: Library, channel: ChannelId, low: int, high: int) -> None:
    async with library.db.transaction() as tx:
        await spans.cover(tx, channel, low, high)


async def test_a_channel_that_was_read_to_its_beginning_is_covered(library: Library) -> None:
    await library.post("cat", day=50)
    await read(library, MEMES, 0, ms_snowflake(START_MS + 50 * DAY_MS))
    assert await percent(library, MEMES) == 100


async def test_a_channel_that_nobody_has_read_is_not(library: Library) -> None:
    assert await percent(library, MEMES) == 0
    assert await percent(library) == 100


async def test_half_of_the_time_is_half_of_the_history(library: Library) -> None:
    # The channels' ids are small: they were born with Discord's epoch.
    half = (NOW - 1_420_070_400_000) // 2 + 1_420_070_400_000
    await read(library, MEMES, ms_snowflake(half), ms_snowflake(NOW))
    assert await percent(library, MEMES) in (49, 50)


async def test_pictures_in_line_are_missing_and_those_that_cannot_be_read_are_not(library: Library) -> None:
    for number in range(4):
        await library.post(f"cat{number}", day=number)
    await read(library, MEMES, 0, ms_snowflake(NOW))
    async with library.db.transaction() as tx:
        await tx.execute("UPDATE places SET state = 'pending', picture_id = NULL WHERE place_id = 1")
    assert await percent(library, MEMES) == 75
    async with library.db.transaction() as tx:
        await tx.execute("UPDATE places SET state = 'failed', reason = 'corrupt' WHERE place_id = 1")
    assert await percent(library, MEMES) == 100


async def test_channels_outside_the_question_and_those_closed_to_the_bot_do_not_count(library: Library) -> None:
    await read(library, MEMES, 0, ms_snowflake(NOW))
    assert await percent(library, MEMES) == 100
    assert await percent(library, MEMES, PETS) == 50
    async with library.db.transaction() as tx:
        await channels.park(tx, PETS, Sentence("closed-either"))
    assert await percent(library, MEMES, PETS) == 100


async def test_a_name_is_known_only_where_its_owner_can_be_read(library: Library) -> None:
    await library.post("cat", author=ANNA)
    await library.post("cat", author=BEN, channel=SECRET)
    async with library.db.reader() as connection:
        assert await authors.named(connection, GUILD, "USER-301", [MEMES]) == {ANNA}
        assert await authors.named(connection, GUILD, "user-302", [MEMES, PETS]) == frozenset()
        assert await authors.named(connection, GUILD, "user-302", [SECRET]) == {BEN}
