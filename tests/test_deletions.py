"""What whoever runs the bot deletes goes in steps, stays away, and comes back when they take it back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from indexer import deletions
from indexer.crawl import removals
from indexer.deletions import NAME, Deletions, Meant
from indexer.progress import Progress
from indexer.records.hits import NO_END, Filter
from indexer.records.ids import MADE_UP, ChannelId, GuildId, MessageId
from indexer.records.messages import Channel, ChannelKind, Guild, Message, PlaceFlag
from indexer.store import audit, channels, emptying, forget, guilds, messages, origins, spans
from indexer.supervisor import Faults, supervised
from indexer.tags import Tags, Target
from tests.worlds.killed_child import run_and_kill
from tests.worlds.library import ANNA, BEN, GUILD, MEMES, PETS, SECRET, Library, ask, everywhere
from tests.worlds.pipeline_world import GUILD as CRAWLED
from tests.worlds.pipeline_world import World, open_world
from tests.worlds.prolific_author import POSTED, PROLIFIC, fill
from tests.worlds.waiting import until


async def stored(library: Library) -> set[MessageId]:
    async with library.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT message_id FROM messages")
    return {MessageId(message_id) for (message_id,) in rows}


async def deleted(library: Library, filter: Filter) -> set[MessageId]:
    """The messages that go by this filter."""
    before = await stored(library)
    ours = Deletions(library.db)
    meant = await ours.meant(GUILD, filter)
    assert await ours.delete(GUILD, meant) == len(meant.message_ids)
    return before - await stored(library)


async def test_by_author_channel_and_span(library: Library) -> None:
    mine = await library.post("a", author=ANNA, day=1)
    secret = await library.post("b", author=ANNA, channel=SECRET, day=2)
    late = await library.post("c", author=ANNA, day=50)
    theirs = await library.post("d", author=BEN, day=1)
    words = await library.post(author=BEN, say="words alone", day=2, channel=PETS)
    assert await deleted(library, Filter(frozenset({MEMES}), authors=frozenset({ANNA}), before_ms=late >> 22)) == set()
    day_3 = 1_700_000_000_000 + 3 * 86_400_000
    assert await deleted(library, everywhere(authors=frozenset({ANNA}), before_ms=day_3)) == {mine}
    assert await deleted(library, Filter(frozenset({PETS}))) == {words}
    assert await stored(library) == {secret, late, theirs}


async def test_a_message_goes_whole_and_one_picture_that_is_kept_keeps_it(library: Library) -> None:
    moving = await library.post("a", "b", flags=PlaceFlag.ANIMATED)
    kept = await library.post("c", "d", flags=PlaceFlag.ANIMATED)
    still = await library.post("e")
    places, _ = await Tags(library.db).named([Target("message_id", kept)])
    await Tags(library.db).change(GUILD, places[GUILD][1:], add=["keep"])
    gifs = everywhere(require=PlaceFlag.ANIMATED, not_tags=frozenset({"keep"}))
    meant = await Deletions(library.db).meant(GUILD, gifs)
    assert (list(meant.message_ids), meant.pictures) == ([moving], 2)
    assert list((await Deletions(library.db).meant(GUILD, gifs, [kept, still])).message_ids) == []
    assert await deleted(library, gifs) == {moving}
    assert await deleted(library, everywhere(tags=frozenset({"keep"}))) == {kept}
    assert await stored(library) == {still}


async def test_it_is_in_no_answer_leaves_no_byte_and_stands_in_the_audit_log(library: Library) -> None:
    post = await library.post("cat", say="a quetzalcoatlus", names=("zeppelinfahrt.png",))
    await library.post("cat 2", say="another")
    assert len((await library.searcher.search(ask("cat"))).hits) == 2
    assert await deleted(library, everywhere(before_ms=(post >> 22) + 1_420_070_400_001)) == {post}
    assert post not in {hit.place.message_id for hit in (await library.searcher.search(ask("cat"))).hits}
    assert await forget.purge(library.db)
    data = library.db.path.read_bytes()
    assert not {word for word in (b"quetzalcoatlus", b"zeppelinfahrt") if word in data}
    async with library.db.reader() as connection:
        (line,) = await audit.recent(connection, 9, GUILD)
    assert (line.action, line.detail) == ("messages.delete", {"messages": 1, "pictures": 1})


async def test_what_is_deleted_of_a_collection_is_not_remembered(library: Library) -> None:
    """Its ids are made up anew, and would be another file's."""
    guild_id, channel_id, message_id = GuildId(MADE_UP), ChannelId(MADE_UP + 1), MessageId(MADE_UP + 2)
    file = Message(message_id, channel_id, guild_id, ANNA, "anna", "words")
    async with library.db.transaction() as tx:
        await guilds.upsert(tx, Guild(guild_id, "Photos"))
        await channels.upsert(tx, [Channel(channel_id, guild_id, ChannelKind.TEXT, "folder")])
        await messages.store(tx, [file], keep="all", seen_ms=1)
    ours = Deletions(library.db)
    assert await ours.delete(guild_id, await ours.meant(guild_id, Filter(frozenset({channel_id})))) == 1
    async with library.db.transaction() as tx:
        assert (await messages.store(tx, [file], keep="all", seen_ms=2)).new_messages == 1


