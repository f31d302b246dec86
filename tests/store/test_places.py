"""Places and pictures: what still has to be fetched, what failed, what is kept once."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence

import aiosqlite
import pytest

from indexer.database.database import Database
from indexer.errors import Reason
from indexer.records.hits import PlaceDetail
from indexer.records.ids import DISCORD, GuildId, MessageId, PictureId, PlaceId
from indexer.records.messages import PlaceFlag, Source
from indexer.store import guilds, messages, pictures, places
from tests.worlds.records import AUTHOR, CHANNEL, GUILD, count, decoded, message, picture, settle

OTHER = GuildId(2)


@pytest.fixture
async def tx(database: Database) -> AsyncIterator[aiosqlite.Connection]:
    """One transaction for the whole test, in guild 1 with channel 10 and guild 2 with channel 20."""
    await settle(database)
    await settle(database, 20, guild=OTHER)
    async with database.transaction() as connection:
        yield connection


async def post(tx: aiosqlite.Connection, *numbers: int, guild: int = GUILD) -> list[PlaceId]:
    """A message with one picture for each number, oldest first."""
    page = [message(n, picture(f"https://cdn.example/{n}.png"), guild=guild, channel=10 * guild) for n in numbers]
    return [place.id for place in (await messages.store(tx, page, keep="pictures", seen_ms=0)).new_places]


async def todo(tx: aiosqlite.Connection, limit: int = 99, now_ms: int = 0) -> list[int]:
    """The messages whose pictures are to be fetched, in order."""
    return [place.message_id for place in await places.pending(tx, limit, now_ms)]


async def failures(tx: aiosqlite.Connection) -> Sequence[tuple[int, str | None, int, int | None]]:
    found = await tx.execute_fetchall("SELECT message_id, reason, attempts, next_attempt_ms FROM places ORDER BY 1")
    return [tuple(row) for row in found]


async def test_the_newest_message_is_fetched_first(tx: aiosqlite.Connection) -> None:
    await post(tx, 1, 3, 2)
    assert await todo(tx) == [3, 2, 1]
    assert await todo(tx, limit=2) == [3, 2]


async def test_guilds_take_turns_however_much_one_of_them_has(tx: aiosqlite.Connection) -> None:
    await post(tx, *range(100, 150))
    await post(tx, 1, 2, guild=OTHER)
    turns = await todo(tx, limit=6)
    assert set(turns[:2]) == {149, 2}
    assert set(turns[2:4]) == {148, 1}
    assert turns[4:] == [147, 146]


async def test_only_guilds_that_consented_are_worked_on_unless_one_is_named(tx: aiosqlite.Connection) -> None:
    await post(tx, 1)
    await post(tx, 2, guild=OTHER)
    await guilds.set_consent(tx, OTHER, False)
    assert await todo(tx) == [1]
    assert [place.message_id for place in await places.pending(tx, 9, 0, OTHER)] == [2]
    assert await guilds.consented(tx) == [GUILD]


async def test_what_is_being_fetched_already_is_left_out(tx: aiosqlite.Connection) -> None:
    ids = await post(tx, 1, 2, 3)
    left = await places.pending(tx, 2, 0, exclude=ids[1:])
    assert [place.place_id for place in left] == ids[:1]


async def test_a_pending_place_carries_what_fetching_needs(tx: aiosqlite.Connection) -> None:
    ref = picture("https://cdn.example/x/y.gif", 3)
    stored = await messages.store(tx, [message(5, ref)], keep="pictures", seen_ms=0)
    (pending,) = await places.pending(tx, 9, 0)
    assert pending == places.PendingPlace(
        place_id=stored.new_places[0].id,
        guild_id=GUILD,
        channel_id=CHANNEL,
        message_id=MessageId(5),
        origin_id=DISCORD,
        ordinal=3,
        link="https://cdn.example/x/y.gif",
        attempts=0,
    )


async def test_a_failed_place_comes_back_when_it_is_due(tx: aiosqlite.Connection) -> None:
    first, second = await post(tx, 1, 2)
    assert await places.failed(tx, first, Reason.UNREACHABLE, next_attempt_ms=100)
    assert await places.failed(tx, second, Reason.GONE)

    assert await todo(tx, now_ms=99) == []
    assert await todo(tx, now_ms=100) == [1]
    (due,) = await places.pending(tx, 9, 100)
    assert due.attempts == 1

    await places.failed(tx, first, Reason.UNREACHABLE, next_attempt_ms=300)
    assert await failures(tx) == [(1, "unreachable", 2, 300), (2, "gone", 1, None)]


async def test_retry_makes_the_failed_ones_of_one_guild_or_of_all_pending_again(tx: aiosqlite.Connection) -> None:
    (mine,) = await post(tx, 1)
    (theirs,) = await post(tx, 2, guild=OTHER)
    for place_id in (mine, theirs):
        await places.failed(tx, place_id, Reason.GONE)
    assert await places.retry(tx, GUILD) == 1
    assert await todo(tx) == [1]
    assert await places.retry(tx) == 1
    assert sorted(await todo(tx)) == [1, 2]
    assert await failures(tx) == [(1, None, 0, None), (2, None, 0, None)]


async def test_a_place_with_its_picture_is_done(tx: aiosqlite.Connection) -> None:
    (place_id,) = await post(tx, 1)
    picture_id = await pictures.add(tx, decoded("a"))
    assert await places.attach(tx, place_id, picture_id)
    assert await todo(tx) == []
    assert not await places.failed(tx, place_id, Reason.UNREACHABLE)  # a failure that comes late changes nothing
    assert (await places.describe(tx, [place_id]))[place_id].picture_id == picture_id


async def test_an_animated_picture_marks_its_place(tx: aiosqlite.Connection) -> None:
    (place_id,) = await post(tx, 1)
    await places.attach(tx, place_id, await pictures.add(tx, decoded("a", frame_count=12)))
    assert (await places.describe(tx, [place_id]))[place_id].flags == PlaceFlag.ANIMATED


async def test_a_picture_for_a_place_that_is_gone_by_now_is_not_kept(tx: aiosqlite.Connection) -> None:
    (place_id,) = await post(tx, 1)
    await messages.delete(tx, [MessageId(1)])
    assert not await places.attach(tx, place_id, await pictures.add(tx, decoded("a")))
    assert not await places.failed(tx, place_id, Reason.GONE)
    assert await count(tx, "pictures") == 0


async def test_a_batch_is_stored_as_its_pictures_would_be_one_by_one(tx: aiosqlite.Connection) -> None:
    """New, known, animated and formerly rejected ones, one shown twice, and one whose place is gone by now."""
    new, known, moving, gone, again, mended, waiting = await post(tx, 1, 2, 3, 4, 5, 6, 7)
    known_id = await pictures.add(tx, decoded("known"))
    await places.attach(tx, known, known_id)
    rejected = await pictures.add_rejected(tx, decoded("mended").sha256, 6, Reason.CORRUPT)
    await places.attach(tx, waiting, rejected)
    await messages.delete(tx, [MessageId(4)])
    batch = [decoded("new"), decoded("known"), decoded("moving", frame_count=9), decoded("gone"), decoded("mended")]
    ids = await pictures.add_all(tx, batch)
    assert (ids[1], ids[4], len(set(ids))) == (known_id, rejected, 5)
    shown = [(new, ids[0]), (moving, ids[2]), (gone, ids[3]), (again, ids[0]), (mended, ids[4])]
    assert await places.attach_all(tx, shown) == 4
    assert [(await pictures.get(tx, picture_id)) is not None for picture_id in ids] == [True, True, True, False, True]
    found = await places.describe(tx, [new, known, moving, again, mended, waiting])
    assert [found[place].picture_id for place in (new, known, moving, again, mended, waiting)] == [
        ids[0], known_id, ids[2], ids[0], rejected, rejected,
    ]  # fmt: skip
    assert [place for place, detail in found.items() if PlaceFlag.ANIMATED in detail.flags] == [moving]
    assert await todo(tx) == []
    assert {reason for _, reason, *_ in await failures(tx)} == {None}
    assert await pictures.add_all(tx, []) == []
    assert await places.attach_all(tx, []) == 0


async def test_bytes_that_were_rejected_once_are_rejected_wherever_they_are_posted(tx: aiosqlite.Connection) -> None:
    first, second = await post(tx, 1, 2)
    sha256 = hashlib.sha256(b"broken").digest()
    rejected = await pictures.add_rejected(tx, sha256, 6, Reason.CORRUPT)
    assert await places.attach(tx, first, rejected)
    known = await pictures.by_sha256(tx, sha256)
    assert known is not None
    assert (known.id, known.rejected, known.width) == (rejected, Reason.CORRUPT, None)
    assert await places.attach(tx, second, known.id)
    assert await failures(tx) == [(1, "corrupt", 1, None), (2, "corrupt", 1, None)]


async def test_retry_gives_rejected_bytes_a_second_chance(tx: aiosqlite.Connection) -> None:
    (place_id,) = await post(tx, 1)
    await places.attach(tx, place_id, await pictures.add_rejected(tx, decoded("a").sha256, 1, Reason.UNSUPPORTED))
    await places.retry(tx)
    assert await count(tx, "pictures") == 0
    assert await todo(tx) == [1]


async def test_a_rejected_picture_that_can_be_read_after_all_is_ready_everywhere(tx: aiosqlite.Connection) -> None:
    first, second = await post(tx, 1, 2)
    rejected = await pictures.add_rejected(tx, decoded("a").sha256, 1, Reason.UNSUPPORTED)
    for place_id in (first, second):
        await places.attach(tx, place_id, rejected)
    assert await pictures.add(tx, decoded("a")) == rejected
    assert [row[:2] for row in await failures(tx)] == [(1, None), (2, None)]
    ready = await pictures.get(tx, rejected)
    assert ready is not None
    assert (ready.rejected, ready.width, ready.height) == (None, 640, 480)
    assert await pictures.add_rejected(tx, decoded("a").sha256, 1, Reason.CORRUPT) == rejected
    still = await pictures.get(tx, rejected)
    assert still == ready


async def test_the_same_bytes_are_one_picture(tx: aiosqlite.Connection) -> None:
    picture_id = await pictures.add(tx, decoded("a"))
    assert await pictures.add(tx, decoded("a")) == picture_id
    found = await pictures.by_sha256(tx, decoded("a").sha256)
    assert found is not None
    assert found.id == picture_id


@pytest.mark.parametrize("content", [str(number) for number in range(8)])
async def test_a_perceptual_hash_comes_back_as_it_went_in(tx: aiosqlite.Connection, content: str) -> None:
    picture_id = await pictures.add(tx, decoded(content))
    row = await pictures.get(tx, picture_id)
    assert row is not None
    assert row.perceptual_hash == decoded(content).perceptual_hash


async def test_ids_of_pictures_and_places_are_never_used_twice(tx: aiosqlite.Connection) -> None:
    (place_id,) = await post(tx, 1)
    picture_id = await pictures.add(tx, decoded("a"))
    await places.attach(tx, place_id, picture_id)
    await messages.delete(tx, [MessageId(1)])
    assert (await post(tx, 2))[0] > place_id
    assert await pictures.add(tx, decoded("b")) > picture_id


async def test_a_hit_is_described_with_everything_it_shows(tx: aiosqlite.Connection) -> None:
    ref = picture("https://cdn.example/x/y.png", alt_text="a boat", flags=PlaceFlag.SPOILER)
    stored = await messages.store(tx, [message(5, ref, content="look")], keep="pictures", seen_ms=0)
    place_id = stored.new_places[0].id
    before = (await places.describe(tx, [place_id, PlaceId(10**6)]))[place_id]
    assert (before.width, before.height, before.picture_id) == (0, 0, None)
    picture_id = await pictures.add(tx, decoded("a"))
    await places.attach(tx, place_id, picture_id)
    assert await places.describe(tx, [place_id, PlaceId(10**6)]) == {
        place_id: PlaceDetail(
            source=Source.ATTACHMENT,
            flags=PlaceFlag.SPOILER,
            place_id=place_id,
            picture_id=picture_id,
            guild_id=GUILD,
            channel_id=CHANNEL,
            message_id=MessageId(5),
            author_id=AUTHOR,
            author_name="Ada",
            content="look",
            link="https://cdn.example/x/y.png",
            file_name="y.png",
            alt_text="a boat",
            width=640,
            height=480,
        )
    }


async def test_the_newest_place_of_a_picture_is_where_to_fetch_it_again(tx: aiosqlite.Connection) -> None:
    ids = await post(tx, 1, 2)
    picture_id = await pictures.add(tx, decoded("a"))
    for place_id in ids:
        await places.attach(tx, place_id, picture_id)
    found = await places.showing(tx, [picture_id, PictureId(10**6)])
    assert {number: place.message_id for number, place in found.items()} == {picture_id: 2}
