"""Run as a program by tests/bundles: moves a server again and again, each time killed at a random moment.

    python -m tests.worlds.killed_move WORLD TRIES SEED

WORLD is as tests/worlds/moved_server.py makes it; try n leaves its folders in WORLD/n. Prints a line a try: how often
it was killed before it was done. Every move is a fork, so that nothing is imported anew for it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from contextlib import chdir
from pathlib import Path
from unittest import mock

from bot import cli
from bot.command_line import move  # noqa: F401 -- imported before the forks, which take it up themselves otherwise
from tests.worlds.moved_server import copied

assert sys.platform != "win32", "it forks"

MOST_KILLS = 4  # of one try


def moved(folder: Path, kill_after_s: float | None) -> int:
    """Moves in a fork; returns what it ended with, negative where it was killed."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.environ["AFTERIMAGE_DATA_DIR"] = str(folder / "a")
    if kill_after_s is not None:
        timer = threading.Timer(kill_after_s, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    with chdir(folder):
        os._exit(cli.main(["move", "Meadow", "--to", "b", "--yes", "--quiet"]))


def main(world: Path, tries: int, seed: int) -> None:
    chance = random.Random(seed)
    whole_s = 0.0
    # Small steps, so that moments inside of storing and of deleting are many.
    with (
        mock.patch("indexer.bundles.storing.ALONE_MESSAGES", 3),
        mock.patch("indexer.store.emptying.ALONE_STEP", 3),
    ):
        for number in range(-1, tries):
            folder = copied(world, world / str(number))
            begun, kills, code = time.perf_counter(), 0, -1
            while code < 0 and kills < MOST_KILLS and number >= 0:
                code = moved(folder, chance.uniform(0, whole_s))
                kills += code < 0
            if code < 0:
                code = moved(folder, None)
            whole_s = whole_s or time.perf_counter() - begun
            # Killed between the note's end and the process's own, it is done, and the next call finds no such server.
            print(kills, code, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
