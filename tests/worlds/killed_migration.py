"""Run as a program by test_migrate.py: kills a migrating child at a statement, then migrates to the end.

Arguments: a folder; spans of versions, as JSON: the one to start from, the one to migrate to, and the number of the
first statement to kill at; and how many statements further the next kill is. Prints one JSON line for each kill, and
one for the child of each span that came to its end. Forks, so it has one thread.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from indexer.database import migrate

assert sys.platform != "win32", "it forks"


def main(folder: Path, spans: list[list[int]], stride: int) -> None:
    for start, newest, first in spans:
        _kill(folder, start, migrate.shipped()[:newest], first, stride)


def _kill(folder: Path, start: int, steps: Sequence[migrate.Migration], first: int, stride: int) -> None:
    seed = folder / f"seed{start}.sqlite3"
    if start:
        migrate.migrate(seed, steps[:start])
        with sqlite3.connect(seed) as connection:
            connection.execute("INSERT INTO guilds (guild_id, name, added_ms) VALUES (1, 'g', 0)")
        connection.close()
    path = folder / "afterimage.sqlite3"
    connect = migrate._connect
    for statement in range(first, 10_000, stride):
        for old in folder.glob("afterimage*"):
            old.unlink()
        if start:
            shutil.copy(seed, path)
        child = os.fork()
        if child == 0:
            left = statement

            def count(_: str) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            def counted(path: Path, mode: str) -> sqlite3.Connection:
                connection = connect(path, mode)
                connection.set_trace_callback(count)
                return connection

            migrate._connect = counted
            migrate.migrate(path, steps)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        before = _version(path) if path.exists() else 0
        migrate.migrate(path, steps)
        connection = sqlite3.connect(path)
        print(
            json.dumps(
                {
                    "start": start,
                    "statement": statement,
                    "killed": killed,
                    "version_after_kill": before,
                    "version": connection.execute("PRAGMA user_version").fetchone()[0],
                    "schema": connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall(),
                    "integrity": connection.execute("PRAGMA integrity_check").fetchone()[0],
                    "guilds": connection.execute("SELECT count(*) FROM guilds").fetchone()[0],
                    "backups": len(migrate.backups(path)),
                    "leftovers": [left.name for left in folder.glob("*.unfinished*")],
                }
            )
        )
        connection.close()
        if not killed:
            assert status == 0, status
            return


def _version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
