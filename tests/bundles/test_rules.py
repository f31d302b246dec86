"""One truth from two folders (docs/adr/0031): what Discord said goes before, promises hold on both sides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from indexer.archives.export import KIND
from indexer.bundles import promises
from indexer.bundles.bundle_import import may_delete
from indexer.bundles.storing import Stored
from indexer.database.database import open_database
from indexer.errors import AfterimageError, ChannelClosed
from indexer.hit_pictures import HitPictures, Shown
from indexer.imports.archive_opener import open_archive
from indexer.records.collections import COLLECTION_KIND
from indexer.records.ids import DISCORD, MADE_UP, GuildId, OriginId, PlaceId
from indexer.settings import CrawlSettings, Settings
from indexer.store import collections, guilds, opt_outs, origins, places
from tests.worlds.bundled import Work, everything, exported, imported, installation, read, same, written
from tests.worlds.kept_folder import rows
from tests.worlds.records import message, picture

BOT, OTHER_BOT = 900, 901
ARCHIVE = OriginId(1)
AN_ARCHIVE = written("INSERT INTO origins (origin_id, kind, location, version) VALUES (1, 'export', '/exports', 'v')")
KEEP_ALL = CrawlSettings(messages="all")


async def both(
    tmp_path: Path, here: list[Work], there: list[Work], *, own: int | None = BOT, theirs: int | None = BOT
) -> Stored:
    """A bundle of `there`, imported into `here` (the folder `b`)."""
    a = await installation(tmp_path / "a", *there, application_id=theirs)
    await asyncio.to_thread(exported, a, tmp_path / "x.bundle")
    await installation(tmp_path / "b", *here, application_id=own)
    return (await imported(tmp_path / "b", tmp_path / "x.bundle", KEEP_ALL)).stored


async def texts(tmp_path: Path) -> dict[object, object]:
    found = await asyncio.to_thread(same, tmp_path / "b")
    return {row[0]: row[5] for row in found["messages"]}


async def test_the_receiving_sides_opt_outs_and_deletions_hold(tmp_path: Path) -> None:
    promised = written("INSERT INTO opt_outs VALUES (0, 101, 1), (1, 102, 1)", "INSERT INTO deletions VALUES (4)")
    posts = [message(number, picture(str(number)), author=100 + number) for number in range(1, 6)]
    stored = await both(tmp_path, [promised], [read(*posts)])
    assert set(await texts(tmp_path)) == {3, 5}
    assert (stored.messages, stored.refused) == (2, 3)
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert len(found["pictures"]) == 2
    assert [row[0] for row in found["users"]] == [103, 105]


async def test_a_bundles_promises_reach_what_is_stored_here(tmp_path: Path) -> None:
    promised = written("INSERT INTO opt_outs VALUES (0, 101, 1), (1, 102, 1)", "INSERT INTO deletions VALUES (4)")
    posts = [message(number, picture(str(number)), author=100 + number) for number in range(1, 6)]
    stored = await both(tmp_path, [read(*posts)], [promised, read(message(9))])
    assert set(await texts(tmp_path)) == {3, 5, 9}
    assert (stored.opt_outs, stored.deletions, stored.deleted) == (2, 1, 3)
    async with open_database(tmp_path / "b") as db:
        await read(posts[0], posts[3])(db)
        async with db.reader() as connection:
            assert await opt_outs.unfinished(connection) == []
    assert set(await texts(tmp_path)) == {3, 5, 9}


@pytest.mark.parametrize("theirs", [BOT, OTHER_BOT])
async def test_promises_come_in_batches_of_which_none_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: int
) -> None:
    monkeypatch.setattr(promises, "ROWS_AT_ONCE", 3)
    authors, gone, taken = range(500, 510), range(700, 708), range(800, 807)
    promised = written(
        *(f"INSERT INTO opt_outs VALUES ({author % 2}, {author}, 1)" for author in authors),
        *(f"INSERT INTO deletions VALUES ({number})" for number in gone),
        *(f"INSERT INTO deleted_here VALUES ({number}, 10)" for number in taken),
    )
    stored = await both(tmp_path, [], [promised, read(message(9))], theirs=theirs)
    found = await asyncio.to_thread(same, tmp_path / "b")
    if theirs == BOT:
        assert {(row[0], row[1]) for row in found["opt_outs"]} == {(author % 2, author) for author in authors}
        assert {row[0] for row in found["deletions"]} == set(gone)
        assert {row[0] for row in found["deleted_here"]} == set(taken)
        assert (stored.opt_outs, stored.deletions) == (10, 15)
    else:
        assert {(row[0], row[1]) for row in found["opt_outs"]} == {(1, author) for author in authors}
        assert (stored.opt_outs, found["deletions"], found["deleted_here"]) == (10, [], [])


async def test_another_bots_bundle_is_an_archive_and_its_promises_reach_its_server_alone(tmp_path: Path) -> None:
    promised = written("INSERT INTO opt_outs VALUES (0, 101, 1)", "INSERT INTO deletions VALUES (2)")
    spans = written("INSERT INTO spans VALUES (10, 0, 0, 6)")
    elsewhere = written(
        "INSERT INTO guilds (guild_id, name, added_ms) VALUES (2, 'Elsewhere', 0)",
        "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (20, 2, 'text', 'c')",
    )
    here = [
        elsewhere, read(message(2, content="mine"), message(30, channel=20, guild=2, author=101)), spans,
    ]  # fmt: skip
    there = [promised, read(message(2), message(3), message(7, content="theirs"), message(8, author=BOT)), spans]
    stored = await both(tmp_path, here, [read(message(2)), *there], theirs=OTHER_BOT)
    assert await texts(tmp_path) == {2: "mine", 30: "", 7: "theirs"}
    assert (stored.messages, stored.deletions, stored.deleted) == (1, 0, 0)
    sql = "SELECT message_id, o.kind FROM messages LEFT JOIN origins o USING (origin_id) ORDER BY 1"
    found = await asyncio.to_thread(rows, tmp_path / "b", sql)
    assert found == [(2, None), (7, "bundle"), (30, None)]
    assert await asyncio.to_thread(rows, tmp_path / "b", "SELECT guild_id, user_id FROM opt_outs") == [(1, 101)]
    assert await asyncio.to_thread(rows, tmp_path / "b", "SELECT application_id FROM application") == [(BOT,)]


@pytest.mark.parametrize("own", [None, BOT])
async def test_the_same_bots_bundle_is_discords_word_and_the_folder_is_that_bots(
    tmp_path: Path, own: int | None
) -> None:
    spans = written("INSERT INTO spans VALUES (10, 0, 0, 6)", "UPDATE guilds SET consent = 1")
    archive = read(message(2, content="exported"), message(5), message(9), origin_id=ARCHIVE)
    there = [read(message(2, content="live"), message(8)), spans]
    stored = await both(tmp_path, [AN_ARCHIVE, archive], there, own=own)
    assert await texts(tmp_path) == {2: "live", 8: "", 9: ""}  # 5 is not in what Discord has shown
    assert (stored.messages, stored.updated, stored.deleted) == (1, 1, 1)
    found = await asyncio.to_thread(rows, tmp_path / "b", "SELECT message_id, origin_id FROM messages ORDER BY 1")
    assert found == [(2, DISCORD), (8, DISCORD), (9, ARCHIVE)]
    assert await asyncio.to_thread(rows, tmp_path / "b", "SELECT consent FROM guilds") == [(1,)]
    assert await asyncio.to_thread(rows, tmp_path / "b", "SELECT application_id FROM application") == [(BOT,)]


async def test_the_later_version_stays_whichever_side_has_it(tmp_path: Path) -> None:
    old, new = message(1, picture("a"), content="old"), message(1, picture("b"), content="new", edited_ms=5)
    here = [read(old, message(2, content="newest", edited_ms=9))]
    stored = await both(tmp_path, here, [read(new, message(2, content="before", edited_ms=8))])
    assert await texts(tmp_path) == {1: "new", 2: "newest"}
    assert (stored.updated, stored.embeddings) == (1, 1)
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert [row[4] for row in found["places"]] == ["b"]
    assert len(found["embeddings"]) == 1


async def test_a_picture_that_waits_here_is_taken_from_the_bundle(tmp_path: Path) -> None:
    post = message(1, picture("a"), picture("b", 1))
    refused = written(
        f"INSERT INTO pictures (sha256, byte_count, state, reason) VALUES (x'{'00' * 32}', 1, 'rejected', 'corrupt')",
        "UPDATE places SET state = 'failed', reason = 'corrupt', picture_id = 1 WHERE ordinal = 1",
    )
    opened = written(f"UPDATE pictures SET sha256 = x'{'00' * 32}' WHERE picture_id = 2")
    stored = await both(tmp_path, [read(post, embed=False), refused], [read(post), opened])
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert [(row[1], row[12]) for row in found["places"]] == [(0, "ready"), (1, "ready")]
    assert len(found["embeddings"]) == 2
    assert (stored.messages, stored.known, stored.embeddings) == (0, 1, 2)


async def test_frames_of_an_animation_come_along_where_fewer_were_looked_for_here(tmp_path: Path) -> None:
    """The picture of `m2` has two further frames in the bundle, that of `n2` others here."""
    posts = [message(1, picture("m2")), message(2, picture("n2"))]
    lost = written(
        "DELETE FROM frames WHERE picture_id = 1",
        "UPDATE embeddings SET frames_sought = 1, at_ms = NULL WHERE picture_id = 1",
        "UPDATE frames SET at_ms = at_ms + 1 WHERE picture_id = 2",
    )
    await both(tmp_path, [read(*posts), lost], [read(*posts)])
    here = await asyncio.to_thread(same, tmp_path / "b")
    there = await asyncio.to_thread(same, tmp_path / "a")
    assert len(here["frames"]) == len(there["frames"]) == 4
    assert len(set(here["frames"]) & set(there["frames"])) == 2
    assert here["embeddings"] == there["embeddings"]


async def test_what_this_folder_does_not_keep_stays_out(tmp_path: Path) -> None:
    bot = written("UPDATE users SET bot = 1 WHERE user_id = 555")
    there = [read(message(1), message(2, picture("a")), message(3, picture("b"), author=555)), bot]
    a = await installation(tmp_path / "a", *there)
    await asyncio.to_thread(exported, a, tmp_path / "x.bundle")
    for name, crawl, wanted in (
        ("pictures", CrawlSettings(), {2, 3}), ("people", CrawlSettings(messages="all", bots=False), {1, 2}),
    ):  # fmt: skip
        await imported(tmp_path / name, tmp_path / "x.bundle", crawl)
        found = await asyncio.to_thread(same, tmp_path / name)
        assert {row[0] for row in found["messages"]} == wanted


async def test_nothing_of_another_server_here_is_touched_by_a_bundle_that_names_it(tmp_path: Path) -> None:
    other = written(
        "INSERT INTO guilds (guild_id, name, added_ms) VALUES (2, 'Elsewhere', 0)",
        "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (20, 2, 'text', 'theirs')",
    )
    here = [other, read(*(message(number, channel=20, guild=2, content="mine") for number in (5, 15)))]
    forged = written(
        "INSERT INTO deletions VALUES (15)",
        "INSERT INTO deleted_here VALUES (16, 20)",
        "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (20, 1, 'text', 'forged')",
        "INSERT INTO spans VALUES (20, 0, 0, 99)",
    )
    posts = [message(5, content="forged", edited_ms=9), message(6, channel=20, content="forged")]
    stored = await both(tmp_path, here, [forged, read(*posts)])
    assert await texts(tmp_path) == {5: "mine", 15: "mine"}
    assert (stored.refused, stored.deletions) == (2, 0)
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert [row[:4] for row in found["channels"]][-1] == (20, 2, None, "text")
    assert (found["spans"], found["deletions"], found["deleted_here"]) == ([], [], [])


@pytest.mark.parametrize("theirs", [BOT, OTHER_BOT])
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_no_file_of_this_machine_is_opened_because_a_bundle_names_it(
    tmp_path: Path, theirs: int, known: bool
) -> None:
    secret = tmp_path / "private" / "secret.png"
    secret.parent.mkdir()
    secret.write_bytes(b"a picture of whoever runs the bot")
    names = f"'{secret.parent}', 'v', '[]'"
    naming = written(
        f"INSERT INTO origins (origin_id, kind, location, version, media_folders) VALUES (1, '{KIND}', {names}),"
        f" (2, '{COLLECTION_KIND}', {names})",
        f"UPDATE origins SET media_folders = json_array('{secret.parent}')",
        f"INSERT INTO guilds (guild_id, name, added_ms, origin_id) VALUES ({MADE_UP}, 'Photos', 0, 2)",
        "INSERT INTO channels (channel_id, guild_id, kind, name, origin_id)"
        f" VALUES ({MADE_UP + 7}, {MADE_UP}, 'text', 'private', 2)",
        "INSERT INTO spans VALUES (10, 1, 0, 9)",
    )
    shown = message(1, picture("1"), content="new", edited_ms=9)
    there = [naming, read(shown, origin_id=ARCHIVE), written(f"UPDATE places SET path = '{secret}'")]
    old = read(message(1, picture("1"), content="old"), origin_id=OriginId(5))
    mine = written(f"INSERT INTO origins (origin_id, kind, location, version) VALUES (5, '{KIND}', '/mine', 'v')")
    a, b, file = tmp_path / "a", tmp_path / "b", tmp_path / "x.bundle"
    await installation(a, *there, application_id=theirs)
    await asyncio.to_thread(exported, a, file, everything())
    await installation(b, *([mine, old] if known else []), application_id=BOT)
    await imported(b, file, KEEP_ALL)
    assert await texts(tmp_path) == {1: "new"}
    ((place_id, path),) = await asyncio.to_thread(rows, b, "SELECT place_id, path FROM places")
    assert path is None
    assert isinstance(place_id, int)
    async with open_database(b) as db:
        async with db.reader() as connection:
            place = await places.place_in(connection, GuildId(1), PlaceId(place_id))
            found = await connection.execute_fetchall("SELECT origin_id FROM origins WHERE origin_id != 5 ORDER BY 1")
            stored = [await origins.get(connection, OriginId(origin_id)) for (origin_id,) in found]
            assert await collections.name_of(connection, str(secret.parent)) is None
            assert GuildId(MADE_UP) in {guild.id for guild in await guilds.known(connection)}
        assert place is not None
        with pytest.raises(AfterimageError, match="no bot runs here"):
            await HitPictures(1 << 20).file_bytes(Shown(place.channel_id, place.message_id, place.link, place.path))
        for origin in stored:
            assert origin is not None
            assert origin.media_folders == ()
            with pytest.raises(ChannelClosed):
                await open_archive(Settings(data_dir=b), db, origin)
    await imported(b, file, KEEP_ALL)
    assert await asyncio.to_thread(rows, b, "SELECT count(*) FROM origins WHERE origin_id != 5") == [(len(stored),)]


@pytest.mark.parametrize(
    ("own", "theirs", "opted_out", "asked"),
    [
        (BOT, BOT, False, True), (BOT, OTHER_BOT, True, True), (BOT, OTHER_BOT, False, False),
        (None, OTHER_BOT, False, True), (None, None, False, True),
    ],
)  # fmt: skip
async def test_somebody_is_asked_before_a_bundle_may_delete(
    tmp_path: Path, own: int | None, theirs: int | None, opted_out: bool, asked: bool
) -> None:
    promised = [written("INSERT INTO opt_outs VALUES (1, 102, 1)")] if opted_out else []
    a = await installation(tmp_path / "a", read(message(1)), *promised, application_id=theirs)
    await asyncio.to_thread(exported, a, tmp_path / "x.bundle")
    assert not await may_delete(Settings(data_dir=tmp_path / "b"), tmp_path / "x.bundle")  # nothing is there
    b = await installation(tmp_path / "b", read(message(2)), application_id=own)
    assert await may_delete(Settings(data_dir=b), tmp_path / "x.bundle") is asked


async def test_tags_go_along_and_what_was_deleted_from_the_index_stays_away(tmp_path: Path) -> None:
    posts = [message(number, picture(str(number))) for number in (1, 2, 3)]
    tagged = written("INSERT INTO tags VALUES (1, 'kept', 10)")
    there = [read(*posts), tagged, written("INSERT INTO deleted_here VALUES (3, 10)")]
    stored = await both(tmp_path, [read(*posts), written("INSERT INTO tags VALUES (1, 'mine', 10)")], there)
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert found["tags"] == [(1, 0, "kept", 10), (1, 0, "mine", 10)]
    assert [row[0] for row in found["messages"]] == [1, 2]
    assert found["deleted_here"] == [(3, 10)]
    assert (stored.deletions, stored.deleted) == (1, 1)
