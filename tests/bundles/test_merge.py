"""Two installations become one: each message once, by the rules of docs/adr/0031, whatever both had read."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot import cli
from indexer.bundles.merge import merge
from indexer.database import unfinished
from indexer.database.database import FILE_NAME, open_database
from indexer.database.lock import hold
from indexer.errors import StorageError
from indexer.records.hits import Filter
from indexer.records.ids import DISCORD, ChannelId, OriginId
from indexer.records.messages import Message
from indexer.settings import CrawlSettings, IndexSettings, Settings
from indexer.text import text_search
from indexer.vectors.index import VectorIndex
from tests.soak import example_count
from tests.worlds.bundled import Opened, Work, installation, quietly, read, same, written
from tests.worlds.json_schemas import assert_schema
from tests.worlds.records import GUILD, MODEL, message, picture, vector

BOT, OTHER_BOT = 900, 901
ARCHIVE = OriginId(1)
CHANNELS = (10, 11)
WORDS = ("cat", "dog", "sunset", "猫", "bridge")
KEEP_ALL = CrawlSettings(messages="all")


async def merged(here: Path, there: Path, *, adopt: bool = False) -> Any:
    settings = Settings(data_dir=here, crawl=KEEP_ALL)
    async with open_database(here) as db:
        return await merge(Opened(db), settings, there, quietly, adopt=adopt, alone=True)


@dataclass(frozen=True)
class Version:
    """What one side has of a message. `seen` counts up with every reading of either side, so that no two are equal."""

    post: Message
    seen: int
    origin: OriginId

    @property
    def rank(self) -> tuple[bool, int, int]:
        return self.origin == DISCORD, self.post.edited_ms or 0, self.seen


@dataclass
class Side:
    """One installation: what it has read, as works for the database and as the rules count it."""

    versions: dict[int, Version]
    spans: list[tuple[int, int, int]]
    deleted: set[int]
    opted_out: set[int]

    def works(self) -> list[Work]:
        stored = [read(v.post, seen_ms=v.seen, origin_id=v.origin) for _, v in sorted(self.versions.items())]
        promises = [
            *(f"INSERT INTO opt_outs VALUES (0, {author}, 1)" for author in self.opted_out),
            *(f"INSERT INTO deletions VALUES ({number})" for number in self.deleted),
            *(f"INSERT INTO spans VALUES ({channel}, 0, {low}, {high})" for channel, low, high in self.spans),
        ]
        archive = "INSERT INTO origins (origin_id, kind, location, version) VALUES (1, 'export', '/exports', 'v')"
        return [written(archive), *stored, written(*promises)]

    def has_read(self, post: Message) -> bool:
        return any(post.channel_id == channel and low <= post.id <= high for channel, low, high in self.spans)


def sides(rng: random.Random) -> tuple[Side, Side]:
    """Two halves of one Discord that overlap: each has read other stretches, other versions and other archives."""
    found = (Side({}, [], set(), set()), Side({}, [], set(), set()))
    seen = iter(range(1, 10_000))
    for number in range(1, 25):
        channel, author = rng.choice(CHANNELS), 100 + rng.randrange(4)
        versions = [
            message(
                number,
                *(picture(f"{number if rng.random() < 0.6 else 0}-{at}", at) for at in range(rng.randrange(3))),
                content=" ".join(rng.choices(WORDS, k=rng.randrange(3))),
                channel=channel, author=author, author_name=f"person {author}", edited_ms=edited or None,
            )
            for edited in range(rng.randrange(1, 4))
        ]  # fmt: skip
        for side in found:
            if rng.random() < 0.65:
                origin = DISCORD if rng.random() < 0.6 else ARCHIVE
                side.versions[number] = Version(rng.choice(versions), next(seen), origin)
    for side in found:
        for channel in CHANNELS:
            low = rng.randrange(1, 20)
            side.spans.append((channel, low, low + rng.randrange(8)))
        side.deleted = {rng.randrange(1, 25) for _ in range(rng.randrange(3))}
        side.opted_out = {100 + rng.randrange(4)} if rng.random() < 0.3 else set()
        for number, version in list(side.versions.items()):  # what the rules allow each side to have by itself
            refused = version.origin != DISCORD and side.has_read(version.post)
            if refused or number in side.deleted or version.post.author_id in side.opted_out:
                del side.versions[number]
    return found


def expected(mine: Side, theirs: Side) -> dict[int, Version]:
    """The union, by the rules of docs/adr/0031 as their text says them."""
    result = {}
    for number in mine.versions.keys() | theirs.versions.keys():
        versions = [side.versions[number] for side in (mine, theirs) if number in side.versions]
        best = max(versions, key=lambda version: version.rank)
        if number in mine.deleted | theirs.deleted or best.post.author_id in mine.opted_out | theirs.opted_out:
            continue
        if best.origin != DISCORD and (mine.has_read(best.post) or theirs.has_read(best.post)):
            continue
        result[number] = best
    return result


@pytest.mark.parametrize("seed", range(example_count(8)))
async def test_a_merge_holds_exactly_the_union_and_is_searched_like_one_installation_that_read_both(
    tmp_path: Path, seed: int
) -> None:
    mine, theirs = sides(random.Random(seed))
    here = await installation(tmp_path / "a", *mine.works(), application_id=BOT)
    there = await installation(tmp_path / "b", *theirs.works(), application_id=BOT)
    before = await asyncio.to_thread(same, there)
    await merged(here, there)
    wanted = expected(mine, theirs)
    found = await asyncio.to_thread(same, here)
    rows = {number: (version.post.edited_ms, version.post.content) for number, version in sorted(wanted.items())}
    assert {row[0]: (row[4], row[5]) for row in found["messages"]} == rows
    assert {row[0] for row in found["opt_outs"]} <= {0}
    assert {row[1] for row in found["opt_outs"]} == mine.opted_out | theirs.opted_out

    union = Side(wanted, [], set(), set())
    reference = await installation(tmp_path / "c", *union.works())
    as_one = await asyncio.to_thread(same, reference)
    for table in ("messages", "places", "pictures", "embeddings", "users", "channel_texts"):
        assert found[table] == as_one[table], table
    for question in WORDS:
        assert await asked(here, question) == await asked(reference, question)
    await merged(here, there)
    assert await asyncio.to_thread(same, here) == found
    assert await asyncio.to_thread(same, there) == before


async def asked(data_dir: Path, word: str) -> tuple[list[int], list[tuple[float, list[int]]]]:
    """The messages that a word finds, and the pictures nearest to a vector of it, each with its messages."""
    channels = frozenset(ChannelId(channel) for channel in (*CHANNELS, 12))
    async with open_database(data_dir) as db:
        async with db.reader() as connection:
            hits = await text_search.ranked(connection, GUILD, word, Filter(channels), 50)
        index = VectorIndex(db.path, data_dir / "segments", IndexSettings(threads=1))
        try:
            with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection_:
                row = connection_.execute("SELECT model_id FROM models WHERE name = ?", (MODEL.name,)).fetchone()
            if row is None:
                return [hit.place.message_id for hit in hits], []
            query = np.asarray(vector(sum(word.encode())), np.float32)
            answer = await asyncio.to_thread(index.search, GUILD, row[0], query, 30, Filter(channels))
        finally:
            await asyncio.to_thread(index.close)
    nearest = [
        (round(candidate.score, 5), sorted(int(place.message_id) for place in candidate.places))
        for candidate in answer.candidates
    ]
    return [hit.place.message_id for hit in hits], sorted(nearest)


async def test_another_bots_folder_is_refused_and_adopted_on_request(tmp_path: Path) -> None:
    here = await installation(tmp_path / "a", read(message(1)), application_id=BOT)
    there = await installation(tmp_path / "b", read(message(2)), application_id=OTHER_BOT)
    before = await asyncio.to_thread(same, here)
    with pytest.raises(StorageError, match=f"{OTHER_BOT}.*--adopt"):
        await merged(here, there)
    assert await asyncio.to_thread(same, here) == before
    await merged(here, there, adopt=True)
    found = await asyncio.to_thread(same, here)
    assert [row[0] for row in found["messages"]] == [1, 2]
    with closing(sqlite3.connect(here / FILE_NAME)) as connection:
        assert connection.execute("SELECT application_id FROM application").fetchall() == [(BOT,)]
        assert connection.execute("SELECT DISTINCT origin_id FROM messages").fetchall() == [(0,)]


async def test_the_paths_of_a_folder_of_this_machine_come_along(tmp_path: Path) -> None:
    archive = written("INSERT INTO origins (origin_id, kind, location, version) VALUES (1, 'export', '/exports', 'v')")
    there = [archive, read(message(1, picture("a")), origin_id=ARCHIVE)]
    here = await installation(tmp_path / "a")
    await installation(tmp_path / "b", *there, written("UPDATE places SET path = '/exports/a.png'"))
    await merged(here, tmp_path / "b")
    with closing(sqlite3.connect(here / FILE_NAME)) as connection:
        assert connection.execute("SELECT path FROM places").fetchall() == [("/exports/a.png",)]
        assert connection.execute("SELECT kind, location FROM origins").fetchall() == [("export", "/exports")]


async def test_a_folder_that_somebody_writes_or_that_is_this_one_is_refused(tmp_path: Path) -> None:
    here = await installation(tmp_path / "a", read(message(1)))
    there = await installation(tmp_path / "b", read(message(2)))
    with hold(there), pytest.raises(StorageError, match="being written by"):
        await merged(here, there)
    unfinished.note(there, unfinished.Exchange("afterimage restore x.tar", "replaced"))
    with pytest.raises(StorageError, match="interrupted"):
        await merged(here, there)
    with pytest.raises(StorageError, match="own data folder"):
        await merged(here, here)
    with pytest.raises(StorageError, match="no database"):
        await merged(here, tmp_path)
    assert not (tmp_path / "writer.lock").exists()


def test_the_command_says_what_came_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(installation(tmp_path / "a", read(message(1, picture("a")))))
    asyncio.run(installation(tmp_path / "b", read(message(1, picture("a")), message(2, picture("b")))))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AFTERIMAGE_DATA_DIR", str(tmp_path / "a"))

    assert cli.main(["merge", "b", "--dry-run", "--quiet"]) == 0
    assert "1 messages, 1 pictures and 1 embeddings would come in; 1 messages were known" in capsys.readouterr().out
    assert cli.main(["merge", "b", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("merge", found)
    assert (found["messages"], found["known"]) == (1, 1)
    assert cli.main(["merge", "nowhere"]) == 1
    assert "nowhere is no folder." in capsys.readouterr().err
