"""A folder of pictures through the whole pipeline: what comes in, what goes, what it is found by, and by whom not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from bot.control.handler import Values
from bot.control.imports import imports
from bot.control.pictures import Pictures
from bot.control.search import Searching
from indexer.hit_pictures import HitPictures
from indexer.imports.archive_import import Imported, import_guild, note_origin, read_collection
from indexer.query.grammar import parse
from indexer.records.exif import Exif, Position
from indexer.records.hits import Filter
from indexer.records.ids import MADE_UP
from indexer.service import Service
from indexer.store import channels, messages
from indexer.tags import Target
from tests.archives.test_import import counts, service_on
from tests.worlds.encoder import Encoder
from tests.worlds.photographs import CAPE_TOWN, MUNICH, photograph, write
from tests.worlds.records import message, picture, settle
from tests.worlds.waiting import until


async def import_folder(service: Service, root: Path, name: str | None = "Photos") -> Imported:
    archive = await read_collection(service, root, name)
    origin = await note_origin(service, archive)
    (guild,) = archive.survey.guilds.values()
    return await import_guild(service, archive, origin, guild)


async def paths(service: Service) -> set[str]:
    async with service.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT path FROM places WHERE state = 'ready'")
    return {Path(path).name for (path,) in rows}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "Pictures"
    canon = {"make": "Canon", "model": "Canon EOS 5D", "lens": "EF50mm f/1.8"}
    write(folder / "munich.jpg", photograph(1, taken="2004:01:01 12:00:00", offset="+01:00", place=MUNICH, **canon))
    nikon = {"make": "NIKON", "model": "NIKON D850"}
    write(folder / "2019" / "cape.jpg", photograph(2, taken="2019:06:01 12:00:00", place=CAPE_TOWN, **nikon))
    write(folder / "2019" / "plain.png", photograph(3, "PNG"))
    return folder


async def test_a_second_look_finds_what_is_new_changed_moved_and_gone(data_dir: Path, root: Path) -> None:
    encoder = Encoder()
    async with service_on(data_dir, encoder) as service:
        first = await import_folder(service, root)
        assert (first.messages, first.pictures, first.embedded, first.vanished, first.failures) == (3, 3, 3, 0, {})
        again = await import_folder(service, root, None)
        assert (again.messages, again.embedded, again.hit_rate, again.guild.name) == (0, 0, 1.0, "Photos")
        await asyncio.to_thread(write, root / "new" / "new.jpg", photograph(4))
        await asyncio.to_thread(write, root / "2019" / "plain.png", photograph(5, "PNG", (50, 40)))
        await asyncio.to_thread((root / "2019" / "cape.jpg").rename, root / "new" / "cape of good hope.jpg")
        await asyncio.to_thread((root / "munich.jpg").unlink)
        later = await import_folder(service, root, "Our photos")
        # Two pictures are new; the one that moved has the bytes that it had.
        assert (later.embedded, later.vanished, later.guild.name) == (2, 3, "Our photos")
        assert await paths(service) == {"new.jpg", "plain.png", "cape of good hope.jpg"}
        assert (await counts(service)).embeddings == 3
        async with service.db.reader() as connection:
            assert {channel.name for channel in await channels.of_guild(connection, later.guild.id)} == {"2019", "new"}
        # A file that was gone may come back: its deletion is not remembered.
        await asyncio.to_thread(write, root / "munich.jpg", photograph(1))
        assert (await import_folder(service, root)).embedded == 1


async def test_a_file_that_is_moved_keeps_its_tags_and_one_that_changes_loses_them(data_dir: Path, root: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        guild_id = (await import_folder(service, root)).guild.id
        for name in ("2019/cape.jpg", "munich.jpg"):
            (place,) = (await service.tags.named([Target("path", str(root / name))]))[0][guild_id]
            await service.tags.change(guild_id, [place], add=["travel", name])
        await asyncio.to_thread((root / "2019" / "cape.jpg").rename, root / "cape of good hope.jpg")
        await asyncio.to_thread(write, root / "munich.jpg", photograph(7, taken="2024:01:01 12:00:00"))
        await import_folder(service, root)
        (moved,) = (await service.tags.named([Target("path", str(root / "cape of good hope.jpg"))]))[0][guild_id]
        assert await service.tags.of_places([moved]) == {moved: ("2019/cape.jpg", "travel")}
        assert [(count.tag, count.places) for count in await service.tags.counted()] == [
            ("2019/cape.jpg", 1),
            ("travel", 1),
        ]


async def test_a_folder_that_is_gone_or_empty_deletes_nothing(data_dir: Path, root: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        await import_folder(service, root)
        for path in ("munich.jpg", "2019/cape.jpg", "2019/plain.png"):
            await asyncio.to_thread((root / path).unlink)
        assert (await import_folder(service, root)).vanished == 0
        assert (await counts(service)).ready == 3


async def test_an_import_that_is_cancelled_goes_on_where_it_was(data_dir: Path, root: Path) -> None:
    encoder = Encoder()
    encoder.gate, encoder.free = asyncio.Event(), 1
    async with service_on(data_dir, encoder) as service:
        running = asyncio.create_task(import_folder(service, root))

        async def some() -> bool:
            return (await counts(service)).ready >= 1  # a busy machine makes one batch of two

        await until(some)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    encoder.gate = None
    async with service_on(data_dir, encoder) as service:
        await import_folder(service, root)
        assert (await counts(service)).ready == encoder.encoded == 3


@pytest.fixture
async def imported(data_dir: Path, root: Path) -> AsyncIterator[Service]:
    async with service_on(data_dir, Encoder()) as service:
        await import_folder(service, root)
        yield service


def asks(service: Service) -> Searching:
    """What answers `afterimage search`."""
    hits = HitPictures(1 << 20)
    pictures = Pictures(
        lambda: pytest.fail("no picture was given"),
        lambda: pytest.fail("no link was given"),
        lambda: nullcontext(service.kept_thumbnails),
        hits,
    )
    return Searching(service, pictures, service.settings.search, opens=True)


async def found(service: Service, words: str) -> set[str]:
    """The names of the files that `afterimage search` finds."""
    (guild,) = [guild for guild in await service.reports.guilds() if guild.id >= MADE_UP]
    values: Values = {"words": words, "guild": guild.id, "count": 10}
    answer = await asks(service).search(values, lambda text: None)
    assert all(hit["link"] is None and Path(hit["path"]).is_file() for hit in answer["hits"])
    return {hit["file_name"] for hit in answer["hits"]}


async def test_what_files_say_is_searched_with_and_without_words(imported: Service) -> None:
    for words in ("", " min:-1 something"):
        assert await found(imported, f"camera:eos{words}") == {"munich.jpg"}
        assert await found(imported, f"camera:eos camera:D850{words}") == {"munich.jpg", "cape.jpg"}
        assert await found(imported, f'lens:"50mm f/1.8"{words}') == {"munich.jpg"}
        assert await found(imported, f"near:48.1,11.6,10km{words}") == {"munich.jpg"}
        assert await found(imported, f"near:48.1,11.6,800m{words}") == set()
        assert await found(imported, f"near:48.1,11.6,10km near:-33.9,18.4,20km{words}") == {"munich.jpg", "cape.jpg"}
        assert await found(imported, f"camera:eos near:-33.9,18.4,20km{words}") == set()
        assert await found(imported, f"before:2005{words}") == {"munich.jpg"}
        assert await found(imported, f"after:2019-06 before:2019-07{words}") == {"cape.jpg"}
        assert await found(imported, f"in:2019 after:2020{words}") == {"plain.png"}
    assert await found(imported, '"cape"') == {"cape.jpg"}
    assert await found(imported, '"cape" camera:eos') == set()


async def test_every_floor_lets_the_same_files_through(imported: Service) -> None:
    async with imported.db.reader() as connection:
        stored = await channels.of_guild(connection, (await imported.reports.guilds())[0].id)
    wish = parse("camera:D850", 0)
    allowed = Filter(frozenset(channel.id for channel in stored), exif=wish.exif)
    query = (await imported.encoder.encode_words(["anything"]))[0]
    guild_id = stored[0].guild_id
    mapped = await asyncio.to_thread(imported.index.search, guild_id, imported.model_id, query, 5, allowed)
    imported.index._tools = None  # as where FAISS is missing: SQLite answers
    direct = await asyncio.to_thread(imported.index.search, guild_id, imported.model_id, query, 5, allowed)
    assert mapped.floor is not direct.floor
    assert mapped.candidates == direct.candidates
    assert (len(mapped.candidates), mapped.searched, direct.searched) == (1, 1, 1)


async def test_what_discords_pictures_say_is_never_stored(service_with_records: Service) -> None:
    """Whatever a parser brings along: places of Discord's messages have no Exif, and the table refuses them."""
    service = service_with_records
    said = Exif(camera="Canon", lens="EF", position=Position(*MUNICH))
    posted = message(1, replace(picture("https://cdn.example/1/a.png"), exif=said))
    async with service.db.transaction() as tx:
        await messages.store(tx, [posted], keep="pictures", seen_ms=1)
        assert await tx.execute_fetchall("SELECT * FROM exif") == []
        with pytest.raises(Exception, match="Exif is kept of collections alone"):
            await tx.execute_fetchall("INSERT INTO exif (place_id, camera) SELECT place_id, 'Canon' FROM places")


