"""Messages: stored once, kept up to date, gone when they are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiosqlite
import pytest

from indexer.database.database import Database, first
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import PlaceFlag
from indexer.sentence import Sentence
from indexer.settings import Keep
from indexer.store import channels, guilds, message_checks, message_lookup, messages, opt_outs, pictures, places
from indexer.store.messages import Stored
from tests.worlds.records import AUTHOR, CHANNEL, GUILD, channel, count, decoded, matching, message, picture, settle

A = "https://cdn.example/1/a.png"
B = "https://cdn.example/2/b.png"
C = "https://cdn.example/3/c.png"


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[aiosqlite.Connection]:
    """One transaction for the whole test, in a guild with channels 10 and 11."""
    await settle(database, 10, 11)
    async with database.transaction() as connection:
        yield connection


async def show(tx: aiosqlite.Connection, stored: Stored, *contents: str) -> None:
    """Attaches a picture of that content to each new place, in order."""
    for place, content in zip(stored.new_places, contents, strict=True):
        assert await places.attach(tx, place.id, await pictures.add(tx, decoded(content)))


async def rows(tx: aiosqlite.Connection) -> list[tuple[int, int, str, str]]:
    """(message, ordinal, link, state) of every place."""
    found = await tx.execute_fetchall("SELECT message_id, ordinal, link, state FROM places ORDER BY 1, 2")
    return [tuple(row) for row in found]


async def test_a_page_is_stored_with_words_authors_and_places(tx: aiosqlite.Connection) -> None:
    page = [
        message(2, picture(A, 0, alt_text="a red boat"), picture(B, 1), content="Sunday at the lake"),
        message(1, picture(C), content="Überraschung"),
    ]
    stored = await messages.store(tx, page, keep="pictures", seen_ms=5)

    assert (stored.new_messages, stored.changed, stored.refused) == (2, 0, 0)
    assert [(place.message.id, place.ref.link) for place in stored.new_places] == [(1, C), (2, A), (2, B)]
    assert await rows(tx) == [(1, 0, C, "pending"), (2, 0, A, "pending"), (2, 1, B, "pending")]
    assert await matching(tx, "lake") == {2}
    assert await matching(tx, '"red boat"') == {2}
    assert await matching(tx, '"b png"') == {2}
    assert await matching(tx, "uberraschung") == {1}
    assert await first(tx, "SELECT name FROM users WHERE user_id = ?", (AUTHOR,)) == ("Ada",)
    assert await message_lookup.channel_of(tx, MessageId(2)) == CHANNEL


async def test_the_same_page_again_changes_nothing_but_when_it_was_seen(tx: aiosqlite.Connection) -> None:
    page = [message(1, picture(A), content="one"), message(2, picture(B), content="two")]
    await show(tx, await messages.store(tx, page, keep="all", seen_ms=5), "a", "b")
    changes = tx.total_changes

    assert await messages.store(tx, page, keep="all", seen_ms=6) == Stored()

    assert tx.total_changes - changes == 2  # checked_ms of two messages
    assert await first(tx, "SELECT min(checked_ms) FROM messages") == (6,)
    assert [state for *_, state in await rows(tx)] == ["ready", "ready"]


async def test_the_last_of_two_versions_in_one_page_counts(tx: aiosqlite.Connection) -> None:
    page = [message(1, content="before"), message(1, content="after")]
    assert (await messages.store(tx, page, keep="all", seen_ms=5)).new_messages == 1
    assert await matching(tx, "before") == set()
    assert await matching(tx, "after") == {1}


async def test_keeping_pictures_passes_over_messages_without(tx: aiosqlite.Connection) -> None:
    page = [message(1, content="just words"), message(2, picture())]
    stored = await messages.store(tx, page, keep="pictures", seen_ms=5)
    assert (stored.new_messages, stored.refused) == (1, 1)
    assert await matching(tx, "words") == set()
    stored = await messages.store(tx, page, keep="all", seen_ms=5)
    assert (stored.new_messages, stored.refused) == (1, 0)
    assert await matching(tx, "words") == {1}


async def test_an_empty_page_is_nothing(tx: aiosqlite.Connection) -> None:
    assert await messages.store(tx, [], keep="all", seen_ms=5) == Stored()


async def test_an_edit_changes_the_words_that_find_it(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, picture(), content="old words")], keep="pictures", seen_ms=5)
    edit = message(1, picture(), content="new words", edited_ms=9)
    stored = await messages.store(tx, [edit], keep="pictures", seen_ms=6)
    assert (stored.new_messages, stored.changed, stored.new_places) == (0, 1, ())
    assert await matching(tx, "old") == set()
    assert await matching(tx, "new") == {1}


async def test_an_older_edit_that_comes_late_is_ignored(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, picture(), content="newest", edited_ms=9)], keep="pictures", seen_ms=5)
    for late in (message(1, content="first"), message(1, picture(B), content="second", edited_ms=8)):
        assert (await messages.store(tx, [late], keep="pictures", seen_ms=6)).changed == 0
    assert await matching(tx, "newest") == {1}
    assert await rows(tx) == [(1, 0, A, "pending")]


async def test_an_edit_keeps_the_pictures_that_stayed_wherever_they_moved(tx: aiosqlite.Connection) -> None:
    before = message(1, picture(A, 0), picture(B, 1), picture(C, 2))
    await show(tx, await messages.store(tx, [before], keep="pictures", seen_ms=5), "a", "b", "c")

    after = message(1, picture(C, 0), picture(A, 1), picture("https://cdn.example/4/d.png", 2), edited_ms=9)
    stored = await messages.store(tx, [after], keep="pictures", seen_ms=6)

    assert (stored.changed, len(stored.new_places)) == (1, 1)
    assert await rows(tx) == [
        (1, 0, C, "ready"),
        (1, 1, A, "ready"),
        (1, 2, "https://cdn.example/4/d.png", "pending"),
    ]
    assert await pictures.by_sha256(tx, decoded("a").sha256) is not None
    assert await pictures.by_sha256(tx, decoded("b").sha256) is None


async def test_the_same_link_twice_in_a_message_is_two_places(tx: aiosqlite.Connection) -> None:
    twice = message(1, picture(A, 0), picture(A, 1))
    await messages.store(tx, [twice], keep="pictures", seen_ms=5)
    assert await messages.store(tx, [twice], keep="pictures", seen_ms=5) == Stored()
    await messages.store(tx, [message(1, picture(A, 1))], keep="pictures", seen_ms=5)
    assert await rows(tx) == [(1, 1, A, "pending")]


async def test_an_embed_that_arrives_later_without_an_edit_is_stored(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, content="a link")], keep="all", seen_ms=5)
    stored = await messages.store(tx, [message(1, picture(A), content="a link")], keep="all", seen_ms=6)
    assert (stored.changed, len(stored.new_places)) == (1, 1)


async def test_an_edit_of_what_is_said_about_a_picture_is_stored(tx: aiosqlite.Connection) -> None:
    stored = await messages.store(tx, [message(1, picture(A))], keep="pictures", seen_ms=5)
    animated = await pictures.add(tx, decoded("a", frame_count=9))
    await places.attach(tx, stored.new_places[0].id, animated)

    edit = message(1, picture(A, alt_text="a heron", flags=PlaceFlag.SPOILER), edited_ms=9)
    assert (await messages.store(tx, [edit], keep="pictures", seen_ms=6)).changed == 1

    ((_, detail),) = (await places.describe(tx, [stored.new_places[0].id])).items()
    assert detail.alt_text == "a heron"
    assert detail.flags == PlaceFlag.SPOILER | PlaceFlag.ANIMATED  # what decoding found stays
    assert await messages.store(tx, [edit], keep="pictures", seen_ms=7) == Stored()


async def test_a_message_that_loses_its_last_picture_is_not_kept_for_its_words(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, picture(), content="words")], keep="pictures", seen_ms=5)
    stored = await messages.store(tx, [message(1, content="words", edited_ms=9)], keep="pictures", seen_ms=6)
    assert (stored.changed, await count(tx, "messages"), await matching(tx, "words")) == (1, 0, set())
    again = message(1, picture(), content="words", edited_ms=10)
    assert (await messages.store(tx, [again], keep="pictures", seen_ms=7)).new_messages == 1


async def test_a_renamed_author_has_the_newest_name(tx: aiosqlite.Connection) -> None:
    page = [message(2, picture(A), author_name="New"), message(1, picture(B), author_name="Old")]
    await messages.store(tx, page, keep="pictures", seen_ms=5)
    assert await first(tx, "SELECT name FROM users") == ("New",)


async def test_a_deleted_message_is_never_found_again(tx: aiosqlite.Connection) -> None:
    page = [message(1, picture(A), content="secret"), message(2, picture(B), content="other", author=101)]
    await show(tx, await messages.store(tx, page, keep="pictures", seen_ms=5), "a", "b")

    assert await messages.delete(tx, [MessageId(1), MessageId(77)]) == 1

    assert await matching(tx, "secret") == set()
    assert await rows(tx) == [(2, 0, B, "ready")]
    assert await pictures.by_sha256(tx, decoded("a").sha256) is None
    assert await first(tx, "SELECT group_concat(user_id) FROM users") == ("101",)


async def test_a_page_read_before_a_deletion_does_not_bring_the_message_back(tx: aiosqlite.Connection) -> None:
    await messages.delete(tx, [MessageId(1)])  # never stored: the event overtook the page
    stored = await messages.store(tx, [message(1, picture(A)), message(2, picture(B))], keep="pictures", seen_ms=5)
    assert (stored.new_messages, stored.refused) == (1, 1)
    assert await rows(tx) == [(2, 0, B, "pending")]


async def test_a_picture_stays_while_another_message_shows_it(tx: aiosqlite.Connection) -> None:
    page = [message(1, picture(A)), message(2, picture(B))]
    await show(tx, await messages.store(tx, page, keep="pictures", seen_ms=5), "same", "same")
    assert await count(tx, "pictures") == 1
    await messages.delete(tx, [MessageId(1)])
    assert await count(tx, "pictures") == 1
    await messages.delete(tx, [MessageId(2)])
    assert await count(tx, "pictures") == 0


async def test_messages_of_an_unknown_channel_or_an_opted_out_author_are_refused(tx: aiosqlite.Connection) -> None:
    await opt_outs.add(tx, UserId(101), GUILD)
    await opt_outs.add(tx, UserId(102))
    await opt_outs.add(tx, UserId(103), GuildId(2))
    page = [
        message(1, picture(), channel=99),
        message(2, picture(), author=101),
        message(3, picture(), author=102),
        message(4, picture(), author=103),
    ]
    stored = await messages.store(tx, page, keep="pictures", seen_ms=5)
    assert (stored.new_messages, stored.refused) == (1, 3)
    assert [row[0] for row in await rows(tx)] == [4]


async def test_an_opt_out_lasts_until_all_is_deleted_and_can_be_taken_back(tx: aiosqlite.Connection) -> None:
    page = [message(1, picture(A), content="mine"), message(2, picture(B), content="yours", author=101)]
    await show(tx, await messages.store(tx, page, keep="pictures", seen_ms=5), "a", "b")

    await opt_outs.add(tx, AUTHOR, GUILD)
    assert await opt_outs.unfinished(tx) == [(AUTHOR, GUILD)]
    assert await messages.delete_some(tx, 10, author_id=AUTHOR, guild_id=GUILD) == 1
    await opt_outs.add(tx, AUTHOR, GUILD)  # twice is once
    assert await opt_outs.unfinished(tx) == []
    assert await matching(tx, "mine OR yours") == {2}
    assert await count(tx, "users") == 1
    assert await opt_outs.of_user(tx, AUTHOR) == [GUILD]

    assert await opt_outs.remove(tx, AUTHOR, GUILD)
    assert not await opt_outs.remove(tx, AUTHOR, GUILD)
    assert (await messages.store(tx, page, keep="pictures", seen_ms=6)).new_messages == 1


async def test_a_deleted_channel_takes_its_threads_and_all_they_held(tx: aiosqlite.Connection) -> None:
    await channels.upsert(tx, [channel(12, parent=10)])
    page = [
        message(1, picture(A), content="root"),
        message(2, picture(B), channel=12),
        message(3, picture(C), channel=11),
    ]
    await show(tx, await messages.store(tx, page, keep="pictures", seen_ms=5), "a", "b", "c")

    assert await channels.delete(tx, [CHANNEL]) == 2

    assert await rows(tx) == [(3, 0, C, "ready")]
    assert await matching(tx, "root") == set()
    assert await count(tx, "pictures") == 1
    stored = await messages.store(tx, page, keep="pictures", seen_ms=6)  # a page that was on its way
    assert (stored.new_messages, stored.refused) == (0, 2)


async def test_a_forgotten_guild_leaves_nothing_but_wishes(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, picture(A), content="gone")], keep="pictures", seen_ms=5)
    await opt_outs.add(tx, UserId(102), GUILD)
    await guilds.forget(tx, GUILD)
    for table in ("guilds", "channels", "messages", "texts", "places", "pictures", "users", "spans", "jobs"):
        assert await count(tx, table) == 0, table
    assert await matching(tx, "gone") == set()
    assert await count(tx, "opt_outs") == 1


async def test_a_large_channel_is_emptied_in_steps(tx: aiosqlite.Connection) -> None:
    page = [message(number, picture()) for number in range(1, 11)] + [message(99, picture(), channel=11)]
    await messages.store(tx, page, keep="pictures", seen_ms=5)
    steps = []
    while deleted := await messages.delete_some(tx, 4, channel_id=CHANNEL):
        steps.append(deleted)
    assert steps == [4, 4, 2]
    assert await messages.delete_some(tx, 4, guild_id=GUILD) == 1
    assert await count(tx, "places") == 0


async def test_the_sweep_asks_for_what_was_not_seen_for_longest(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, picture()), message(2, picture())], keep="pictures", seen_ms=50)
    await messages.store(tx, [message(3, picture(), channel=11)], keep="pictures", seen_ms=40)
    oldest = await message_checks.oldest_checked(tx, GUILD, before_ms=60, limit=2)
    assert oldest == [(ChannelId(11), MessageId(3)), (CHANNEL, MessageId(2))]  # one page from there has both
    await message_checks.mark_checked(tx, [MessageId(3), MessageId(2)], 60)
    assert await message_checks.oldest_checked(tx, GUILD, before_ms=60, limit=9) == [(CHANNEL, MessageId(1))]
    await channels.park(tx, CHANNEL, Sentence("closed-either"))
    assert await message_checks.oldest_checked(tx, GUILD, before_ms=60, limit=9) == []


async def test_ids_between_two_snowflakes_are_those_of_the_channel(tx: aiosqlite.Connection) -> None:
    page = [message(number, picture(), channel=10 + number % 2) for number in range(1, 9)]
    await messages.store(tx, page, keep="pictures", seen_ms=5)
    assert await message_lookup.between(tx, CHANNEL, 2, 6) == [2, 4, 6]


@pytest.mark.parametrize("page_first", [True, False])
@pytest.mark.parametrize("keep", ["all", "pictures"])
async def test_a_page_asked_for_before_a_link_was_unfurled_takes_no_picture_away(
    tx: aiosqlite.Connection, page_first: bool, keep: Keep
) -> None:
    """An unfurled link comes as an update without a time of editing, while the page is on its way."""
    page, unfurled = message(1, content="https://example.com"), message(1, picture(A), content="https://example.com")
    versions = [(page, 5), (unfurled, 7)]
    for version, seen_ms in versions if page_first else reversed(versions):
        await messages.store(tx, [version], keep=keep, seen_ms=seen_ms)
    assert await rows(tx) == [(1, 0, A, "pending")]
    suppressed = await messages.store(tx, [page], keep=keep, seen_ms=9)  # someone removed the embed, no edit either
    assert suppressed.changed == 1 or keep == "all"
    assert await rows(tx) == []


async def test_an_edit_counts_more_than_when_it_was_seen(tx: aiosqlite.Connection) -> None:
    await messages.store(tx, [message(1, picture(A))], keep="all", seen_ms=7)
    await messages.store(tx, [message(1, picture(B), edited_ms=6)], keep="all", seen_ms=5)
    assert await rows(tx) == [(1, 0, B, "pending")]
