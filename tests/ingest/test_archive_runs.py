"""A run reads the origin that it is told to, and each picture is fetched again from where its message was told."""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from indexer.crawl import guild_crawl
from indexer.crawl.histories import Histories
from indexer.crawl.hit_verifier import HitVerifier
from indexer.database.database import Database
from indexer.errors import ChannelClosed, ChannelGone
from indexer.ingest import pending
from indexer.ports import History
from indexer.progress import State
from indexer.records.hits import Hit, Place
from indexer.records.ids import DISCORD, ChannelId, OriginId, PictureId
from indexer.records.messages import Message, Origin, PictureRef, Source
from indexer.store import channels, guilds, messages, origins, places, spans
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import GUILD, FakeHistory, World, open_world
from tests.worlds.waiting import until


@dataclass
class FakeArchive(FakeHistory):
    """An archive (a port): a history with a date and, for some pictures, their files."""

    page_size: int = 40
    written_ms: int = 1_700_000_000_000

    def __post_init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def picture(self, ref: PictureRef) -> bytes | None:
        return self.files.get(ref.link)

    def save(self, number: int = 0) -> Message:
        """A message of channel 1 with a picture whose file is there. Messages with higher numbers are newer."""
        self.channel(1)
        self.files[f"media/{number}.png"] = picture(number)
        return self.post(1, number * 60, f"media/{number}.png")


@dataclass
class Archived:
    """A world, an archive beside it, and the histories that know both (or the archive alone)."""

    world: World
    archive: FakeArchive
    origin_id: OriginId
    connected: Histories
    alone: Histories


@pytest.fixture
async def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Archived]:
    monkeypatch.setattr(guild_crawl, "CONFIRM_S", 0.01)
    monkeypatch.setattr(pending, "BACKOFF", replace(pending.BACKOFF, first_s=0.01, longest_s=0.01))
    async with open_world(tmp_path) as world:
        archive = FakeArchive(cdn=world.cdn)

        async def open_archive(_db: Database, origin: Origin) -> History:
            assert origin.location == "/exports/1.json"
            return archive

        async with world.db.transaction() as tx:
            origin = await origins.note(tx, "export", "/exports/1.json", "1")
            await guilds.set_consent(tx, GUILD, False)
        connected = Histories(world.db, world.history, open_archive)
        yield Archived(world, archive, origin.id, connected, Histories(world.db, None, open_archive))


async def count(world: World, state: str) -> int:
    return await world.count("SELECT count(*) FROM places WHERE state = ?", state)


