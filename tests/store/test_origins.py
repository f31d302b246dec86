"""One truth from two sources: what Discord says goes before what an archive says, in whatever order they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiosqlite
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.database.database import Database, first
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId, UserId
from indexer.records.messages import Guild, Origin
from indexer.store import (
    application,
    channels,
    guilds,
    message_checks,
    message_lookup,
    messages,
    opt_outs,
    origins,
    spans,
)
from indexer.store.messages import Stored
from tests.soak import example_count
from tests.worlds.records import AUTHOR, CHANNEL, GUILD, channel, matching, message, picture, settle

LINK = "https://cdn.example/1/a.png"
FILE = "media/a.png"


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[aiosqlite.Connection]:
    await settle(database)
    async with database.transaction() as connection:
        yield connection


async def archive(tx: aiosqlite.Connection, number: int = 1) -> OriginId:
    return (await origins.note(tx, "export", f"/exports/{number}.json", "1")).id


async def told(
    tx: aiosqlite.Connection, origin_id: OriginId, content: str, *, seen_ms: int = 5, link: str = LINK, **more: Any
) -> Stored:
    version = message(1, picture(link), content=content, **more)
    return await messages.store(tx, [version], keep="pictures", seen_ms=seen_ms, origin_id=origin_id)


async def stands(tx: aiosqlite.Connection) -> tuple[int, str, str] | None:
    """(origin, content, link) of message 1."""
    sql = "SELECT origin_id, content, link FROM messages JOIN texts USING (message_id) JOIN places USING (message_id)"
    row = await first(tx, sql)
    return None if row is None else tuple(row)


async def test_what_discord_says_replaces_what_an_archive_said(tx: aiosqlite.Connection) -> None:
    await told(tx, await archive(tx), "from the archive", link=FILE, edited_ms=9, seen_ms=99)
    stored = await told(tx, DISCORD, "from Discord", seen_ms=6)
    assert (stored.changed, len(stored.new_places)) == (1, 1)
    assert await stands(tx) == (DISCORD, "from Discord", LINK)
    assert await matching(tx, "archive") == set()
    assert await first(tx, "SELECT edited_ms, checked_ms FROM messages") == (None, 6)


async def test_what_an_archive_says_changes_nothing_that_discord_said(tx: aiosqlite.Connection) -> None:
    await told(tx, DISCORD, "from Discord")
    before = tx.total_changes
    stored = await told(tx, await archive(tx), "from the archive", link=FILE, edited_ms=9, seen_ms=99)
    assert stored == Stored(refused=1)
    assert tx.total_changes - before == 1  # the origin
    bare = message(1, content="without its picture", edited_ms=99)
    await messages.store(tx, [bare], keep="pictures", seen_ms=99, origin_id=await archive(tx))
    assert await stands(tx) == (DISCORD, "from Discord", LINK)


async def test_an_archive_changes_nothing_that_discord_said_of_an_author(tx: aiosqlite.Connection) -> None:
    async def author() -> tuple[str, int] | None:
        row = await first(tx, "SELECT name, bot FROM users")
        return None if row is None else (row[0], row[1])

    async def shown(origin_id: OriginId, number: int, name: str, by_bot: bool) -> None:
        version = replace(message(number, picture(LINK), author_name=name), by_bot=by_bot)
        await messages.store(tx, [version], keep="pictures", seen_ms=5, origin_id=origin_id)

    exported = await archive(tx)
    await shown(exported, 1, "as exported", False)
    await shown(exported, 2, "as exported later", False)
    assert await author() == ("as exported later", 0)
    await shown(DISCORD, 3, "as Discord says", True)
    await shown(exported, 4, "as exported", False)
    await shown(exported, 1, "as exported", False)
    assert await author() == ("as Discord says", 1)


async def test_of_two_archives_the_newer_version_stays(tx: aiosqlite.Connection) -> None:
    older, newer = await archive(tx, 1), await archive(tx, 2)
    await told(tx, newer, "as edited", edited_ms=9, seen_ms=20)
    await told(tx, older, "as posted", seen_ms=30)
    assert await stands(tx) == (newer, "as edited", LINK)
    await told(tx, older, "as edited, exported later", edited_ms=9, seen_ms=31)
    assert await stands(tx) == (older, "as edited, exported later", LINK)


async def test_a_message_that_discord_said_is_deleted_never_comes_back(tx: aiosqlite.Connection) -> None:
    await told(tx, DISCORD, "said and taken back")
    assert await messages.delete(tx, [MessageId(1)]) == 1
    await messages.delete(tx, [MessageId(n) for n in range(2, 500)])
    assert (await told(tx, await archive(tx), "taken back")).refused == 1
    assert await stands(tx) is None


async def test_what_discord_did_not_show_where_it_was_read_is_not_stored(tx: aiosqlite.Connection) -> None:
    await spans.cover(tx, CHANNEL, 0, 10)
    assert (await told(tx, await archive(tx), "deleted before the bot came")).refused == 1
    later = message(11, picture(), content="after the stretch")
    stored = await messages.store(tx, [later], keep="pictures", seen_ms=5, origin_id=await archive(tx))
    assert stored.new_messages == 1


async def test_opted_out_authors_and_the_bot_itself_stay_out_of_archives_too(tx: aiosqlite.Connection) -> None:
    await opt_outs.add(tx, UserId(AUTHOR), GUILD)
    await application.claim(tx, 77, adopt=False)
    assert (await told(tx, await archive(tx), "mine")).refused == 1
    assert (await told(tx, await archive(tx), "the bot's", author=77)).refused == 1
    assert await stands(tx) is None


async def test_an_archive_read_again_goes_on_and_a_changed_one_begins_anew(tx: aiosqlite.Connection) -> None:
    origin = await origins.note(tx, "export", "/exports/1.json", "1")
    other = await origins.note(tx, "export", "/exports/2.json", "1")
    for found in (origin, other):
        await spans.cover(tx, CHANNEL, 5, 10, found.id)
    await spans.cover(tx, CHANNEL, 1, 2)
    assert await origins.note(tx, "export", "/exports/1.json", "1") == origin
    assert await spans.of_channel(tx, CHANNEL, origin.id) == [(5, 10)]

    changed = await origins.note(tx, "export", "/exports/1.json", "2")
    assert changed == await origins.get(tx, origin.id) == Origin(origin.id, "export", "/exports/1.json", "2")
    assert await spans.of_channel(tx, CHANNEL, origin.id) == []
    assert await spans.of_channel(tx, CHANNEL, other.id) == [(5, 10)]
    assert await spans.of_channel(tx, CHANNEL) == [(1, 2)]


async def test_what_only_an_archive_knows_is_not_missed_when_discord_does_not_list_it(
    tx: aiosqlite.Connection,
) -> None:
    origin_id = await archive(tx)
    await guilds.upsert(tx, Guild(GuildId(2), "archived"), origin_id)
    assert await guilds.note_present(tx, [GUILD], 10, 5) == await guilds.note_present(tx, [GUILD], 20, 5) == []
    await guilds.upsert(tx, Guild(GuildId(2), "the bot was invited"))
    await guilds.upsert(tx, Guild(GuildId(2), "archived"), origin_id)
    assert await guilds.get(tx, GuildId(2)) == Guild(GuildId(2), "the bot was invited")
    await guilds.note_present(tx, [GUILD], 30, 5)
    assert await guilds.note_present(tx, [GUILD], 40, 5) == [2]


async def test_a_channel_is_discords_as_soon_as_discord_lists_it(tx: aiosqlite.Connection) -> None:
    origin_id = await archive(tx)
    archived = channel(12)
    await channels.upsert(tx, [replace(archived, origin_id=origin_id)])
    found = await channels.get(tx, ChannelId(12))
    assert found is not None
    assert found.origin_id == origin_id
    await channels.upsert(tx, [archived])
    await channels.upsert(tx, [replace(archived, name="as it was called then", origin_id=origin_id)])
    assert await channels.get(tx, ChannelId(12)) == archived


async def test_only_channels_that_discord_lists_are_swept(tx: aiosqlite.Connection) -> None:
    origin_id = await archive(tx)
    await channels.upsert(tx, [replace(channel(12), origin_id=origin_id)])
    await told(tx, origin_id, "the bot cannot ask for it", channel=12)
    assert await message_checks.oldest_checked(tx, GUILD, 100, 9) == []
    assert await message_lookup.is_of_archive(tx, MessageId(1))


# An event: who tells (Discord or one of two archives), when it was seen, and the version it tells; or a deletion.
EVENTS = st.one_of(
    st.tuples(st.sampled_from(["discord", "one", "two"]), st.integers(1, 9), st.integers(0, 3)),
    st.just(("deleted", 0, 0)),
)


class Undone(Exception):
    """Ends an example: the transaction is rolled back, and the database is as it was before."""


@settings(max_examples=example_count(soak=150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, max_size=6))
async def test_in_any_order_discord_has_the_last_word(database: Database, events: list[tuple[str, int, int]]) -> None:
    """A deletion ends everything. Else Discord's newest edit stands; where it told none, the newest of an archive."""
    await settle(database)
    row = None
    with suppress(Undone):
        async with database.transaction() as tx:
            ids = {"discord": DISCORD, "one": await archive(tx, 1), "two": await archive(tx, 2)}
            for who, seen_ms, edit in events:
                if who == "deleted":
                    await messages.delete(tx, [MessageId(1)])
                else:
                    await told(tx, ids[who], f"{who} {seen_ms} {edit}", seen_ms=seen_ms, edited_ms=edit or None)
            row = await stands(tx)
            raise Undone
    edits = [(who, edit) for who, _, edit in events if who != "deleted"]
    if len(edits) < len(events) or not edits:
        assert row is None
        return
    assert row is not None
    of_discord = [edit for who, edit in edits if who == "discord"]
    assert (row[0] == DISCORD) == bool(of_discord)
    assert int(row[1].split()[2]) == max(of_discord or [edit for _, edit in edits])