@pytest.fixture
async def service_with_records(data_dir: Path) -> AsyncIterator[Service]:
    async with service_on(data_dir, Encoder()) as service:
        await settle(service.db)
        yield service


async def test_a_picture_in_discord_is_not_found_by_what_the_same_file_says_here(data_dir: Path, root: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        await settle(service.db)
        await import_folder(service, root)
        posted = message(1, picture("https://cdn.example/1/a.png"))
        async with service.db.transaction() as tx:
            await messages.store(tx, [posted], keep="pictures", seen_ms=1)
            await tx.execute_fetchall(
                "UPDATE places SET state = 'ready', picture_id = (SELECT p.picture_id FROM places p"
                " WHERE p.path LIKE '%munich.jpg') WHERE message_id = ?",
                (posted.id,),
            )
        for words, hits in (("has:gif", 0), ("camera:eos", 0), (f"in:<#{posted.channel_id}>", 1)):
            values: Values = {"words": words, "guild": posted.guild_id, "count": 10}
            answer = await asks(service).search(values, lambda text: None)
            assert len(answer["hits"]) == hits, words


async def test_what_a_file_says_goes_with_it(imported: Service, root: Path) -> None:
    async def said() -> int:
        async with imported.db.reader() as connection:
            ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM exif")
        return int(count)

    assert await said() == 2
    await asyncio.to_thread((root / "munich.jpg").unlink)
    await import_folder(imported, root)
    assert await said() == 1


async def test_a_running_bot_imports_a_folder_that_it_is_asked_for(data_dir: Path, root: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        handler = imports(service)["import"]
        values: Values = {"paths": [str(root)], "media": [], "name": "Photos"}
        assert await handler(values, lambda text: None) == {"jobs": 1}

        async def done() -> bool:
            return (await counts(service)).ready == 3

        await until(done)