async def test_what_discord_deleted_does_not_come_back_with_what_is_taken_back(library: Library) -> None:
    post = Message(MessageId(77 << 22), MEMES, GUILD, ANNA, "anna", "words")
    async with library.db.transaction() as tx:
        await messages.store(tx, [post], keep="all", seen_ms=1)
    ours = Deletions(library.db)
    await ours.delete(GUILD, await ours.meant(GUILD, everywhere()))
    async with library.db.transaction() as tx:
        await messages.delete(tx, [post.id])
    assert await ours.take_back([MEMES], GUILD, 0, NO_END) == 1
    async with library.db.transaction() as tx:
        assert (await messages.store(tx, [post], keep="all", seen_ms=2)).refused == 1


async def test_only_the_stretch_that_is_taken_back_is_read_again(library: Library) -> None:
    posts = [await library.post(str(number), day=number) for number in range(4)]
    async with library.db.transaction() as tx:
        await spans.cover(tx, MEMES, 0, posts[-1] + 5)
    ours = Deletions(library.db)
    await ours.delete(GUILD, await ours.meant(GUILD, everywhere()))
    assert await ours.take_back([PETS], GUILD, 0, NO_END) == 0
    assert await ours.take_back([MEMES], GUILD, posts[1], posts[3]) == 2
    async with library.db.reader() as connection:
        assert await spans.of_channel(connection, MEMES) == [(0, posts[1] - 1), (posts[2] + 1, posts[3] + 5)]
        ((left,),) = await connection.execute_fetchall("SELECT count(*) FROM deleted_here")
    assert left == 2


async def test_taking_back_goes_in_steps_of_which_each_is_whole(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "MARKED_AT_ONCE", 2)
    posts = [await library.post(str(number), day=number) for number in range(6)]
    async with library.db.transaction() as tx:
        origin = await origins.note(tx, "test", "there", "1")
        await origins.set_brought(tx, origin.id, "{}")
        await spans.cover(tx, MEMES, posts[0], posts[-1])
    ours = Deletions(library.db)
    await ours.delete(GUILD, await ours.meant(GUILD, everywhere()))
    returning = asyncio.create_task(ours.take_back([MEMES], GUILD, 0, NO_END))
    seen = set()
    while not returning.done():
        async with library.db.transaction() as tx:
            rows = await tx.execute_fetchall(
                "SELECT (SELECT count(*) FROM deleted_here),"
                " (SELECT count(*) FROM origins WHERE brought IS NOT NULL), (SELECT count(*) FROM spans)"
            )
        seen |= {tuple(row) for row in rows}
    assert await returning == 6
    assert {(4, 0, 0), (2, 0, 0)} <= seen <= {(6, 1, 1), (4, 0, 0), (2, 0, 0), (0, 0, 0)}
    async with library.db.reader() as connection:
        line, _ = await audit.recent(connection, 2, GUILD)
    assert (line.action, line.detail) == ("messages.undelete", {"messages": 6})


async def index(world: World) -> Progress:
    async with world.pipeline() as running:
        return await running.run_guild(CRAWLED)


