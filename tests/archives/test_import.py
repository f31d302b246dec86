"""An archive comes in once, whatever interrupts it, and only what is new costs the model anything."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.control.imports import imports
from bot.texts.errors import english
from indexer.archives.export import open_export
from indexer.archives.export_options import export_options
from indexer.errors import TellPerson
from indexer.imports.archive_import import Imported, import_guild, note_origin
from indexer.imports.archive_opener import open_archive
from indexer.imports.archive_unchanged import note_brought, unchanged
from indexer.progress import State
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, PlaceId, UserId
from indexer.reports import status
from indexer.reports.status import Counts
from indexer.service import Service, open_service
from indexer.settings import CrawlSettings, DecodeSettings, Settings
from indexer.store import channels, messages, opt_outs, places
from tests.worlds.encoder import Encoder
from tests.worlds.exports import CHANNEL, FIRST, GUILD, document, message, picture_message
from tests.worlds.picture_files import picture
from tests.worlds.waiting import until

FILES = "photos.json_Files"


def write_export(folder: Path, count: int, *, content: str = "said", start: int = 0) -> Path:
    """An export of `count` messages with a saved picture each."""
    (folder / FILES).mkdir(parents=True, exist_ok=True)
    for number in range(start, count):
        (folder / FILES / f"cat-{number}.png").write_bytes(picture(number))
    listed = [picture_message(number, f"{FILES}/cat-{number}.png", content=content) for number in range(count)]
    (folder / "photos.json").write_bytes(document(listed))
    return folder


@pytest.fixture
async def export(tmp_path: Path) -> Path:
    return await asyncio.to_thread(write_export, tmp_path / "export", 6)


def settings(folder: Path, **crawl: Any) -> Settings:
    return Settings(data_dir=folder, crawl=CrawlSettings(**crawl), decode=DecodeSettings(workers=1))


@asynccontextmanager
async def service_on(folder: Path, encoder: Encoder, **crawl: Any) -> AsyncIterator[Service]:
    """The indexer without any Discord."""
    chosen = settings(folder, **crawl)
    async with open_service(chosen, None, encoder, open_archive=partial(open_archive, chosen)) as service:
        yield service


async def import_(service: Service, location: Path, media: tuple[Path, ...] = ()) -> Imported:
    """As the command does it, for an export of one guild."""
    archive = await asyncio.to_thread(open_export, location, export_options(service.settings), media)
    origin = await note_origin(service, archive)
    (guild,) = archive.survey.guilds.values()
    return await import_guild(service, archive, origin, guild)


async def counts(service: Service) -> Counts:
    async with service.db.reader() as connection:
        return (await status.read(connection)).total


async def test_an_export_comes_in_without_any_discord_and_a_second_time_costs_nothing(
    data_dir: Path, export: Path
) -> None:
    encoder = Encoder()
    async with service_on(data_dir, encoder) as service:
        first = await import_(service, export)
        assert (first.messages, first.pictures, first.embedded, first.failures) == (6, 6, 6, {})
        again = await import_(service, export)
        assert (again.embedded, again.hit_rate, encoder.encoded) == (0, 1.0, 6)
    async with service_on(data_dir, encoder) as service:
        assert (await import_(service, export)).hit_rate == 1.0
        assert (await counts(service)).ready == encoder.encoded == 6
        async with service.db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT place_id FROM places WHERE message_id = ?", (FIRST,))
            (detail,) = (await places.describe(connection, [PlaceId(place_id) for (place_id,) in rows])).values()
        assert detail.path == str(export / FILES / "cat-0.png")


async def test_what_is_open_already_is_not_read_a_second_time(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        archive = await asyncio.to_thread(open_export, export, export_options(service.settings))
        origin = await note_origin(service, archive)
        assert await service.histories.of(origin.id) is archive


async def test_a_newer_export_of_the_same_channel_costs_only_what_is_new(data_dir: Path, export: Path) -> None:
    encoder = Encoder()
    async with service_on(data_dir, encoder) as service:
        await import_(service, export)
        await asyncio.to_thread(write_export, export, 8, content="edited later", start=6)
        newer = await import_(service, export)
        assert (newer.messages, newer.embedded, newer.hit_rate) == (8, 2, 0.75)
        copy = export.parent / "copy"
        await asyncio.to_thread(shutil.copytree, export, copy)
        assert (await import_(service, copy)).embedded == 0
        assert encoder.encoded == (await counts(service)).ready == 8


async def test_files_that_come_later_are_found_at_the_next_import(data_dir: Path, export: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    await asyncio.to_thread(shutil.move, export / FILES, away)
    async with service_on(data_dir, Encoder()) as service:
        first = await import_(service, export)
        assert (first.embedded, first.failures) == (0, {"gone": 6})
        with_folder = await import_(service, export, (away,))
        assert (with_folder.embedded, with_folder.failures) == (6, {})


async def test_the_folders_of_media_are_known_to_whoever_fetches_later(
    data_dir: Path, export: Path, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    await asyncio.to_thread(shutil.move, export / FILES, away)
    async with service_on(data_dir, Encoder()) as service:
        await import_(service, export, (away,))
        async with service.db.transaction() as tx:
            await tx.execute("UPDATE places SET state = 'pending', picture_id = NULL")
    encoder = Encoder()
    async with service_on(data_dir, encoder) as service:
        progress = await service.pipeline.run_guild(GuildId(GUILD), frozenset())
        assert progress.state is State.DONE
        assert (await counts(service)).ready == 6


async def test_an_import_that_is_cancelled_goes_on_where_it_was(data_dir: Path, export: Path) -> None:
    encoder = Encoder()
    encoder.gate = asyncio.Event()
    async with service_on(data_dir, encoder) as service:
        running = asyncio.create_task(import_(service, export))

        async def stored() -> bool:
            return (await counts(service)).pending == 6

        await until(stored)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    encoder.gate = None
    async with service_on(data_dir, encoder) as service:
        await import_(service, export)
        assert (await counts(service)).ready == encoder.encoded == 6


async def test_who_opted_out_and_what_discord_deleted_stay_out(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        async with service.db.transaction() as tx:
            await messages.delete(tx, [MessageId(FIRST), MessageId(FIRST + 1000)])
        assert (await import_(service, export)).embedded == 4
        await service.forget_user(UserId(128178626683338752))
        assert (await counts(service)).places == 0
        assert (await import_(service, export)).embedded == 0
        async with service.db.transaction() as tx:
            await opt_outs.remove(tx, UserId(128178626683338752), GuildId(0))


async def test_pictures_that_cannot_be_had_are_told_by_reason_and_nobody_is_contacted(
    data_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    (folder / FILES).mkdir(parents=True)
    (folder / FILES / "page.png").write_bytes(b"<html>404</html>")
    (folder / FILES / "noise.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 99)
    (folder / FILES / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * (40 << 20))
    cdn = "https://cdn.discordapp.com/attachments/1/2/cat.png"
    urls = [f"{FILES}/gone.png", f"{FILES}/page.png", f"{FILES}/noise.png", f"{FILES}/large.png",
            f"{cdn}?ex=1&is=1&hm=1", "https://elsewhere.example/cat.png"]  # fmt: skip
    (folder / "photos.json").write_bytes(document([picture_message(at, url) for at, url in enumerate(urls)]))
    async with service_on(data_dir, Encoder()) as service:
        found = await import_(service, folder)
    assert found.failures == {"gone": 3, "truncated": 1, "too-many-bytes": 1, "host-not-allowed": 1}


async def test_direct_messages_come_in_as_guild_0(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "direct.json"
    direct = {"id": "0", "name": "Direct Messages"}
    file.write_bytes(
        document([message(1, content="hello")], guild=direct, channel={"id": "3", "type": "DirectTextChat"})
    )
    async with service_on(data_dir, Encoder(), messages="all") as service:
        assert (await import_(service, file)).messages == 1
        async with service.db.reader() as connection:
            (channel,) = await channels.of_guild(connection, GuildId(0))
        assert channel.origin_id != DISCORD


async def test_a_running_bot_reads_an_archive_as_a_job_that_it_is_asked_for(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        handler = imports(service)["import"]
        lines: list[str] = []
        values: Mapping[str, Any] = {"paths": [str(export)], "media": []}
        assert await handler(values, lines.append) == {"jobs": 1}

        async def done() -> bool:
            return (await counts(service)).ready == 6

        await until(done)
        assert lines
        for wrong in ({}, {"paths": "x", "media": []}, {"paths": [3], "media": []}):
            with pytest.raises(TellPerson):
                await handler(wrong, lines.append)


async def test_what_the_running_bot_cannot_read_is_told(data_dir: Path, tmp_path: Path) -> None:
    """The command has read it, as another user, or outside of the bot's container."""
    (tmp_path / "empty").mkdir()
    async with service_on(data_dir, Encoder()) as service:
        handler = imports(service)["import"]
        for missing in (tmp_path / "empty", tmp_path / "nowhere"):
            with pytest.raises(TellPerson) as told:
                await handler({"paths": [str(missing)], "media": []}, lambda text: None)
            assert f"finds nothing at {missing} that it can read" in english(told.value)