async def test_an_archive_is_read_without_any_connection_and_its_files_are_its_own(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    for number in range(100):
        archive.save(number)
    async with world.pipeline(histories=archived.alone) as running:
        progress = await running.run_guild(GUILD, origin_id=archived.origin_id)
        assert (progress.state, progress.messages, progress.places_done, progress.failed) == (State.DONE, 100, 100, 0)
        archive.pages.clear()
        again = await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert (again.places_total, archive.pages.total(), world.encoder.encoded) == (0, 1, 100)
    assert world.cdn.requests.total() == 0
    assert await world.count("SELECT min(checked_ms) FROM messages") == archive.written_ms
    assert await world.count("SELECT consent FROM guilds") == 0  # an import lets nobody read Discord
    async with world.db.reader() as connection:
        assert await spans.of_channel(connection, ChannelId(1)) == []
        assert len(await spans.of_channel(connection, ChannelId(1), archived.origin_id)) == 1


async def test_what_an_import_left_is_taken_up_again_from_the_archive(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    post = archive.save()
    async with world.db.transaction() as tx:  # as a kill right after the page was stored leaves it
        await channels.upsert(tx, [replace(archive.listed[ChannelId(1)], origin_id=archived.origin_id)])
        await messages.store(tx, [post], keep="pictures", seen_ms=1, origin_id=archived.origin_id)
        await spans.cover(tx, ChannelId(1), 0, post.id, archived.origin_id)
    async with world.pipeline(histories=archived.alone) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert await count(world, "ready") == 1
    assert world.history.pages.total() == 0


async def test_an_expired_link_of_an_archive_is_replaced_by_discords(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    for history in (archive, world.history):
        history.channel(1)
        history.post(1, 60, world.cdn.add("a.png", picture(1)))
    world.cdn.revoke()
    archive.cdn = None  # its links stay as they were written down
    async with world.pipeline(histories=archived.connected) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert await count(world, "ready") == 1


async def test_an_expired_link_that_discord_does_not_show_is_recorded_as_gone(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    archive.channel(1)
    archive.post(1, 60, world.cdn.add("a.png", picture(1)))
    archive.cdn = None
    world.history.closed[ChannelId(1)] = ChannelClosed("closed-view", channel="1")
    async with world.pipeline(histories=archived.connected) as running:
        progress = await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert progress.failed == 1
    assert await world.count("SELECT count(*) FROM places WHERE reason = 'gone'") == 1


async def test_reading_discord_leaves_alone_what_only_the_archive_has(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    archive.save()
    world.history.closed[ChannelId(1)] = ChannelGone("closed-gone", code="10003", about="channel 1")
    world.history.channel(2)
    async with world.pipeline(histories=archived.connected) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
        await running.run_guild(GUILD)
    assert world.history.pages[ChannelId(1)] == 0
    assert await count(world, "ready") == 1


async def test_reading_discord_takes_out_what_it_no_longer_shows(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    for history in (archive, world.history):
        history.channel(1)
        for at in range(5):
            history.post(1, at * 60, world.cdn.add(f"{at}.png", picture(at)))
    gone = sorted(world.history.messages[ChannelId(1)])[2]
    del world.history.messages[ChannelId(1)][gone]
    async with world.pipeline(histories=archived.connected) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
        assert await count(world, "ready") == 5
        await running.run_guild(GUILD)
        assert await count(world, "ready") == 4
        again = await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert again.state is State.DONE
    assert await count(world, "ready") == 4
    assert await world.count("SELECT count(*) FROM messages WHERE origin_id != ?", DISCORD) == 0
    assert world.encoder.encoded == 5


async def test_a_page_of_an_archive_takes_nothing_out(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    for number in range(3):
        archive.save(number)
    async with world.pipeline(histories=archived.alone) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
        del archive.messages[ChannelId(1)][min(archive.messages[ChannelId(1)])]  # a newer, narrower export
        async with world.db.transaction() as tx:
            await origins.note(tx, "export", "/exports/1.json", "2")
        await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert await count(world, "ready") == 3


async def test_places_of_discord_wait_while_there_is_no_connection(archived: Archived) -> None:
    world = archived.world
    world.history.channel(1)
    post = world.history.post(1, 60, world.cdn.add("a.png", picture(1)))
    async with world.db.transaction() as tx:
        await channels.upsert(tx, list(world.history.listed.values()))
        await messages.store(tx, [post], keep="pictures", seen_ms=1)
    archived.archive.channel(2)
    async with world.pipeline(histories=archived.alone) as running:
        progress = await running.run_guild(GUILD, origin_id=archived.origin_id)
    assert progress.state is State.DONE
    assert await count(world, "pending") == 1


async def test_housekeeping_fetches_again_for_a_server_that_only_an_archive_knows(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, archive = archived.world, archived.archive
    monkeypatch.setattr("indexer.ingest.pipeline.HOUSEKEEPING_S", 0.02)
    post = archive.save()
    archive.files[post.pictures[0].link] = b"not a picture yet"
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM guilds")
    async with world.pipeline(histories=archived.alone) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
        assert await count(world, "failed") == 1
        archive.save()
        async with world.db.transaction() as tx:
            await places.retry(tx, GUILD)

        async def ready() -> bool:
            return await count(world, "ready") == 1

        await until(ready)


async def test_of_an_archive_that_changed_the_former_version_is_not_held_any_more(archived: Archived) -> None:
    world, histories = archived.world, archived.connected
    versions = []
    for version in "12":
        async with world.db.transaction() as tx:
            origin = await origins.note(tx, "export", "/exports/1.json", version)
        opened = FakeArchive(cdn=world.cdn)
        versions.append(weakref.ref(opened))
        histories.remember(origin, opened)
        assert await histories.of(archived.origin_id) is opened
        del opened
    assert [version() is None for version in versions] == [True, False]


async def test_an_archive_that_is_not_there_is_named(archived: Archived) -> None:
    unopened = Histories(archived.world.db, archived.world.history)
    assert await unopened.of(DISCORD) is archived.world.history
    for origin_id, name, location in ((archived.origin_id, "1.json", "/exports/1.json"), (OriginId(99), "99", "99")):
        with pytest.raises(ChannelClosed) as closed:
            await unopened.of(origin_id)
        assert closed.value.sentence.values["archive"] == name  # for people, who are not told where it lies
        assert location in str(closed.value)  # for the log
    async with archived.world.pipeline(histories=unopened) as running:
        with pytest.raises(ChannelClosed):
            await running.run_guild(GUILD, origin_id=archived.origin_id)
        assert running.progress(GUILD) is None
        assert not running.runs(GUILD)


async def test_a_hit_that_an_archive_told_is_shown_as_long_as_discord_has_its_message(archived: Archived) -> None:
    world, archive = archived.world, archived.archive
    post = archive.save()
    world.history.channel(1)
    async with world.pipeline(histories=archived.alone) as running:
        await running.run_guild(GUILD, origin_id=archived.origin_id)
    async with world.db.reader() as connection:
        ((place_id,),) = await connection.execute_fetchall("SELECT place_id FROM places")
    place = Place(post.id, place_id, post.channel_id, post.author_id)
    hit = Hit(PictureId(1), 1.0, place, post.pictures[0].link, Source.ATTACHMENT, "0.png", "", "", "", 1, 1)
    verifier = HitVerifier(world.db, world.history, "pictures", world.faults)
    world.history.post(1, 0, world.cdn.add("a.png", picture(1)))  # Discord knows the picture by its link
    assert (await verifier.verify([hit])).hits == (hit,)
    world.history.messages[ChannelId(1)].clear()
    verifier.forget()
    assert (await verifier.verify([hit])).gone == {post.id}
    assert await count(world, "ready") == 0
