"""Files by their handle: Windows' way of reading and writing at an offset does what the others' does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexer.platforms import files


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | files.BINARY)
    yield opened
    os.close(opened)


def test_bytes_are_written_and_read_where_they_belong(handle: int) -> None:
    assert files.write_by_seeking(handle, b"a\nb", 4) == 3
    assert files.read_at(handle, 100, 0) == b"\0\0\0\0a\nb"
    assert files.write_at(handle, b"\r\n", 0) == 2
    assert files.read_by_seeking(handle, 6, 1) == b"\n\0\0a\nb"
    assert files.read_by_seeking(handle, 6, 100) == b""


def test_threads_that_share_a_handle_do_not_move_each_others_position(handle: int) -> None:
    def work(number: int) -> bool:
        block = bytes([number]) * 512
        files.write_by_seeking(handle, block, number * 512)
        return all(files.read_by_seeking(handle, 512, number * 512) == block for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))


def test_a_file_is_replaced_in_one_step_or_not_at_all(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    folder.mkdir()
    for data in (b"old", b"new"):
        files.replace_file(file, data)
        assert file.read_bytes() == data
    with pytest.raises(OSError, match=r"directory|denied"):
        files.replace_file(folder, b"new")
    assert sorted(tmp_path.iterdir()) == [file, folder]  # no draft is left


def test_a_file_that_is_not_there_counts_as_deleted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert files.delete(file)
    assert not file.exists()
    assert files.delete(file)


def test_a_folder_that_cannot_be_deleted_is_an_error_and_no_answer(tmp_path: Path) -> None:
    if sys.platform != "win32":
        with pytest.raises(OSError, match=r"directory|permitted"):
            files.delete(tmp_path)


def test_files_and_folders_are_synced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    files.sync_file(file)
    files.sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        files.sync_file(tmp_path / "none")