async def test_what_discord_still_shows_stays_away_until_it_is_taken_back(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        world.fill(channels=1, messages=12, every=3)
        await index(world)
        ours, channel = Deletions(world.db), ChannelId(1)
        meant = await ours.meant(CRAWLED, Filter(frozenset({channel})))
        some = Meant(meant.message_ids[1:], meant.pictures - 1)
        assert await ours.delete(CRAWLED, some) == 3
        world.history.pages.clear()
        await index(world)
        async with world.pipeline() as pipeline:
            live = world.live(pipeline)
            for message in world.history.messages[channel].values():
                await live.on_message(message, world.history.listed[channel])
        assert world.history.pages[channel]
        assert await world.count("SELECT count(*) FROM messages") == 1
        assert await ours.take_back([channel], CRAWLED, 0, NO_END) == 3
        await index(world)
        assert await world.count("SELECT count(*) FROM places WHERE state = 'ready'") == 4


async def test_of_a_server_that_was_left_only_the_ids_of_promises_stay(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removals, "MARKS_AT_ONCE", 2)
    posts = [await library.post(str(number), day=number, author=ANNA) for number in range(6)]
    ours = Deletions(library.db)
    await ours.delete(GUILD, await ours.meant(GUILD, everywhere(), posts[1:]))
    async with library.db.transaction() as tx:
        await messages.delete(tx, [posts[0]])
        await tx.execute_fetchall("INSERT INTO deleted_here VALUES (9, 8)")  # of another server
    await removals.opt_out(library.db, BEN, GUILD)
    await removals.forget_guild(library.db, GUILD)
    ids = {GUILD, MEMES, PETS, SECRET, ANNA, BEN, *posts}
    found = set()
    async with library.db.reader() as connection:
        tables = await connection.execute_fetchall(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
            " AND m.sql LIKE 'CREATE TABLE%' AND c.type = 'INTEGER'"
        )
        for table, column in tables:
            rows = await connection.execute_fetchall(f"SELECT {column} FROM {table}")
            found |= {(table, column, value) for (value,) in rows if value in ids}
        marks = await connection.execute_fetchall("SELECT message_id, channel_id FROM deleted_here")
    assert {(table, column) for table, column, _ in found} == {
        ("index_log", "guild_id"),  # that its vectors are to go; until they are gone
        ("audit_log", "guild_id"), ("deletions", "message_id"), ("opt_outs", "guild_id"), ("opt_outs", "user_id"),
    }  # fmt: skip
    assert {value for table, _, value in found if table == "deletions"} == {posts[0]}
    assert [tuple(mark) for mark in marks] == [(9, 8)]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "STEP", 5)
    monkeypatch.setattr(deletions, "MARKED_AT_ONCE", 7)


async def left(world: World) -> int:
    return await world.count("SELECT count(*) FROM messages WHERE author_id = ?", PROLIFIC)


@pytest.mark.usefixtures("small_steps")
async def test_others_write_between_the_steps(tmp_path: Path) -> None:
    async with open_world(tmp_path, decodes=False) as world:
        await fill(world)
        ours = Deletions(world.db)
        meant = await ours.meant(CRAWLED, Filter(frozenset({ChannelId(1)}), authors=frozenset({PROLIFIC})))
        assert (len(meant.message_ids), meant.pictures) == (POSTED, POSTED)
        told: list[int] = []
        deleting = asyncio.create_task(ours.delete(CRAWLED, meant, told.append))
        seen = []
        while not deleting.done():
            async with world.db.transaction() as tx:
                ((count,),) = await tx.execute_fetchall(
                    "SELECT count(*) FROM messages WHERE author_id = ?", (PROLIFIC,)
                )
                seen.append(count)
        assert await deleting == POSTED
        assert [count for count in seen if 0 < count < POSTED], seen
        assert told == list(range(5, POSTED + 1, 5))
        assert await world.count("SELECT count(*) FROM messages") == 2


async def test_killed_between_two_steps_the_next_start_deletes_the_rest(tmp_path: Path) -> None:
    await run_and_kill("killed_emptying", tmp_path, "delete")
    async with open_world(tmp_path, decodes=False) as world:
        assert 0 < await left(world) < POSTED
        repeating = asyncio.create_task(supervised(NAME, Deletions(world.db).repeat, Faults()))

        async def gone() -> bool:
            return await left(world) == 0

        await until(gone)
        repeating.cancel()
        await asyncio.wait({repeating})
        assert await world.count("SELECT count(*) FROM messages") == 2


@pytest.mark.usefixtures("small_steps")
async def test_a_command_that_is_broken_off_is_carried_out_in_the_background(tmp_path: Path) -> None:
    async with open_world(tmp_path, decodes=False) as world:
        await fill(world)
        ours = Deletions(world.db)
        repeating = asyncio.create_task(supervised(NAME, ours.repeat, Faults()))
        meant = await ours.meant(CRAWLED, Filter(frozenset({ChannelId(1)}), authors=frozenset({PROLIFIC})))

        def broken_off(done: int) -> None:
            raise ConnectionError(f"after {done}")

        with pytest.raises(ConnectionError):
            await ours.delete(CRAWLED, meant, broken_off)

        async def gone() -> bool:
            return await left(world) == 0

        await until(gone)
        repeating.cancel()
        await asyncio.wait({repeating})
