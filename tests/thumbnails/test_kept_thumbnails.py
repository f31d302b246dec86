"""Thumbnails on the disk, from the import that makes them to the wish that takes them away."""

from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from indexer.database.database import Database
from indexer.imports.archive_opener import open_archive
from indexer.ingest import stages
from indexer.ingest import thumbnails as ingest_thumbnails
from indexer.records.ids import DISCORD, GuildId, MessageId, OriginId, PlaceId, UserId
from indexer.service import Service, open_service
from indexer.settings import Settings, ThumbnailSettings
from indexer.store import forget, messages, opt_outs, pictures, places
from indexer.thumbnails.kept_thumbnails import KeptThumbnails, open_kept_thumbnails
from indexer.thumbnails.thumbnail_file import FILE_NAME
from tests.archives.test_import import import_, settings, write_export
from tests.worlds.encoder import Encoder
from tests.worlds.exports import GUILD
from tests.worlds.migrated import migrated
from tests.worlds.picture_files import encoded, scene
from tests.worlds.pipeline_world import open_world
from tests.worlds.records import decoded, message, picture, settle
from tests.worlds.waiting import DEADLINE_S, until


@asynccontextmanager
async def service_on(folder: Path, keep: str = "imported") -> AsyncIterator[Service]:
    chosen = replace(settings(folder), thumbnails=ThumbnailSettings(keep=keep))
    migrated(chosen.data_dir)
    async with open_service(chosen, None, Encoder(), open_archive=partial(open_archive, chosen)) as service:
        yield service


@pytest.fixture
async def export(tmp_path: Path) -> Path:
    folder = await asyncio.to_thread(write_export, tmp_path / "export", 3)
    await asyncio.to_thread((folder / "photos.json_Files" / "cat-0.png").write_bytes, encoded(scene(900, 300), "PNG"))
    return folder


def saved(export: Path, number: int) -> Path:
    """The file of this message's picture."""
    return export / "photos.json_Files" / f"cat-{number}.png"


async def ready(db: Database) -> int:
    """How many places show a picture."""
    async with db.reader() as connection:
        ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM places WHERE state = 'ready'")
    return int(count)


async def until_more(db: Database, before: int) -> None:
    async def more() -> bool:
        return await ready(db) > before

    await until(more)


async def every_place(service: Service) -> list[PlaceId]:
    async with service.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT place_id FROM places WHERE state = 'ready' ORDER BY 1")
    return [PlaceId(place_id) for (place_id,) in rows]


def kept_of(database: Database, keep: str) -> AbstractAsyncContextManager[KeptThumbnails]:
    return KeptThumbnails(database, Settings(data_dir=database.path.parent, thumbnails=ThumbnailSettings(keep=keep)))


def size_of(webp: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(webp), formats=["WEBP"]) as image:
        return image.size


async def test_an_import_keeps_a_thumbnail_of_each_picture_which_serves_when_the_files_are_gone(
    data_dir: Path, export: Path
) -> None:
    async with service_on(data_dir) as service:
        await import_(service, export)
        shown = await every_place(service)
        found = await service.kept_thumbnails.of(shown)
        assert sorted(size_of(webp) for webp in found.values()) == [(24, 20), (24, 20), (256, 85)]
        for path in (export / "photos.json_Files").iterdir():
            await asyncio.to_thread(path.unlink)
        for place_id in shown:
            thumbnail = await service.thumbnails.of(GuildId(GUILD), place_id)
            assert thumbnail is not None
            assert thumbnail.webp == found[place_id]
        status = await service.kept_thumbnails.status()
        assert (status.count, status.hits, status.misses) == (3, 6, 0)
    async with open_kept_thumbnails(settings(data_dir)) as reader:  # as a command, beside a bot or without
        assert await reader.of(shown) == found


async def test_a_second_import_makes_up_what_is_missing_and_embeds_nothing(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir, "off") as service:
        await import_(service, export)
        assert await service.kept_thumbnails.of(await every_place(service)) == {}
    assert not (data_dir / FILE_NAME).exists()
    other = await asyncio.to_thread(write_export, export.parent / "other", 6)
    third = await asyncio.to_thread(write_export, export.parent / "third", 9)
    for number in range(9):  # three more messages in each show the same
        await asyncio.to_thread(shutil.copy, saved(export, number % 3), saved(third, number))
    for number in range(6):
        await asyncio.to_thread(shutil.copy, saved(export, number % 3), saved(other, number))
    async with service_on(data_dir) as service:
        again = await import_(service, other)
        shown = await every_place(service)
        assert (again.embedded, len(shown), len(await service.kept_thumbnails.of(shown))) == (0, 6, 6)
        made_ms = (await service.kept_thumbnails.status()).oldest_ms
        await import_(service, third)
        assert len(await every_place(service)) == 9
        assert (await service.kept_thumbnails.status()).oldest_ms == made_ms  # none was made again


