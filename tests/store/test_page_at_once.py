"""A page is stored with a few statements. The rows are those of its messages stored one by one, oldest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiosqlite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.database import many_rows
from indexer.database.database import Database, open_database
from indexer.records.ids import DISCORD, GuildId, MessageId, OriginId, UserId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import messages, opt_outs, origins, pictures, places, spans
from indexer.store.messages import Stored
from tests.soak import example_count
from tests.worlds.migrated import migrated
from tests.worlds.records import CHANNEL, GUILD, count, decoded, matching, message, picture, settle

Store = Callable[[aiosqlite.Connection, Sequence[Message], Keep, int, OriginId], Awaitable[list[Stored]]]


@dataclass(frozen=True)
class Page:
    """Messages that one origin shows at one time: (number, author, words, links, edit, whether it is ignored)."""

    origin: int
    seen_ms: int
    keep: Keep
    posts: list[tuple[int, int, str, list[int], int, bool]]

    def messages(self) -> list[Message]:
        """Numbers above 20 stand in a channel that is not known. In a page an author has one name, as in Discord's."""
        return [
            replace(
                message(
                    number,
                    *(picture(f"https://cdn.example/{link}.png", at, alt_text=words) for at, link in enumerate(links)),
                    content=words,
                    channel=99 if number > 20 else CHANNEL,
                    author=100 + author,
                    author_name=f"{author} at {self.seen_ms}",
                    edited_ms=edit or None,
                ),
                ignored=ignored,
            )
            for number, author, words, links, edit, ignored in self.posts
        ]


WORDS = st.sampled_from(["", "a boat", "boat boat cloud", "Größe", "今日は猫と公園", "\x00 after a NUL", "😀 cloud"])
POSTS = st.lists(
    st.tuples(
        st.integers(1, 22),
        st.integers(0, 3),
        WORDS,
        st.lists(st.integers(1, 4), max_size=3),
        st.integers(0, 2),
        st.sampled_from([False] * 7 + [True]),
    ),
    max_size=16,
)
PAGES = st.builds(Page, st.integers(0, 2), st.integers(1, 9), st.sampled_from(["all", "pictures"]), POSTS)
EVENTS = st.one_of(
    PAGES,
    PAGES,
    PAGES,
    st.tuples(st.just("deleted"), st.integers(1, 20)),
    st.tuples(st.just("opted out"), st.integers(0, 3)),
    st.tuples(st.just("read"), st.integers(1, 20)),
)


async def whole(
    tx: aiosqlite.Connection, page: Sequence[Message], keep: Keep, seen_ms: int, origin_id: OriginId
) -> list[Stored]:
    return [await messages.store(tx, page, keep=keep, seen_ms=seen_ms, origin_id=origin_id)]


async def one_by_one(
    tx: aiosqlite.Connection, page: Sequence[Message], keep: Keep, seen_ms: int, origin_id: OriginId
) -> list[Stored]:
    last = {found.id: found for found in page}
    return [
        await messages.store(tx, [last[message_id]], keep=keep, seen_ms=seen_ms, origin_id=origin_id)
        for message_id in sorted(last)
    ]


async def lived_through(database: Database, events: list[Any], store: Store) -> list[Any]:
    """What each page's storing told, and all rows after the last event."""
    await settle(database)
    told: list[Any] = []
    async with database.transaction() as tx:
        ids = [DISCORD, *[(await origins.note(tx, "export", f"/{number}.json", "1")).id for number in (1, 2)]]
    for event in events:
        async with database.transaction() as tx:
            match event:
                case Page():
                    stored = await store(tx, event.messages(), event.keep, event.seen_ms, ids[event.origin])
                    fresh = [place for one_call in stored for place in one_call.new_places]
                    told.append((
                        sum(one_call.new_messages for one_call in stored),
                        sum(one_call.changed for one_call in stored),
                        sum(one_call.refused for one_call in stored),
                        [(place.message.id, place.ref) for place in fresh],
                    ))  # fmt: skip
                    for place in fresh[::2]:  # every second picture is there by the next event
                        await places.attach(tx, place.id, await pictures.add(tx, decoded(place.ref.link)))
                case ("deleted", number):
                    await messages.delete(tx, [MessageId(number)])
                case ("opted out", author):
                    await opt_outs.add(tx, UserId(100 + author), GuildId(GUILD))
                    await messages.delete_some(tx, 99, author_id=UserId(100 + author))
                case ("read", high):
                    await spans.cover(tx, CHANNEL, 1, high)
    async with database.transaction() as tx:
        for index in ("words", "words_trigram"):
            await tx.execute_fetchall(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
        return told + [await all_rows(tx, table) for table in TABLES]


# Every table that a page changes. The last two are the words of FTS5's indexes: word, messages, occurrences.
TABLES = ("messages", "texts", "places", "pictures", "users", "deletions", "channel_texts", "shown_texts", "word_edits",
          "words_docsize", "words_terms", "words_trigram_terms")  # fmt: skip


async def all_rows(tx: aiosqlite.Connection, table: str) -> list[tuple[Any, ...]]:
    """Without the numbers of places: new messages get theirs before edited ones."""
    rows = await tx.execute_fetchall(f"SELECT * FROM {table}")
    return sorted(tuple(row)[table == "places" :] for row in rows)


@settings(max_examples=example_count(30), deadline=None)
@given(events=st.lists(EVENTS, min_size=1, max_size=6))
async def test_a_page_leaves_the_rows_of_its_messages_stored_one_by_one(
    events: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = []
    for store in (whole, one_by_one):
        async with open_database(migrated(tmp_path_factory.mktemp("page"))) as database:
            found.append(await lived_through(database, events, store))
    assert found[0] == found[1]


async def test_a_page_of_any_size_is_stored_whole(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more rows than fit into a statement, and with as many as fit."""
    monkeypatch.setattr(many_rows, "MOST_PARAMETERS", 28)  # 4 messages, 7 texts, 2 places
    await settle(database)
    for number in (1, 2, 3, 4, 7, 8, 15):
        page = [message(number * 100 + at, picture(), content=f"boat{number}") for at in range(number)]
        async with database.transaction() as tx:
            stored = await messages.store(tx, page, keep="all", seen_ms=5)
            assert (stored.new_messages, len(stored.new_places)) == (number, number)
            assert await matching(tx, f"boat{number}") == {found.id for found in page}
            edited = [replace(found, content=f"cloud{number}", edited_ms=9) for found in page]
            assert (await messages.store(tx, edited, keep="all", seen_ms=6)).changed == number
            assert await matching(tx, f"boat{number}") == set()
            assert await matching(tx, f"cloud{number}") == {found.id for found in page}


async def test_the_words_of_a_page_are_one_segment_of_the_index(database: Database) -> None:
    """A segment a message, and merging them, cost several times what the words cost themselves."""
    await settle(database)
    page = [message(number, content=f"boat{number}") for number in range(1, 300)]
    async with database.transaction() as tx:
        await messages.store(tx, page, keep="all", seen_ms=5)
    async with database.reader() as connection:
        assert await count(connection, "(SELECT DISTINCT segid FROM words_idx)") == 1