async def test_a_second_archive_of_a_server_that_is_being_read_is_read_after_it(
    data_dir: Path, export: Path, tmp_path: Path
) -> None:
    encoder = Encoder()
    encoder.gate = asyncio.Event()
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.json").write_bytes(document([message(10)]))
    elsewhere = document([message(20)], guild={"id": "5", "name": "Elsewhere"}, channel={"id": "6"})
    (other / "b.json").write_bytes(elsewhere)
    async with service_on(data_dir, encoder, messages="all") as service:
        handler = imports(service)["import"]
        await handler({"paths": [str(export)], "media": []}, lambda text: None)
        await handler({"paths": [str(other)], "media": []}, lambda text: None)
        encoder.gate.set()
        await until(lambda: service.jobs.idle)
        assert (await counts(service)).messages == 6 + 1 + 1


async def test_an_archive_that_went_away_is_no_reason_to_forget_its_messages(data_dir: Path, export: Path) -> None:
    async with service_on(data_dir, Encoder()) as service:
        await import_(service, export)
    await asyncio.to_thread(shutil.rmtree, export)
    async with service_on(data_dir, Encoder()) as service:
        await service.pipeline.run_guild(GuildId(GUILD), frozenset())
        assert (await counts(service)).ready == 6
        async with service.db.reader() as connection:
            assert await channels.get(connection, ChannelId(CHANNEL)) is not None


