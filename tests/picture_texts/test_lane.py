"""The lane over a real database: the order of reading, what is stored, what is forgotten, what a restart goes on with.

Readers of its own take the place of the processes, which tests/ocr/test_reader.py and tests/captions/test_captioner.py
have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256

import pytest

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import Reason, Rejected, RetryLater
from indexer.picture_texts import lane as lane_module
from indexer.picture_texts.lane import LATER, MOST_UNREACHABLE, PictureTextLane
from indexer.picture_texts.reading import Reading
from indexer.picture_texts.requests import TextRequests
from indexer.questions import Questions
from indexer.records.ids import EVERYWHERE, ChannelId, MessageId, PictureId, UserId
from indexer.records.picture_texts import TextKind
from indexer.store import messages, opt_outs, pictures, places, readings
from indexer.store.readings import Source
from indexer.supervisor import Faults
from tests.worlds.records import AUTHOR, CHANNEL, decoded, message, picture, settle
from tests.worlds.waiting import until

OTHER = CHANNEL + 1


class Files:
    """Every picture's file is its link, unless it cannot be had."""

    def __init__(self) -> None:
        self.away = self.gone = False
        self.asked_px: list[int] = []

    async def of(self, source: Source, least_px: int) -> bytes:
        self.asked_px.append(least_px)
        if self.away:
            raise RetryLater("the network is away")
        if self.gone:
            raise Rejected(Reason.GONE, "no such file")
        return source.link.encode()


class Reader:
    """Reads the end of a link; what it is told to reject it rejects."""

    def __init__(self, kind: TextKind, least_px: int) -> None:
        self.kind = kind
        self.name = "reader 1"
        self.least_px = least_px
        self.away = False
        self.read_files: list[str] = []
        self.rejected: set[str] = set()
        self.halted = False
        self.rested = 0

    async def read(self, data: bytes) -> Reading:
        name = data.decode().rsplit("/", 1)[-1]
        if self.away:
            raise RetryLater("no such weights")
        self.read_files.append(name)
        if name in self.rejected:
            raise Rejected(Reason.WORKER_DIED, "SIGSEGV")
        return Reading("", None) if "blank" in name else Reading(f"words of {name}", 0.9)

    def halt(self) -> None:
        self.halted = True

    def go_on(self) -> None:
        self.halted = False

    async def rest(self) -> None:
        self.rested += 1


