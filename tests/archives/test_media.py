"""Saved files are found however the export names them, and nothing outside of it is ever opened."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from indexer.records.ids import GuildId
from sandbox.export.writer import saved_name
from tests.worlds.exports import GUILD, document, opened, picture_message, reasons

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 40
FILES = "photos.json_Files"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A folder with an export that names one saved file, in a folder that holds a secret, too."""
    folder = tmp_path / "export"
    (folder / FILES).mkdir(parents=True)
    (folder / FILES / "cat-1A2B3.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    return folder


async def picture_of(location: Path, url: str, *, media: tuple[Path, ...] = ()) -> tuple[str, bytes | None, list[str]]:
    """The path of the picture of one message, its bytes, and what was told."""
    file = location / "photos.json" if location.is_dir() else location
    if location.is_dir():
        file.write_bytes(document([picture_message(0, url)]))
    archive = opened(location, media)
    (channel_id,) = archive.index.rows
    (message,) = await archive.page(channel_id)
    (ref,) = message.pictures
    return ref.path, archive.file_bytes(ref.path) if ref.path else None, reasons(archive)


@pytest.mark.parametrize(
    "url",
    [f"{FILES}/cat-1A2B3.png", f"{FILES}\\cat-1A2B3.png", f"./{FILES}/cat-1A2B3.png",
     f"{FILES}/../{FILES}/cat-1A2B3.png",
     f"C:\\Users\\ada\\exports\\{FILES}\\cat-1A2B3.png", f"/home/ada/exports/{FILES}/cat-1A2B3.png",
     f"\\\\server\\share\\{FILES}\\cat-1A2B3.png", f"{FILES}/cat%2D1A2B3.png"],
)  # fmt: skip
async def test_a_file_is_found_by_either_separator_relative_or_absolute(export: Path, url: str) -> None:
    path, data, told = await picture_of(export, url)
    assert (path, data, told) == (str(export / FILES / "cat-1A2B3.png"), PNG, [])


async def test_an_absolute_path_of_this_machine_is_found(export: Path) -> None:
    path, data, _ = await picture_of(export, str(export / FILES / "cat-1A2B3.png"))
    assert (path, data) == (str(export / FILES / "cat-1A2B3.png"), PNG)


@pytest.mark.parametrize(
    "url", ["../secret.png", "..\\secret.png", f"{FILES}/../../secret.png", "a/b/../../../secret.png"]
)
async def test_a_path_that_climbs_out_is_refused_and_told(export: Path, url: str) -> None:
    assert await picture_of(export, url) == ("", None, ["archive-climbs"])


async def test_an_absolute_path_outside_is_refused_and_told(export: Path) -> None:
    outside = str(export.parent / "secret.png")
    assert await picture_of(export, outside) == ("", None, ["archive-outside"])
    media = (export.parent,)
    assert await picture_of(export, outside, media=media) == (outside, PNG, [])


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
async def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(export: Path) -> None:
    (export / FILES / "out.png").symlink_to(export.parent / "secret.png")
    (export / FILES / "in.png").symlink_to(export / FILES / "cat-1A2B3.png")
    (export / "elsewhere").symlink_to(export.parent)
    assert await picture_of(export, f"{FILES}/out.png") == ("", None, ["archive-link-out"])
    assert await picture_of(export, "elsewhere/secret.png") == ("", None, ["archive-link-out"])
    assert (await picture_of(export, f"{FILES}/in.png"))[1] == PNG


@pytest.mark.parametrize("url", [f"{FILES}/gone.png", "", "\x00", "a" * 5000, FILES, "/", "\\", "con:aux", "..."])
async def test_a_missing_file_is_counted_and_costs_nothing(export: Path, url: str) -> None:
    path, data, told = await picture_of(export, url)
    assert (path, data, told) == ("", None, [])
    assert opened(export).index.survey.counts[GuildId(GUILD)].missing == 1


async def test_a_file_that_was_saved_at_another_time_is_found_by_its_address(export: Path, tmp_path: Path) -> None:
    url = "https://cdn.discordapp.com/attachments/1/2/cat.png?ex=1&is=2&hm=3"
    name = saved_name(url)
    (export / FILES / name).write_bytes(PNG)
    assert (await picture_of(export, url))[:2] == (str(export / FILES / name), PNG)
    (export / FILES / name).unlink()
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / name).write_bytes(PNG)
    assert (await picture_of(export, url, media=(shared,)))[:2] == (str(shared / name), PNG)


@pytest.mark.parametrize("page", [b"", b"<html><body>404</body></html>", b'{"message": "Unknown"}',
                                  b"This content is no longer available."])  # fmt: skip
async def test_an_error_page_that_was_saved_as_a_picture_is_no_file(export: Path, page: bytes) -> None:
    (export / FILES / "cat-1A2B3.png").write_bytes(page)
    path, data, _ = await picture_of(export, f"{FILES}/cat-1A2B3.png")
    assert path
    assert data is None


async def test_files_in_a_zip_are_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("out/photos.json", document([picture_message(0, f"{FILES}\\cat.png")]))
        packed.writestr(f"out/{FILES}/cat.png", PNG)
        packed.writestr("../evil.json", b"{}")
        packed.writestr("/etc/evil.json", b"{}")
    label, data, told = await picture_of(path, "")
    assert (label, data) == (f"{path}/out/{FILES}/cat.png", PNG)
    assert told == ["archive-climbs"] * 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["export.zip", "spool"]


def test_a_zip_that_is_none_and_an_encrypted_one_are_told(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 nothing more")
    assert reasons(opened(tmp_path / "broken.zip")) == ["archive-unreadable"]
    with zipfile.ZipFile(tmp_path / "locked.zip", "w") as packed:
        packed.writestr("photos.json", document([]))
    data = bytearray((tmp_path / "locked.zip").read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    assert reasons(opened(tmp_path / "locked.zip")) == ["archive-encrypted"]


def test_a_bomb_is_refused_before_it_has_expanded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("photos.json", "w") as member:
        member.write(document([]).partition(b"[]")[0] + b"[")
        for _ in range(400):
            member.write(b" " * (1 << 20))
    archive = opened(path)
    assert reasons(archive) == ["archive-bomb"]


def test_a_file_is_not_opened_through_a_link_that_came_later(export: Path) -> None:
    (export / "photos.json").write_bytes(document([picture_message(0, f"{FILES}/cat-1A2B3.png")]))
    archive = opened(export)
    label = str(export / FILES / "cat-1A2B3.png")
    assert archive.file_bytes(label) == PNG
    Path(label).unlink()
    Path(label).symlink_to(export.parent / "secret.png")
    assert archive.file_bytes(label) is None


def test_names_in_a_zip_may_be_decomposed(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("photos.json", document([picture_message(0, f"{FILES}/Zoë.png")]))
        packed.writestr(f"{FILES}/Zoe\u0308.png", PNG)
    assert opened(path).index.survey.counts[GuildId(GUILD)].saved == 1
