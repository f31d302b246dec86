"""Any sequence of posts, edits, deletions and opt-outs leaves what a plain dict would hold, and nothing more."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from indexer.database.database import connect_readonly, open_database
from indexer.errors import Reason
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import channels, embeddings, forget, guilds, messages, opt_outs, pictures, places, spans
from tests.soak import example_count
from tests.worlds.migrated import migrated
from tests.worlds.records import MODEL, channel, decoded, message, picture, settle, vector

T = TypeVar("T")

WORDS = ("apple", "boat", "cloud")
CHANNELS = {10: 1, 11: 1, 20: 2}  # channel → guild

numbers = st.integers(1, 9)
authors = st.integers(100, 102)
links = st.lists(st.integers(1, 5), max_size=3)
Post = tuple[int, list[int], frozenset[str]]  # number, links, words
posts = st.lists(st.tuples(numbers, links, st.frozensets(st.sampled_from(WORDS))), min_size=1, max_size=6)
keeps = st.sampled_from(["pictures", "all"])


@dataclass(frozen=True)
class Kept:
    """What the model remembers of a message."""

    channel: int
    author: int
    words: frozenset[str]
    links: tuple[int, ...]
    version: int


class StoreMachine(RuleBasedStateMachine):
    """The database beside a dict. Link n shows content n % 3, so that different links share pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.opening = open_database(migrated(Path(self.folder.name)))
        self.database = self.run(self.opening.__aenter__())
        self.run(settle(self.database, 10, 11))
        self.run(settle(self.database, 20, guild=2))
        self.plain = connect_readonly(self.database.path)
        self.kept: dict[int, Kept] = {}
        self.fetched: set[tuple[int, int]] = set()  # (message, link) that has its picture
        self.rejected: set[tuple[int, int]] = set()
        self.deleted: set[int] = set()
        self.open = dict(CHANNELS)
        self.out: set[tuple[int, int]] = set()
        self.version = 0
        self.pages: list[tuple[list[Post], int]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.check_whole())
        self.plain.close()
        self.run(self.opening.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def drop(self, gone: set[int]) -> None:
        for number in gone:
            self.kept.pop(number, None)
        self.fetched = {pair for pair in self.fetched if pair[0] not in gone}
        self.rejected = {pair for pair in self.rejected if pair[0] not in gone}

    @rule(page=posts, keep=keeps)
    def store(self, page: list[Post], keep: Keep) -> None:
        """A page arrives: new messages and edits."""
        self.version += 1
        self.pages.append((page, self.version))
        self.arrive(page, keep, self.version)

    @rule(page=posts, keep=keeps)
    def store_more(self, page: list[Post], keep: Keep) -> None:
        """The same again: what is stored is what the other rules have to work with."""
        self.store(page, keep)

    @precondition(lambda self: self.pages)
    @rule(back=st.integers(0, 4), keep=keeps)
    def deliver_again(self, back: int, keep: Keep) -> None:
        """A page that was on its way for long: whatever happened since must not be undone."""
        page, version = self.pages[-1 - back % len(self.pages)]
        self.arrive(page, keep, version)

    def arrive(self, page: list[Post], keep: Keep, version: int) -> None:
        built: dict[int, tuple[Message, Kept]] = {}
        for number, shown, words in page:
            place = sorted(CHANNELS)[number % 3]
            unique = tuple(dict.fromkeys(shown))
            built[number] = (
                message(
                    number,
                    *(picture(f"https://cdn.example/{link}", n) for n, link in enumerate(unique)),
                    content=" ".join(sorted(words)),
                    channel=place,
                    guild=CHANNELS[place],
                    author=100 + number % 3,
                    edited_ms=version,
                ),
                Kept(place, 100 + number % 3, words, unique, version),
            )

        async def write() -> messages.Stored:
            async with self.database.transaction() as tx:
                return await messages.store(tx, [item for item, _ in built.values()], keep=keep, seen_ms=1)

        stored = self.run(write())
        for number, (_, new) in built.items():
            guild = CHANNELS[new.channel]
            if (
                new.channel not in self.open
                or number in self.deleted
                or {(0, new.author), (guild, new.author)} & self.out
            ):
                continue
            known = self.kept.get(number)
            if known and new.version < known.version:
                continue
            if keep == "pictures" and not new.links:
                self.drop({number})
                continue
            self.kept[number] = new
            shows = {(number, link) for link in new.links}
            self.fetched = {pair for pair in self.fetched if pair[0] != number or pair in shows}
            self.rejected = {pair for pair in self.rejected if pair[0] != number or pair in shows}
        assert stored.new_messages <= len(built)

    @rule(gone=st.sets(numbers, max_size=2))
    def delete(self, gone: set[int]) -> None:
        async def write() -> int:
            async with self.database.transaction() as tx:
                return await messages.delete(tx, [MessageId(number) for number in gone])

        assert self.run(write()) == len(gone & set(self.kept))
        self.drop(gone)
        self.deleted |= gone

    @rule(author=authors, guild=st.sampled_from([0, 1, 2]), out=st.booleans())
    def wish(self, author: int, guild: int, out: bool) -> None:
        """Someone opts out of one guild or of all, or back in."""

        async def write() -> int:
            async with self.database.transaction() as tx:
                if out:
                    await opt_outs.add(tx, UserId(author), GuildId(guild))
                    return await messages.delete_some(
                        tx, 1_000, author_id=UserId(author), guild_id=GuildId(guild) if guild else None
                    )
                return await opt_outs.remove(tx, UserId(author), GuildId(guild))

        if not out:
            assert self.run(write()) == ((guild, author) in self.out)
            self.out.discard((guild, author))
            return
        gone = {n for n, k in self.kept.items() if k.author == author and guild in (0, CHANNELS[k.channel])}
        assert self.run(write()) == len(gone)
        self.drop(gone)
        self.out.add((guild, author))

    @rule(number=st.sampled_from(sorted(CHANNELS)), opened=st.booleans())
    def channel_event(self, number: int, opened: bool) -> None:
        async def write() -> None:
            async with self.database.transaction() as tx:
                if opened:
                    await channels.upsert(tx, [channel(number, CHANNELS[number])])
                else:
                    await channels.delete(tx, [ChannelId(number)])

        self.run(write())
        if opened:
            self.open[number] = CHANNELS[number]
        else:
            self.open.pop(number, None)
            self.drop({n for n, k in self.kept.items() if k.channel == number})

    @rule()
    def forget_guild(self) -> None:
        async def write() -> None:
            async with self.database.transaction() as tx:
                await guilds.forget(tx, GuildId(2))
            await settle(self.database, 20, guild=2)

        self.run(write())
        self.open[20] = 2
        self.drop({n for n, k in self.kept.items() if k.channel == 20})

    @rule(limit=st.integers(1, 8))
    def fetch(self, limit: int) -> None:
        """Some pending places get their pictures; content 0 cannot be read."""

        async def write() -> list[tuple[int, int]]:
            async with self.database.transaction() as tx:
                model_id = await embeddings.model_id(tx, MODEL)
                found = await places.pending(tx, limit, 0)
                for place in found:
                    content = int(place.link.rsplit("/", 1)[-1]) % 3
                    shown = decoded(str(content))
                    if content == 0:
                        rejected = await pictures.add_rejected(tx, shown.sha256, 1, Reason.CORRUPT)
                        assert await places.attach(tx, place.place_id, rejected)
                        continue
                    picture_id = await pictures.add(tx, shown)
                    assert await places.attach(tx, place.place_id, picture_id)
                    await embeddings.add(tx, model_id, [(picture_id, vector(content))])
                return [(place.message_id, int(place.link.rsplit("/", 1)[-1])) for place in found]

        done = self.run(write())
        waiting = {(n, link) for n, k in self.kept.items() for link in k.links} - self.fetched - self.rejected
        assert len(done) == min(limit, len(waiting))
        assert set(done) <= waiting
        self.fetched |= {pair for pair in done if pair[1] % 3}
        self.rejected |= {pair for pair in done if pair[1] % 3 == 0}

    @rule()
    def retry(self) -> None:
        async def write() -> int:
            async with self.database.transaction() as tx:
                return await places.retry(tx)

        assert self.run(write()) == len(self.rejected)
        self.rejected.clear()

    @rule()
    def purge(self) -> None:
        assert self.run(forget.purge(self.database))

    @rule(low=st.integers(0, 20), length=st.integers(0, 5))
    def cover(self, low: int, length: int) -> None:
        """Spans live and die with their channel; test_spans.py holds what they mean."""

        async def write() -> list[spans.Span]:
            async with self.database.transaction() as tx:
                await spans.cover(tx, ChannelId(10), low, low + length)
                return await spans.of_channel(tx, ChannelId(10))

        assert bool(self.run(write())) == (10 in self.open)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.plain.execute(sql).fetchall()

    @invariant()
    def the_database_holds_what_the_model_holds(self) -> None:
        kept = sorted(self.kept.items())
        assert self.rows("SELECT message_id, channel_id, author_id FROM messages ORDER BY 1") == [
            (number, message.channel, message.author) for number, message in kept
        ]
        assert self.rows("SELECT message_id, ordinal, link FROM places ORDER BY 1, 2") == [
            (number, ordinal, f"https://cdn.example/{link}")
            for number, message in kept
            for ordinal, link in enumerate(message.links)
        ]
        readable = {decoded(str(link % 3)).sha256 for _, link in self.fetched}
        broken = {decoded("0").sha256 for _ in self.rejected}
        assert {sha for (sha,) in self.rows("SELECT sha256 FROM pictures")} == readable | broken
        with_embedding = self.rows("SELECT sha256 FROM embeddings JOIN pictures USING (picture_id)")
        assert {sha for (sha,) in with_embedding} == readable
        assert {author for (author,) in self.rows("SELECT user_id FROM users")} == {
            message.author for _, message in kept
        }
        assert set(self.rows("SELECT guild_id, user_id FROM opt_outs")) == self.out

    @invariant()
    def words_find_what_says_them_and_nothing_else(self) -> None:
        for word in WORDS:
            found = self.rows(f"SELECT rowid FROM words WHERE words MATCH 'content: {word}'")
            assert {number for (number,) in found} == {n for n, kept in self.kept.items() if word in kept.words}
        for link in (1, 2):
            found = self.rows(f"SELECT rowid FROM words WHERE words MATCH 'file_names: {link}'")
            assert {number for (number,) in found} == {n for n, kept in self.kept.items() if link in kept.links}

    async def check_whole(self) -> None:
        async with self.database.transaction() as tx:
            await tx.execute_fetchall("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
            assert list(await tx.execute_fetchall("PRAGMA foreign_key_check")) == []
            wrong = "SELECT 1 FROM places p JOIN messages m USING (message_id) WHERE p.guild_id != m.guild_id"
            assert list(await tx.execute_fetchall(wrong)) == []


TestStore = pytest.mark.soak(StoreMachine.TestCase)
TestStore.settings = settings(
    max_examples=example_count(40), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
