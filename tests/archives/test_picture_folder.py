"""A folder of pictures as a collection: what is found in it, under which ids, and what a second look finds anew."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.archives.picture_folder import PictureFolder, open_folder
from indexer.errors import ChannelClosed, Reason, Rejected
from indexer.records.collections import Collection
from indexer.records.ids import (
    COLLECTIONS,
    MADE_UP,
    ChannelId,
    GuildId,
    MessageId,
    collection_id,
    collection_of,
    first_message_at,
    snowflake_ms,
)
from indexer.records.messages import Message
from tests.worlds.deep_folder import make_too_deep
from tests.worlds.photographs import photograph, write

NUMBER = 77
NEW = Collection.empty(NUMBER, "Photos")


def opened(root: Path, collection: Collection = NEW) -> PictureFolder:
    return open_folder(root, collection, 1 << 20, root.parent / "spool")


async def files(folder: PictureFolder) -> dict[str, Message]:
    """The message of each new file, by its path below the root."""
    found: dict[str, Message] = {}
    async for channel in folder.channels(NEW.guild_id):
        for message in await folder.page(channel.id):
            found[os.path.relpath(message.pictures[0].path, folder.location)] = message
    return found


def stored(messages: dict[str, Message]) -> Collection:
    """The collection once these are stored."""
    marks = np.array([int(message.pictures[0].link.rpartition(":")[2], 16) for message in messages.values()], np.uint64)
    ids = np.array([message.id for message in messages.values()], np.int64)
    order = np.argsort(marks)
    return Collection(NUMBER, "Photos", marks[order], ids[order])


def test_made_up_ids_are_none_of_discords_and_tell_their_time() -> None:
    for unix_s in (-3_000_000_000, 0, 1_312_286_589, 4_000_000_000):
        for collection in (0, NUMBER, COLLECTIONS - 1):
            made_up = collection_id(collection, unix_s)
            assert MADE_UP <= made_up < 2**63
            assert snowflake_ms(made_up) == unix_s * 1000
            assert collection_of(made_up) == collection
            assert first_message_at(unix_s * 1000, [collection_id(collection)]) == made_up
            assert first_message_at(unix_s * 1000 - 1, [collection_id(collection)]) == made_up
            assert first_message_at(unix_s * 1000 + 1, [collection_id(collection)]) > made_up
    assert collection_of(866666666666666666) is None
    assert snowflake_ms(866666666666666666) == 1_626_699_835_221


async def test_folders_are_channels_and_files_are_messages_at_the_time_they_were_taken(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "old.jpg", photograph(1, taken="1994:05:06 07:08:09", offset="+00:00", make="Kodak", model="DC40"))
    os.utime(write(root / "2020" / "Größe" / "B.PNG", photograph(2, "PNG")), (1_600_000_000, 1_600_000_000))
    folder = opened(root)
    found = await files(folder)
    assert found.keys() == {"old.jpg", "2020/Größe/B.PNG"}
    old, new = found["old.jpg"], found["2020/Größe/B.PNG"]
    assert old.created_ms == 768_208_089_000
    assert new.created_ms == 1_600_000_000_000
    assert old.guild_id == new.guild_id == GuildId(collection_id(NUMBER))
    channels = {channel.id: channel.name async for channel in folder.channels(NEW.guild_id)}
    assert (channels[old.channel_id], channels[new.channel_id]) == ("Photos", "2020/Größe")
    (ref,) = old.pictures
    assert ref.exif is not None
    assert (ref.exif.camera, ref.file_name, ref.path) == ("Kodak DC40", "old.jpg", str(root / "old.jpg"))
    assert await folder.picture(ref) == (root / "old.jpg").read_bytes()
    assert await folder.message(old.channel_id, old.id) == old
    assert await folder.message(old.channel_id, MessageId(old.id + 1)) is None
    assert (await folder.guild(NEW.guild_id)).name == "Photos"
    for wrong in (folder.page(ChannelId(1)), folder.guild(GuildId(1))):
        with pytest.raises(ChannelClosed):
            await wrong


async def test_what_is_hidden_linked_or_no_picture_is_left_out_and_loops_end(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "a.jpg", photograph(1))
    write(root / "A.JPG", photograph(2))
    for name in (".hidden.jpg", ".cache/b.jpg", "@eaDir/c.jpg", "notes.txt", "a.jpg.part"):
        write(root / name, photograph(3))
    if sys.platform != "win32":
        (root / "loop").symlink_to(root)
        (root / "away").symlink_to(tmp_path)
        (root / "link.jpg").symlink_to(root / "a.jpg")
        os.mkfifo(root / "pipe.jpg")
    kept = {path.name for path in root.iterdir() if path.name in ("a.jpg", "A.JPG")}
    assert (await files(opened(root))).keys() == kept


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names there are Unicode")
async def test_a_name_that_is_no_utf_8_is_shown_escaped_and_opened_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    root.mkdir()
    write(Path(os.fsdecode(os.fsencode(root) + b"/gr\xfc\xdf/\xe4.jpg")), photograph(1))
    folder = opened(root)
    ((path, message),) = (await files(folder)).items()
    assert path == r"gr\xfc\xdf/\xe4.jpg"
    assert await folder.picture(message.pictures[0]) == photograph(1)
    assert [channel.name async for channel in folder.channels(NEW.guild_id)] == [r"gr\xfc\xdf"]


async def test_files_of_one_second_have_ids_of_their_own_in_the_order_of_their_names(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    for number in range(30):
        os.utime(write(root / f"{number:02}.jpg", b"x"), (1_500_000_000, 1_500_000_000))
    found = await files(opened(root))
    ids = [found[f"{number:02}.jpg"].id for number in range(30)]
    assert ids == sorted(set(ids))
    assert {message.created_ms for message in found.values()} == {1_500_000_000_000}
    # A file that comes later does not take the id of one that is stored.
    os.utime(write(root / "00a.jpg", b"y"), (1_500_000_000, 1_500_000_000))
    (root / "05.jpg").unlink()
    again = opened(root, stored(found))
    assert again.index.fresh == {found["00.jpg"].channel_id: 1}
    later = {message.pictures[0].file_name: message.id for message in await again.page(found["00.jpg"].channel_id)}
    assert {name: later[name] for name in later if name != "00a.jpg"} == {
        name: message.id for name, message in found.items() if name != "05.jpg"
    }
    assert later["00a.jpg"] not in ids
    assert list(again.vanished) == [found["05.jpg"].id]


async def test_a_camera_whose_clock_is_ahead_is_not_believed(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "a.jpg", photograph(1, taken="2091:01:01 00:00:00"))
    (message,) = (await files(opened(root))).values()
    assert message.created_ms <= opened(root).written_ms


async def test_only_folders_with_something_new_are_read_and_nothing_new_is_the_same_version(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "a" / "1.jpg", photograph(1))
    write(root / "b" / "2.jpg", photograph(2))
    first = opened(root)
    found = await files(first)
    same = opened(root, stored(found))
    assert [channel.name async for channel in same.channels(NEW.guild_id)] == []
    assert (same.version, same.to_fetch(NEW.guild_id), list(same.vanished)) == (first.version, 0, [])
    write(root / "b" / "2.jpg", photograph(3))  # another size: another file
    (root / "a" / "1.jpg").rename(root / "b" / "1.jpg")
    changed = opened(root, stored(found))
    assert changed.version != first.version
    assert [channel.name async for channel in changed.channels(NEW.guild_id)] == ["b"]
    assert sorted(changed.vanished) == sorted(message.id for message in found.values())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions that root does not have")
async def test_a_folder_that_cannot_be_looked_into_is_named_and_nothing_of_it_has_vanished(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "open" / "1.jpg", photograph(1))
    write(root / "closed" / "2.jpg", photograph(2))
    (root / "closed").chmod(0)
    try:
        folder = opened(root)
        assert (await files(folder)).keys() == {"open/1.jpg"}
        assert folder.unreadable == [str(root / "closed")]
        assert [problem.label for problem in folder.problems.kept] == [str(root / "closed")]
    finally:
        (root / "closed").chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="folders by descriptors")
async def test_a_path_that_the_system_refuses_costs_itself_alone(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "open" / "1.jpg", photograph(1))
    name = make_too_deep(root)
    folder = opened(root)
    assert (await files(folder)).keys() == {"open/1.jpg"}
    assert len(folder.unreadable) == folder.problems.count == 1
    assert folder.unreadable[0].startswith(str(root / name))


async def test_an_empty_folder_where_pictures_were_is_a_disk_that_is_not_there(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    write(root / "1.jpg", photograph(1))
    found = await files(opened(root))
    (root / "1.jpg").unlink()
    folder = opened(root, stored(found))
    assert list(folder.vanished) == []
    assert [problem.reason.key for problem in folder.problems.kept] == ["archive-folder-empty"]


async def test_a_file_that_goes_or_grows_while_it_is_read_costs_itself_alone(tmp_path: Path) -> None:
    root = tmp_path / "Pictures"
    for name in ("gone.jpg", "large.jpg"):
        write(root / name, photograph(1))
    folder = opened(root)
    found = await files(folder)
    (root / "gone.jpg").unlink()
    (root / "large.jpg").write_bytes(bytes(2 << 20))
    for name, reason in (("gone.jpg", Reason.GONE), ("large.jpg", Reason.TOO_MANY_BYTES)):
        with pytest.raises(Rejected) as refused:
            await folder.picture(found[name].pictures[0])
        assert refused.value.reason is reason
