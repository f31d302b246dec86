"""One writer a data folder, whatever happens to it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from indexer.database import lock
from indexer.errors import StorageError
from indexer.platforms.processes import kill
from tests.worlds.waiting import DEADLINE_S

HOLD = """
import sys, time
from pathlib import Path
from indexer.database import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_told_who_holds_the_lock_and_what_to_do(tmp_path: Path) -> None:
    with lock.hold(tmp_path) as me, pytest.raises(StorageError) as raised, lock.hold(tmp_path):
        pass
    assert f"process {os.getpid()}" in str(raised.value)
    assert me.command in str(raised.value)
    assert me.since in str(raised.value)
    assert "Stop that first" in str(raised.value)


def test_the_lock_is_free_again_after_its_holder_and_names_nobody(tmp_path: Path) -> None:
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) is not None
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        pass


def test_the_lock_vanishes_with_a_killed_process(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match=f"process {process.pid} "), lock.hold(tmp_path):
            pass
        process.kill()
        process.wait(DEADLINE_S)
        with lock.hold(tmp_path) as me:
            assert me.pid == os.getpid()


FORK = """
import os, sys, time
from pathlib import Path
from indexer.database import lock
with lock.hold(Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)  # the child itself: it has let go by now
        time.sleep(60)
        os._exit(0)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forks no process")
def test_a_forked_child_does_not_keep_the_lock_of_a_killed_parent(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", FORK, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
        process.wait(DEADLINE_S)
        try:
            with lock.hold(tmp_path):
                os.kill(child, 0)  # it lives, and yet the lock is ours
        finally:
            kill(child)


def test_a_garbled_lock_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / lock.FILE_NAME).write_bytes(b"\xff{not json")
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        (tmp_path / lock.FILE_NAME).write_text('{"other": 1}')
        with pytest.raises(StorageError, match="another process"), lock.hold(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"), lock.hold(tmp_path / "file" / "data"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of folders")
def test_a_folder_that_somebody_made_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with lock.hold(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of folders")
def test_a_folder_that_all_users_share_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    with pytest.raises(StorageError, match="all users share"), lock.hold(folder):
        pass
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert list(folder.iterdir()) == []