async def test_an_unchanged_export_is_read_again_where_something_of_it_is_missing(
    data_dir: Path, export: Path, tmp_path: Path
) -> None:
    async with service_on(data_dir, Encoder()) as service:
        archive = await asyncio.to_thread(open_export, export, export_options(service.settings))
        origin = await note_origin(service, archive)
        (guild,) = archive.survey.guilds.values()
        chosen = service.settings
        assert await unchanged(chosen, export) is None  # it has not been read yet
        await import_guild(service, archive, origin, guild)
        await note_brought(service, archive, origin)
        known = await unchanged(chosen, export)
        assert known is not None
        assert known.survey == archive.survey
        assert await unchanged(chosen, export, (tmp_path,)) is None  # other folders of media
        assert await unchanged(replace(chosen, model=replace(chosen.model, name="another")), export) is None
        assert await unchanged(replace(chosen, crawl=CrawlSettings(messages="all")), export) is None
        async with service.db.transaction() as tx:
            await tx.execute(
                "UPDATE places SET state = 'failed', reason = 'gone', picture_id = NULL WHERE place_id = 1"
            )
        assert await unchanged(chosen, export) is None
        async with service.db.transaction() as tx:
            await tx.execute("DELETE FROM places WHERE place_id = 1")
        assert await unchanged(chosen, export) is not None
        async with service.db.transaction() as tx:
            await channels.delete(tx, [ChannelId(CHANNEL)])
        assert await unchanged(chosen, export) is None
        await note_brought(service, archive, origin)
        await service.forget_user(UserId(7))
        assert await unchanged(chosen, export) is not None
        await service.welcome_back(UserId(7), GuildId(GUILD))  # what they wrote comes in again
        assert await unchanged(chosen, export) is None
        async with service.db.reader() as connection:
            assert await connection.execute_fetchall("SELECT 1 FROM origins WHERE brought IS NOT NULL") == []
