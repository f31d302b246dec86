"""The folder for archives: what lies in it is listed, and no path leads out of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import TellPerson
from indexer.imports import archive_folder
from indexer.imports.archive_folder import ArchiveFolder, is_plain_name

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with an export, beside which something lies that nobody may see."""
    root = tmp_path / "archives"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "export.json").write_text("{}")
    (root / "z.zip").write_bytes(b"12345")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "file").write_text("x")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "token.txt").write_text("secret")
    return root


def names(root: Path, path: str = "") -> list[str]:
    return [entry.name for entry in ArchiveFolder(root).listed(path)[0]]


def test_folders_come_first_and_hidden_files_not_at_all(root: Path) -> None:
    entries, more = ArchiveFolder(root).listed("")
    found = [(entry.name, entry.is_folder, entry.byte_count) for entry in entries]
    assert found == [("a", True, 0), ("z.zip", False, 5)]
    assert not more
    assert names(root, "a") == ["b", "export.json"]
    assert ArchiveFolder(root).location("a/export.json") == root.resolve() / "a" / "export.json"


def test_very_many_are_shown_in_pages_by_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_folder, "PAGE_ENTRIES", 3)
    for name in "feabdc":
        (root / "a" / "b" / name).touch()
    (root / "a" / "b" / "z").mkdir()
    folder = ArchiveFolder(root)
    pages = [folder.listed("a/b", page) for page in (1, 2, 3, 4)]
    assert [[entry.name for entry in entries] for entries, _ in pages] == [["z", "a", "b"], ["c", "d", "e"], ["f"], []]
    assert [more for _, more in pages] == [True, True, False, False]


CLIMBING = (
    "..", "../secret", "a/../../secret", "a/..", "./a", "a/./b", "/etc", "//etc", "/", "a//b", "a/", ".hidden", "a\0b",
    ".hidden/file", "nowhere", "a/export.json/x", "z.zip/", "x" * 300, "a/" * 1500, "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING, ids=ascii)
def test_a_path_that_climbs_is_absolute_or_hidden_leads_nowhere(root: Path, path: str) -> None:
    for look in (ArchiveFolder(root).listed, ArchiveFolder(root).location):
        with pytest.raises(TellPerson) as refused:
            look(path)
        assert refused.value.sentence.key == "archive-not-in-folder"


@needs_links
@pytest.mark.parametrize("target", ["../secret", "..", "/etc", "a", "z.zip", "nowhere"])
def test_a_path_with_a_link_in_any_part_is_refused_where_a_folder_cannot_be_opened(root: Path, target: str) -> None:
    folder = os.path.realpath(root)
    (root / "link").symlink_to(target)
    (root / "a" / "b" / "link").symlink_to(target)
    for parts in (("link",), ("link", "x"), ("a", "b", "link"), ("a", "b", "link", "token.txt"), ("a", "..")):
        with pytest.raises(OSError, match="a link"):
            archive_folder._without_links(folder, parts)
    for found in ((), ("a",), ("a", "b"), ("a", "export.json"), ("nowhere",)):
        assert archive_folder._without_links(folder, found) == str(Path(folder, *found))


@needs_links
@pytest.mark.parametrize("target", ["../secret", "..", "/etc", "a", "z.zip", "link"])
def test_a_link_is_neither_listed_nor_followed(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    (root / "a" / "inner").symlink_to(root.parent / "secret", target_is_directory=True)
    (root / "a" / "file").symlink_to(root.parent / "secret" / "token.txt")
    assert (names(root), names(root, "a")) == (["a", "z.zip"], ["b", "export.json"])
    folder = ArchiveFolder(root)
    for path in ("link", "a/inner", "a/file", "a/inner/token.txt", "link/token.txt"):
        for look in (folder.listed, folder.location):
            with pytest.raises(TellPerson):
                look(path)


@needs_links
def test_a_link_that_is_put_in_place_of_a_folder_meanwhile_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race: just before a step of the path is opened, it becomes a link that leads out."""
    opened = os.open

    def racing(path: Any, *arguments: Any, **more: Any) -> int:
        if path == "b" and not (root / "a" / "b").is_symlink():
            (root / "a" / "b").rmdir()
            (root / "a" / "b").symlink_to(root.parent / "secret", target_is_directory=True)
        return opened(path, *arguments, **more)

    monkeypatch.setattr(os, "open", racing)
    with pytest.raises(TellPerson):
        ArchiveFolder(root).listed("a/b")
    assert (root / "a" / "b").is_symlink()


@needs_links
def test_what_is_neither_file_nor_folder_is_not_there(root: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(root / "pipe")
    assert "pipe" not in names(root)
    with pytest.raises(TellPerson):
        ArchiveFolder(root).location("pipe")


def test_a_folder_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(TellPerson):
        ArchiveFolder(tmp_path / "unplugged").listed("")


@pytest.mark.parametrize("name", ["export.zip", "mäuse (2).json.gz", "x" * 200])
def test_a_file_may_have_this_name(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["x" * 201, "", ".x", "..", "a/b", "a\\b", "c:x", "a\n", "a\0", "\ud800"], ids=ascii)
def test_a_file_may_not_have_this_name(name: str) -> None:
    assert not is_plain_name(name)
