"""An export is a History: its guilds, its channels, its pages newest first, and what could not be read of it."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import zipfile
from pathlib import Path

import pytest

from indexer.archives.documents import find
from indexer.archives.export import ExportArchive
from indexer.archives.indexed_archive import PAGE_SIZE
from indexer.errors import ChannelClosed, LinkExpired
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import ChannelKind, Message
from sandbox.demo.world import build
from sandbox.export.writer import ExportOptions, write_guild
from tests.worlds.deep_folder import make_too_deep
from tests.worlds.exports import CHANNEL, FIRST, GUILD, document, message, opened, options, picture_message, reasons

PHOTOS = ChannelId(CHANNEL)


async def everything(archive: ExportArchive, channel_id: ChannelId = PHOTOS) -> list[Message]:
    """Page by page, as a crawl reads it."""
    found: list[Message] = []
    while True:
        page = await archive.page(channel_id, before=found[-1].id if found else None)
        found += page
        if len(page) < archive.page_size:
            return found


def numbers(messages: list[Message]) -> list[int]:
    return [(message.id - FIRST) // 1000 for message in messages]


async def test_pages_come_newest_first_to_the_last_message(tmp_path: Path) -> None:
    count = PAGE_SIZE + 7
    data = await asyncio.to_thread(document, [message(number) for number in range(count)])
    (tmp_path / "photos.json").write_bytes(data)
    archive = await asyncio.to_thread(opened, tmp_path / "photos.json")
    assert numbers(await everything(archive)) == list(reversed(range(count)))
    after = await archive.page(PHOTOS, after=MessageId(FIRST + 2000))
    assert len(after) == PAGE_SIZE
    assert numbers(list(after))[-1] == 3
    assert (await archive.message(PHOTOS, MessageId(FIRST + 5000))) == (await everything(archive))[-6]
    assert await archive.message(PHOTOS, MessageId(FIRST + 5001)) is None
    with pytest.raises(ChannelClosed):
        await archive.page(ChannelId(1))
    with pytest.raises(ChannelClosed):
        await archive.guild(GuildId(1))


@pytest.mark.parametrize("kind", ["folder", "zip", "gz"])
async def test_parts_are_one_channel_in_a_folder_a_zip_and_gz_files(tmp_path: Path, kind: str) -> None:
    names = ["photos.json", *(f"photos [part {part}].json" for part in range(2, 12))]
    parts = {name: document([message(3 * at + number) for number in range(3)]) for at, name in enumerate(names)}
    location = tmp_path / "export"
    location.mkdir()
    if kind == "zip":
        location = tmp_path / "export.zip"
        with zipfile.ZipFile(location, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in parts.items():
                packed.writestr(name, data)
    for name, data in parts.items() if kind != "zip" else ():
        path = location / (name + (".gz" if kind == "gz" else ""))
        path.write_bytes(gzip.compress(data) if kind == "gz" else data)
    archive = opened(location)
    assert numbers(await everything(archive)) == list(reversed(range(33)))
    assert [document.label.rpartition("photos")[2].removesuffix(".gz") for document in archive.index.documents][:3] == [
        " [part 2].json", " [part 3].json", " [part 4].json",
    ]  # fmt: skip
    assert reasons(archive) == []


async def test_of_two_exports_of_one_channel_the_newer_one_counts(tmp_path: Path) -> None:
    new = document([message(1, content="new"), message(2)], exported="2024-02-01T00:00:00+00:00")
    old = document([message(0), message(1, content="old")], exported="2024-01-31T23:00:00-05:00".replace("-05", "+05"))
    (tmp_path / "a.json").write_bytes(new)
    (tmp_path / "b.json").write_bytes(old)
    archive = opened(tmp_path)
    found = await everything(archive)
    assert [entry.content for entry in found] == ["message 2", "new", "message 0"]
    assert archive.written_ms == 1_706_745_600_000


async def test_messages_in_the_exporters_other_order_and_of_two_files_mixed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(document([message(number) for number in (9, 5, 3, 1)]))
    (tmp_path / "b.json").write_bytes(document([message(number) for number in (2, 4, 8)]))
    assert numbers(await everything(opened(tmp_path))) == [9, 8, 5, 4, 3, 2, 1]


@pytest.mark.skipif(os.name == "nt", reason="folders by descriptors")
def test_a_folder_that_cannot_be_listed_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "photos.json").write_bytes(document([message(1)]))
    name = make_too_deep(tmp_path)
    archive = opened(tmp_path)
    assert archive.survey.documents == 1
    assert reasons(archive) == ["archive-unreadable"]
    assert archive.problems.kept[0].label.startswith(str(tmp_path / name))
    assert reasons(opened(tmp_path / ("x" * 300))) == ["archive-unreadable"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
async def test_a_link_that_the_user_names_is_followed_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "photos.json").write_bytes(document([message(1)]))
    (tmp_path / "home").mkdir()
    link = tmp_path / "home" / "today.json"
    link.symlink_to(tmp_path / "disk" / "photos.json")
    archive = opened(link)
    assert reasons(archive) == []
    assert numbers(await everything(archive)) == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="it counts the open files of the process as Linux names them")
def test_an_archive_that_is_dropped_leaves_no_file_open(tmp_path: Path) -> None:
    def left_open() -> list[str]:
        links = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        return [link for link in links if link.startswith(str(tmp_path))]

    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        packed.writestr("photos.json", document([message(1)]))
    archive = opened(tmp_path / "export.zip")
    assert len(left_open()) == 2  # the archive, and what came out of it
    del archive
    assert left_open() == []


async def test_direct_messages_are_guild_0_and_threads_know_their_channel(tmp_path: Path) -> None:
    direct = {"id": "0", "name": "Direct Messages"}
    (tmp_path / "a.json").write_bytes(
        document([message()], guild=direct, channel={"id": "3", "type": "DirectTextChat"})
    )
    thread = {"id": "4", "type": "GuildPublicThread", "categoryId": str(CHANNEL), "category": "photos"}
    (tmp_path / "b.json").write_bytes(document([message(2)], channel=thread))
    (tmp_path / "c.json").write_bytes(document([message(3)]))
    archive = opened(tmp_path)
    assert (await archive.guild(GuildId(0))).name == "Direct Messages"
    listed = [channel async for channel in archive.channels(GuildId(GUILD))]
    assert [(channel.id, channel.kind, channel.parent_id) for channel in listed] == [
        (CHANNEL, ChannelKind.TEXT, None), (4, ChannelKind.PUBLIC_THREAD, CHANNEL),
    ]  # fmt: skip
    assert [channel.id async for channel in archive.channels(GuildId(0))] == [3]


async def test_without_keep_all_only_messages_with_pictures_come_and_edited_ones(tmp_path: Path) -> None:
    video = {"id": "1", "url": "a.mp4", "fileName": "a.mp4", "fileSizeBytes": 1}
    picture = picture_message(1, "https://cdn.discordapp.com/a/b.png")
    messages = [message(0), picture, message(2, timestampEdited="x"), message(3, attachments=[video])]
    (tmp_path / "photos.json").write_bytes(document(messages))
    archive = opened(tmp_path, keep_all=False)
    assert numbers(await everything(archive)) == [2, 1]
    assert archive.index.survey.counts[GuildId(GUILD)].messages == 4


async def test_what_cannot_be_read_is_told_with_its_place_and_the_rest_comes_in(tmp_path: Path) -> None:
    good = document([message(number) for number in range(5)])
    (tmp_path / "1 cut.json").write_bytes(good[: good.index(b"message 3")])
    (tmp_path / "2 other.json").write_bytes(b'{"name": "package", "version": "1"}')
    (tmp_path / "3 empty.json").write_bytes(b"")
    (tmp_path / "4 head.json").write_bytes(b'{"guild": {"id": "x"}, "messages": []}')
    bad = document([message(5), message(6, author=None), message(7, id="-3"), message(8)])
    (tmp_path / "5 bad.json").write_bytes(bad)
    (tmp_path / "6 count.json").write_bytes(document([message(9)]).replace(b'"messageCount": 1', b'"messageCount": 7'))
    (tmp_path / "7 gz.json.gz").write_bytes(gzip.compress(document([message(10), message(11)]))[:-30])
    (tmp_path / "8 no.json.gz").write_bytes(b"\x1f\x8b nonsense")
    archive = opened(tmp_path)
    problems = archive.index.problems.kept
    assert [(Path(problem.label).name[0], problem.reason.key) for problem in problems] == [
        ("1", "archive-cut-off"), ("2", "archive-no-export"), ("3", "archive-no-export"), ("4", "archive-no-header"),
        ("5", "archive-bad-message"), ("5", "archive-bad-id"), ("6", "archive-fewer"), ("7", "archive-unreadable"),
        ("8", "archive-unreadable"),
    ]  # fmt: skip
    assert problems[0].offset == good.index(b'"id": "%d"' % (FIRST + 3000)) - 8
    assert problems[4].offset == bad.index(b'"id": "%d"' % (FIRST + 6000)) - 8
    assert set(numbers(await everything(archive))) >= {0, 1, 2, 5, 8, 9}


def test_a_channel_of_two_servers_is_taken_from_the_first(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(document([message(1)]))
    (tmp_path / "b.json").write_bytes(document([message(2)], guild={"id": "5"}))
    archive = opened(tmp_path)
    assert reasons(archive) == ["archive-two-servers"]
    assert set(archive.index.survey.guilds) == {GUILD}


def test_what_is_missing_and_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert reasons(opened(tmp_path / "gone.json")) == ["archive-missing"]
    assert reasons(opened(tmp_path / "notes.txt")) == ["archive-unreadable"]
    assert reasons(opened(tmp_path)) == []


async def test_dead_links_are_counted_by_their_ex_and_nobody_is_asked_for_them(tmp_path: Path) -> None:
    cdn = "https://cdn.discordapp.com/attachments/1/2/cat.png"
    urls = [
        f"{cdn}?ex=1&is=1&hm=1",
        cdn,
        f"{cdn}?ex=ffffffff&is=1&hm=1",
        "https://evil.example/cat.png",
        "gone/cat.png",
        "https://evil.example/.discordapp.net/cat.png",
    ]
    (tmp_path / "a.json").write_bytes(document([picture_message(at, url) for at, url in enumerate(urls)]))
    archive = opened(tmp_path)
    survey = archive.index.survey.counts[GuildId(GUILD)]
    assert (survey.pictures, survey.dead, survey.live, survey.elsewhere, survey.missing) == (6, 2, 1, 2, 1)
    found = sorted(await everything(archive), key=lambda message: message.id)
    for dead in (found[0], found[1], found[4]):
        with pytest.raises(LinkExpired):
            await archive.picture(dead.pictures[0])
    assert await archive.picture(found[2].pictures[0]) is None


def test_the_version_changes_with_any_file_and_with_what_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(document([message(1)]))
    chosen = options(tmp_path)
    version = chosen.version(find(tmp_path))
    assert chosen.version(find(tmp_path)) == version
    assert options(tmp_path, bots=False).version(find(tmp_path)) != version
    os.utime(path, ns=(1, 1))
    assert chosen.version(find(tmp_path)) != version


async def test_the_demo_server_comes_back_from_its_export_whole(tmp_path: Path) -> None:
    demo = await asyncio.to_thread(build)
    chosen = ExportOptions(media=False, partition=40, newline="\r\n")
    written = await asyncio.to_thread(write_guild, demo.guild, tmp_path / "export", chosen)
    archive = await asyncio.to_thread(opened, tmp_path / "export")
    assert reasons(archive) == []
    assert archive.index.survey.counts[GuildId(demo.guild.id)].messages == written.messages == demo.counts()[1]
    for channel in (*demo.guild.channels.values(), *demo.guild.threads.values()):
        if len(channel):
            found = await everything(archive, ChannelId(channel.id))
            assert sorted(entry.id for entry in found) == sorted(entry.id for entry in channel.messages())


async def test_a_file_that_changed_after_it_was_read_closes_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(document([message(1)]))
    archive = opened(path)
    path.write_bytes(b"x" * 5000)
    with pytest.raises(ChannelClosed):
        await archive.page(PHOTOS)
    path.unlink()
    with pytest.raises(ChannelClosed):
        await archive.page(PHOTOS)