class World:
    """A lane over a database with pictures."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.files, self.questions, self.faults = Files(), Questions(), Faults()
        self.reader, self.captioner = Reader(TextKind.OCR, 800), Reader(TextKind.CAPTION, 384)
        wished = asyncio.Event()
        self.requests = TextRequests(db, TextKind.OCR, wished, enabled=True)
        self.captions = TextRequests(db, TextKind.CAPTION, wished, enabled=True)
        self._number = 0

    def lane(self, *readers: Reader, **more: bool) -> PictureTextLane:
        """With the reader of words alone, unless others are named."""
        changed = self.requests.changed
        return PictureTextLane(
            self.db, readers or [self.reader], self.files, self.questions, changed, self.faults, **more
        )

    async def post(self, name: str, channel: int = CHANNEL, author: int = AUTHOR, path: str = "") -> int:
        """A message with a picture; the same name is the same content. `path`: where an archive has its file."""
        self._number += 1
        shown = message(
            self._number, picture(f"https://cdn.example/1/{name}", path=path), channel=channel, author=author
        )
        async with self.db.transaction() as tx:
            stored = await messages.store(tx, [shown], keep="pictures", seen_ms=0)
            await places.attach(tx, stored.new_places[0].id, await pictures.add(tx, decoded(name)))
        return self._number

    async def read_all(self, lane: PictureTextLane) -> list[str]:
        """Begins, and reads until there is nothing more; the files that were read, in order."""
        self.reader.read_files.clear()
        await lane.begin()
        while (picture_id := await lane.next_picture()) is not None:
            await lane.read(picture_id)
        return list(self.reader.read_files)

    async def texts(self) -> dict[str, int]:
        """The texts of pictures, and of how many messages each is found."""
        async with self.db.reader() as connection:
            rows = await connection.execute_fetchall(
                "SELECT body, (SELECT count(*) FROM places p WHERE p.picture_id = t.picture_id) FROM picture_texts t"
                " WHERE kind = 'ocr' AND abs(confidence - 0.9) < 1e-6"
            )
        return {str(body): int(shown) for body, shown in rows}


@pytest.fixture
async def world(database: Database) -> World:
    await settle(database, CHANNEL, OTHER)
    return World(database)


def by_content(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: sha256(name.encode()).digest())


async def test_every_content_is_read_once_in_an_order_that_says_nothing_of_its_places(
    world: World,
) -> None:
    names = [f"shot-{number}" for number in range(6)]
    for number, name in enumerate(names):
        await world.post(name, channel=(CHANNEL, OTHER)[number % 2])
    await world.post(names[0], channel=OTHER)
    await world.post("blank")
    assert await world.read_all(world.lane()) == by_content([*names, "blank"])
    texts = await world.texts()
    assert texts == {f"words of {name}": 1 + (name == names[0]) for name in names}
    assert await world.requests.counts() == {"read": 7, "with_text": 6, "failed": 0, "left": 0}


async def test_a_restart_reads_only_what_is_left_and_another_model_reads_everything(world: World) -> None:
    await world.post("first")
    await world.read_all(world.lane())
    await world.post("second")
    assert await world.read_all(world.lane()) == ["second"]
    world.reader.name = "reader 2"
    assert sorted(await world.read_all(world.lane())) == ["first", "second"]
    await world.requests.again()
    assert sorted(await world.read_all(world.lane())) == ["first", "second"]


async def test_channels_that_were_put_first_come_first_and_the_others_after_them(world: World) -> None:
    for number in range(8):
        await world.post(f"shot-{number}", channel=(CHANNEL, OTHER)[number % 2])
    await world.requests.first([ChannelId(OTHER)])
    order = await world.read_all(world.lane())
    assert order[:4] == ["shot-7", "shot-5", "shot-3", "shot-1"]
    assert order[4:] == by_content(["shot-0", "shot-2", "shot-4", "shot-6"])


async def test_what_cannot_be_read_is_recorded_with_its_reason_and_not_tried_again(world: World) -> None:
    for name in ("broken", "good"):
        await world.post(name)
    world.reader.rejected.add("broken")
    await world.read_all(world.lane())
    async with world.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT reason, next_attempt_ms FROM readings WHERE reason NOT NULL")
    assert [tuple(row) for row in rows] == [(Reason.WORKER_DIED, None)]
    assert await world.read_all(world.lane()) == []


async def test_reading_rests_where_nothing_can_be_had_and_tries_again_later(world: World) -> None:
    for number in range(MOST_UNREACHABLE):
        await world.post(f"shot-{number}")
    world.files.away = True
    with pytest.raises(RetryLater, match="in a row could not be had"):
        await world.read_all(world.lane())
    async with world.db.reader() as connection:
        assert len(await readings.due(connection, [TextKind.OCR], now_ms() + 86_400_000, 10)) == MOST_UNREACHABLE
        assert await readings.due(connection, [TextKind.OCR], now_ms(), 10) == []


async def test_what_is_gone_is_looked_for_again_days_later_and_then_no_more(world: World) -> None:
    """The disk with an archive may not be there today."""
    await world.post("shot")
    world.files.gone = True
    lane = world.lane()
    pauses_ms = []
    for _ in range(LATER[Reason.GONE].tries):
        await lane.begin()
        await lane.read(PictureId(1))
        async with world.db.reader() as connection:
            ((due_ms,),) = await connection.execute_fetchall("SELECT next_attempt_ms FROM readings")
        pauses_ms.append(due_ms and due_ms - now_ms())
        async with world.db.transaction() as tx:  # the days pass
            await tx.execute_fetchall("UPDATE readings SET next_attempt_ms = 1 WHERE next_attempt_ms IS NOT NULL")
    assert pauses_ms.pop() is None
    assert all(pause_ms > 11 * 3_600_000 for pause_ms in pauses_ms)


async def test_without_a_connection_only_files_of_archives_are_read_and_wishes_stay(world: World) -> None:
    for number in range(4):
        await world.post(f"shot-{number}", path=f"/disk/{number}.png" if number % 2 else "")
    await world.requests.first([ChannelId(CHANNEL)])
    assert await world.read_all(world.lane(archives_only=True)) == ["shot-3", "shot-1"]
    assert await world.requests.counts() == {"read": 2, "with_text": 2, "failed": 0, "left": 2}
    assert await world.read_all(world.lane()) == ["shot-2", "shot-0"], "in the order that was wished for"


async def test_a_wish_is_heard_at_once_by_a_lane_that_has_nothing_to_do(world: World) -> None:
    await world.post("here")
    await world.post("there", channel=OTHER)
    lane = world.lane()
    running = asyncio.create_task(lane.run())
    await until(lambda: len(world.reader.read_files) == 2)
    world.reader.read_files.clear()
    await world.requests.again([ChannelId(OTHER)])
    await until(lambda: world.reader.read_files == ["there"])
    running.cancel()
    await asyncio.wait([running])


async def test_nothing_is_opened_of_authors_who_opted_out_and_texts_go_with_their_picture(world: World) -> None:
    leaving, staying = await world.post("leaving", author=AUTHOR + 1), await world.post("staying")
    async with world.db.transaction() as tx:
        await opt_outs.add(tx, UserId(AUTHOR + 1), EVERYWHERE)
    assert await world.read_all(world.lane()) == ["staying"], "its messages are not deleted yet"
    async with world.db.transaction() as tx:
        await messages.delete(tx, [MessageId(staying), MessageId(leaving)])
    async with world.db.reader() as connection:
        for table in ("pictures", "picture_texts", "readings", "shown_texts"):
            assert list(await connection.execute_fetchall(f"SELECT * FROM {table}")) == []


async def test_new_pictures_come_before_all_others(world: World) -> None:
    lane = world.lane()
    for number in range(3):
        await world.post(f"old-{number}")
    await lane.begin()
    first = await lane.next_picture()
    for number in range(2):
        await world.post(f"new-{number}")
    newer = [await lane.next_picture(), await lane.next_picture()]
    assert newer == [5, 4], "the newest first"
    rest = [await lane.next_picture(), await lane.next_picture()]
    assert {first, *rest} == {1, 2, 3}


async def test_it_is_halted_from_a_question_until_nobody_has_asked_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.questions.QUIET_S", 0.05)
    await world.post("shot")
    lane = world.lane()
    making_room = asyncio.create_task(lane.make_room())
    await asyncio.sleep(0)
    with world.questions.asking():
        await until(lambda: world.reader.halted)
        reading = asyncio.create_task(lane.run())
        for _ in range(20):
            await asyncio.sleep(0)
        assert world.reader.read_files == []
    await until(lambda: world.reader.read_files == ["shot"])
    assert not world.reader.halted
    for task in (making_room, reading):
        task.cancel()
    await asyncio.wait([making_room, reading])


async def test_two_readers_share_the_file_of_a_picture_and_each_has_what_it_has_not_read(world: World) -> None:
    for name in ("shot-0", "shot-1"):
        await world.post(name)
    await world.read_all(world.lane())
    await world.post("shot-2")
    world.files.asked_px.clear()
    both = world.lane(world.reader, world.captioner)
    assert await world.read_all(both) == ["shot-2"], "the others were read before captions were switched on"
    assert sorted(world.captioner.read_files) == ["shot-0", "shot-1", "shot-2"]
    assert sorted(world.files.asked_px) == [384, 384, 800], "one file a picture, as large as its readers need"
    for requests in (world.requests, world.captions):
        assert await requests.counts() == {"read": 3, "with_text": 3, "failed": 0, "left": 0}
    world.captioner.read_files.clear()
    await world.captions.again()
    assert await world.read_all(both) == []
    assert len(world.captioner.read_files) == 3


async def test_what_one_reader_cannot_read_the_other_reads(world: World) -> None:
    await world.post("shot")
    world.captioner.rejected.add("shot")
    lane = world.lane(world.captioner, world.reader)
    assert await world.read_all(lane) == ["shot"]
    assert (await world.captions.counts())["failed"] == 1
    assert await world.read_all(lane) == [], "what failed for good is not tried again for the other's sake"
    assert len(world.captioner.read_files) == 1


async def test_a_reader_that_is_not_to_be_had_is_left_aside_and_catches_up(world: World) -> None:
    for number in range(3):
        await world.post(f"shot-{number}")
    await world.captions.first([ChannelId(CHANNEL)])
    world.captioner.away = True
    lane = world.lane(world.captioner, world.reader)
    assert len(await world.read_all(lane)) == 3
    assert world.faults.count("texts of pictures: caption") == 1, "it was asked once, not with each picture"
    assert await world.captions.counts() == {"read": 0, "with_text": 0, "failed": 0, "left": 3}
    world.captioner.away = False
    assert await lane.next_picture() is None
    lane._aside_until_s[TextKind.CAPTION] = 0.0  # its pause is over
    order = []
    while (picture_id := await lane.next_picture()) is not None:
        await lane.read(picture_id)
        order.append(picture_id)
    assert order == [3, 2, 1], "in the order that was wished for before"
    assert world.faults.in_a_row("texts of pictures: caption") == 0
    alone = world.lane(world.captioner)
    world.captioner.away = True
    await world.captions.again()
    with pytest.raises(RetryLater, match="no such weights"):
        await world.read_all(alone)


async def test_every_reader_is_halted_and_rests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "IDLE_S", 0.0)
    lane = world.lane(world.reader, world.captioner)
    tasks = [asyncio.create_task(lane.make_room()), asyncio.create_task(lane.run())]
    await until(lambda: bool(world.reader.rested and world.captioner.rested))
    with world.questions.asking():
        await until(lambda: world.reader.halted and world.captioner.halted)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (world.reader.halted, world.captioner.halted) == (False, False)