@pytest.mark.parametrize("before", ["nothing was imported", "imported without thumbnails"])
async def test_an_import_ends_when_its_last_thumbnail_is_kept(data_dir: Path, export: Path, before: str) -> None:
    other = await asyncio.to_thread(write_export, export.parent / "other", 6)
    known = before == "imported without thumbnails"
    if known:
        async with service_on(data_dir, "off") as service:
            await import_(service, export)
        for number in range(6):
            await asyncio.to_thread(shutil.copy, saved(export, number % 3), saved(other, number))
    async with service_on(data_dir) as service:
        async with service.kept_thumbnails._turn:  # as a purge has it
            importing = asyncio.create_task(import_(service, other))
            await until_more(service.db, 3 if known else 0)
            await asyncio.wait({importing}, timeout=0.2)
            assert not importing.done()
        await importing
        assert (await service.kept_thumbnails.status()).count == (3 if known else 6)


async def test_an_import_does_not_wait_for_ever_until_thumbnails_are_kept(
    data_dir: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_thumbnails, "KEEP_S", 0.05)
    async with service_on(data_dir) as service, service.kept_thumbnails._turn:
        assert (await import_(service, export)).embedded == 3
        assert (await service.kept_thumbnails.status()).count == 0


@pytest.mark.parametrize("released", [True, False])
async def test_a_pipeline_that_ends_keeps_the_thumbnail_of_what_it_has_stored(
    data_dir: Path, released: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not released:
        monkeypatch.setattr(stages, "STORING_S", 0.05)
        monkeypatch.setattr(ingest_thumbnails, "KEEP_S", 3600.0)
    async with open_world(data_dir) as world, kept_of(world.db, "all") as kept:
        channel = world.history.channel(1)
        message = world.history.post(1, 60, world.cdn.add("live.png", encoded(scene(40, 30), "PNG")))
        await kept._turn.acquire()  # as a purge has it
        async with world.pipeline(kept=kept) as running:
            await world.live(running).on_message(world.history._shown(message), channel)
            await until_more(world.db, 0)
            if released:
                asyncio.get_running_loop().call_soon(kept._turn.release)
        assert (await kept.status()).count == released
        assert await ready(world.db) == 1


async def test_a_file_that_may_be_large_is_compared_by_its_thumbnail(data_dir: Path, export: Path) -> None:
    """What a file shows, its bytes decide: this one is a PNG under the name of a camera raw file."""
    raw = saved(export, 0).with_suffix(".dng")
    await asyncio.to_thread(shutil.copy, saved(export, 0), raw)
    async with service_on(data_dir, "off") as service:
        await import_(service, export)
        async with service.db.transaction() as tx:
            await tx.execute_fetchall("UPDATE places SET path = ? WHERE path LIKE '%cat-0.png'", (str(raw),))
        sides = []
        for place_id in await every_place(service):
            data = await service.thumbnails.file(GuildId(GUILD), place_id)
            assert data is not None
            assert await service.thumbnails.nearby(GuildId(GUILD), place_id) == data
            with Image.open(io.BytesIO(data)) as image:
                sides.append((image.format, max(image.size)))
        assert sorted(sides) == [("PNG", 24), ("PNG", 24), ("WEBP", 256)]


async def test_what_was_not_kept_is_kept_once_somebody_has_looked(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir, "off") as service:
        await import_(service, export)
    async with service_on(data_dir) as service:
        shown = await every_place(service)
        for place_id in shown:
            assert await service.thumbnails.of(GuildId(GUILD), place_id) is not None
        assert len(await service.kept_thumbnails.of(shown)) == 3


async def test_a_file_that_was_replaced_is_not_shown_where_others_show_its_former_picture(
    data_dir: Path, export: Path
) -> None:
    await asyncio.to_thread(shutil.copy, saved(export, 1), saved(export, 2))
    async with service_on(data_dir, "off") as service:
        await import_(service, export)
    await asyncio.to_thread(saved(export, 1).write_bytes, encoded(scene(400, 300), "PNG"))
    async with service_on(data_dir) as service:
        async with service.db.reader() as connection:
            rows = await connection.execute_fetchall(
                "SELECT place_id FROM places WHERE path LIKE '%cat-1.png' OR path LIKE '%cat-2.png' ORDER BY path"
            )
        replaced, other = [PlaceId(place_id) for (place_id,) in rows]
        made = [await service.thumbnails.of(GuildId(GUILD), place_id) for place_id in (replaced, other)]
        webps = [thumbnail.webp for thumbnail in made if thumbnail is not None]
        assert [size_of(webp) for webp in webps] == [(256, 192), (24, 20)]
        assert await service.kept_thumbnails.of([other]) == {other: webps[1]}


async def test_what_is_deleted_while_a_purge_works_leaves_with_the_next(
    data_dir: Path, export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service_on(data_dir) as service:
        await import_(service, export)
        async with service.db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT message_id FROM messages ORDER BY message_id")
        first, second, _ = [message_id for (message_id,) in rows]

        async def delete(message_id: MessageId) -> None:
            async with service.db.transaction() as tx:
                await messages.delete(tx, [message_id])

        loop, purge = asyncio.get_running_loop(), service.kept_thumbnails._file.purge

        def purge_after_another_deletion() -> bool:
            asyncio.run_coroutine_threadsafe(delete(second), loop).result()
            return purge()

        await delete(first)
        with monkeypatch.context() as patched:
            patched.setattr(service.kept_thumbnails._file, "purge", purge_after_another_deletion)
            assert await service.upkeep.purge()
        async with service.db.reader() as connection:
            assert await forget.residue_since(connection) is not None
        assert await service.upkeep.purge()
        assert (await service.kept_thumbnails.status()).count == 1
        async with service.db.reader() as connection:
            assert await forget.residue_since(connection) is None


async def test_none_is_kept_from_the_moment_that_the_setting_says_so(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir) as service:
        await import_(service, export)
    assert (data_dir / FILE_NAME).exists()
    async with service_on(data_dir, "off") as service:
        await service.upkeep.purge()
        assert not (data_dir / FILE_NAME).exists()


def parts_in(folder: Path, webps: list[bytes]) -> bool:
    content = b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    return any(webp[at : at + 24] in content for webp in webps for at in range(0, len(webp) - 24, 48))


async def test_an_opt_out_hides_thumbnails_at_once_and_takes_them_to_the_last_byte(
    data_dir: Path, export: Path
) -> None:
    async with service_on(data_dir) as service:
        await import_(service, export)
        shown = await every_place(service)
        webps = list((await service.kept_thumbnails.of(shown)).values())
        assert await asyncio.to_thread(parts_in, data_dir, webps)
        async with service.db.reader() as connection:
            ((author,),) = await connection.execute_fetchall("SELECT DISTINCT author_id FROM messages")
        async with service.db.transaction() as tx:
            await opt_outs.add(tx, UserId(author))
        assert await service.kept_thumbnails.of(shown) == {}
        await service.forget_user(UserId(author))
        assert await service.upkeep.purge()
        assert (await service.kept_thumbnails.status()).count == 0
        assert not await asyncio.to_thread(parts_in, data_dir, webps)


async def stored(db: Database, number: int, content: str, origin_id: OriginId) -> tuple[bytes, PlaceId]:
    """A ready picture of one message: its SHA-256, and its place."""
    async with db.transaction() as tx:
        if origin_id != DISCORD:
            await tx.execute_fetchall(
                "INSERT INTO origins (origin_id, kind, location, version) VALUES (?, 'test', 'there', '')"
                " ON CONFLICT DO NOTHING",
                (origin_id,),
            )
        ref = picture(f"https://cdn.example/1/{number}.png")
        made = await messages.store(tx, [message(number, ref)], keep="pictures", seen_ms=1)
        picture_id = await pictures.add(tx, decoded(content))
        (place,) = made.new_places
        await places.attach(tx, place.id, picture_id)
        await tx.execute_fetchall("UPDATE messages SET origin_id = ? WHERE message_id = ?", (origin_id, number))
    return decoded(content).sha256, place.id


@pytest.mark.parametrize(("keep", "there"), [("off", set()), ("imported", {"b"}), ("all", {"a", "b"})])
async def test_a_thumbnail_is_kept_of_what_the_setting_names(database: Database, keep: str, there: set[str]) -> None:
    await settle(database)
    (a, place_a), (b, place_b) = await stored(database, 1, "a", DISCORD), await stored(database, 2, "b", OriginId(1))
    async with kept_of(database, keep) as kept:
        assert (kept.keeps(DISCORD), kept.keeps(OriginId(1))) == (keep == "all", keep != "off")
        await kept.put({a: b"a", b: b"b"})
        found = await kept.of([place_a, place_b])
        assert {webp.decode() for webp in found.values()} == there
        assert await kept.purge()
        assert await kept.of([place_a, place_b]) == found


async def test_what_discord_tells_of_now_is_not_kept_any_more(database: Database) -> None:
    await settle(database)
    sha256, place_id = await stored(database, 1, "a", OriginId(1))
    async with kept_of(database, "imported") as kept:
        await kept.put({sha256: b"a"})
        async with database.transaction() as tx:
            await tx.execute_fetchall("UPDATE messages SET origin_id = 0")
        assert await kept.of([place_id]) == {}
        assert await kept.purge()
        assert (await kept.status()).count == 0


async def test_whoever_waits_for_the_file_keeps_no_thread_from_others(database: Database) -> None:
    await settle(database)
    sha256, place_id = await stored(database, 1, "a", DISCORD)
    threads = ThreadPoolExecutor(2)  # closed with the test's event loop
    asyncio.get_running_loop().set_default_executor(threads)
    async with kept_of(database, "all") as kept:
        await kept.put({sha256: b"a"})
        with kept._file._turn:  # as a purge of a large file has it
            waiting = {asyncio.create_task(kept.of([place_id])) for _ in range(8)}
            await asyncio.wait(waiting, timeout=0.2)
            async with asyncio.timeout(DEADLINE_S):
                assert await asyncio.to_thread(int, "7") == 7
        assert await asyncio.gather(*waiting) == [{place_id: b"a"}] * 8


async def test_a_use_that_is_cancelled_keeps_its_turn_until_its_thread_has_ended(database: Database) -> None:
    """Or else each one that gives up would leave a thread behind that waits for the file."""
    await settle(database)
    sha256, place_id = await stored(database, 1, "a", DISCORD)
    threads = ThreadPoolExecutor(2)  # closed with the test's event loop
    asyncio.get_running_loop().set_default_executor(threads)
    async with kept_of(database, "all") as kept:
        await kept.put({sha256: b"a"})
        with kept._file._turn:  # as a purge of a large file has it
            cancelled = asyncio.create_task(kept.of([place_id]))
            await until(kept._file_turn.locked)
            await asyncio.wait({cancelled}, timeout=0.1)  # its thread waits for the file by now
            cancelled.cancel()
            others = {asyncio.create_task(kept.of([place_id])) for _ in range(4)}
            await asyncio.wait(others, timeout=0.1)
            assert not cancelled.done()
            async with asyncio.timeout(DEADLINE_S):
                assert await asyncio.to_thread(int, "7") == 7
        assert await asyncio.gather(*others) == [{place_id: b"a"}] * 4
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_a_picture_that_was_deleted_meanwhile_is_not_kept(database: Database) -> None:
    await settle(database)
    sha256, _ = await stored(database, 1, "a", OriginId(1))
    async with kept_of(database, "imported") as kept:
        async with database.transaction() as tx:
            await tx.execute_fetchall("DELETE FROM messages")
        await kept.put({sha256: b"a"})
        assert (await kept.status()).count == 0


async def test_a_full_disk_is_noted_and_costs_no_picture(database: Database) -> None:
    await settle(database)
    (a, _), (b, place_id) = await stored(database, 1, "a", OriginId(1)), await stored(database, 2, "b", OriginId(1))
    async with kept_of(database, "imported") as kept:
        await kept.put({a: b"a"})
        assert kept._file._connection is not None
        await asyncio.to_thread(kept._file._connection.execute, "PRAGMA max_page_count = 4")
        await kept.put({b: b"b" * 100_000})
        assert database.room.low
        await kept.put({b: b"b"})  # which would fit
        assert await kept.of([place_id]) == {}


async def test_no_thumbnail_of_another_server_is_shown(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir) as service:
        await import_(service, export)
        (place_id, *_) = await every_place(service)
        assert await service.thumbnails.of(GuildId(GUILD + 1), place_id) is None
