"""A backup in a process of its own, for the bot: whoever writes or searches there never waits for it.

In a thread of the bot's process, of low priority as it is, it held what the writer needed (Python's lock, SQLite's own)
while others had the processors: the longest transaction took 214 ms beside it, and 46 beside `afterimage backup`, which
is a process.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.database.database import to_the_end
from indexer.database.stoppable_thread import Check, ThreadStopped
from indexer.errors import AfterimageError, RetryLater, Stop
from indexer.platforms.processes import NICE, command, end_with, environment_without_settings, lower_priority
from indexer.platforms.told_to_end import ended

PROCESS = "indexer.backup.own_process"
END_S = 4.0  # for what lies beside the target to be deleted; the whole end of a container has ten


@dataclass(frozen=True, slots=True)
class Order:
    """What to make: see `make_if_changed`. `newest`: the backup before, "" where there is none; nothing is made where
    the database is still as it has it. `make_folder`: also the target's folder.
    """

    data_dir: str
    target: str
    newest: str
    keep_free: int
    make_folder: bool


async def make_in_process(order: Order) -> int | None:
    """The size of the new file in bytes; None where nothing has changed. Cancelled, it leaves no half: the
    file is whole, or not there.

    Raises RetryLater where it cannot be made.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command(json.dumps({"parent": os.getpid(), "order": asdict(order)}), PROCESS),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env=environment_without_settings(), process_group=0,
        )  # fmt: skip
    except OSError as error:
        raise RetryLater(f"the process that makes it could not be started ({error})") from error
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # No deadline: a large database on a slow disk takes as long as it takes.
        said = await process.stdout.read()
    finally:
        process.stdin.close()
        status = await to_the_end(ended(process, END_S))
    if status or not said:
        raise RetryLater(f"the process that makes it ended with {status}")
    answer: dict[str, Any] = json.loads(said)
    if "error" in answer:
        raise RetryLater(str(answer["error"]))
    made: int | None = answer["bytes"]
    return made


def main(arguments: str) -> None:
    """The process. It ends at the end of its standard input, and says what came of it in one line."""
    asked = json.loads(arguments)
    end_with(asked["parent"])
    lower_priority(NICE)
    stop = threading.Event()
    threading.Thread(target=_listen, args=(stop,), name="end of input", daemon=True).start()

    def check() -> None:
        if stop.is_set():
            raise ThreadStopped

    try:
        answer: dict[str, Any] = {"bytes": _make(Order(**asked["order"]), check)}
    except ThreadStopped:
        return
    except (AfterimageError, OSError) as error:
        answer = {"error": str(error)}
    os.write(1, json.dumps(answer).encode())


def _make(order: Order, check: Check) -> int | None:
    from indexer.backup.make import make_if_changed  # the bot, which starts this process, needs none of it

    target = Path(order.target)
    if order.make_folder:
        target.parent.mkdir(mode=0o700, exist_ok=True)
    unless = _checksum(Path(order.newest)) if order.newest else ""
    made = make_if_changed(
        Path(order.data_dir), target, check, lambda *_: None, unless=unless, keep_free=order.keep_free
    )
    return None if made is None else made.byte_count


def _checksum(backup: Path) -> str:
    """The SHA-256 of the database in this backup; empty where that cannot be read."""
    from indexer.backup.backup_file import DATABASE, read_manifest

    try:
        part = read_manifest(backup).part(DATABASE)
    except Stop:
        return ""
    return "" if part is None else part.sha256


def _listen(stop: threading.Event) -> None:
    while os.read(0, 1):  # not by `sys.stdin`, whose lock this thread would hold when the process ends
        pass
    stop.set()
