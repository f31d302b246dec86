"""Run as a program by test_killed.py: children crawl a deterministic channel and are killed at random moments.

Arguments: a data folder, the number of kills, a seed. Prints one JSON line for each kill, with the contents of the
reopened database. The program forks, so this process has one thread and no open database at that time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from indexer.database.database import open_database
from indexer.records.ids import MessageId
from indexer.records.messages import Message
from indexer.store import embeddings, messages, pictures, places, spans
from tests.worlds.records import CHANNEL, MODEL, decoded, message, picture, settle, vector

assert sys.platform != "win32", "it forks"

NEWEST = 40_000
PAGE = 20


def world(number: int) -> Message:
    """Every second snowflake is a message; every third message shows one of 50 pictures."""
    shown = [picture(f"https://cdn.example/{number}.png")] if number % 3 == 0 else []
    return message(number, *shown, content=f"word{number % 100} of {number}", author=100 + number % 7)


async def crawl(data_dir: Path) -> None:
    """Crawls from newest to oldest, one page in each transaction, with deletions and embeddings in between,
    until it is killed.
    """
    async with open_database(data_dir) as database:
        await settle(database)
        async with database.transaction() as tx:
            model_id = await embeddings.model_id(tx, MODEL)
        print("crawling", flush=True)
        while True:
            async with database.transaction() as tx:
                covered = await spans.of_channel(tx, CHANNEL)
                high = covered[0][0] - 1 if covered else NEWEST
                low = max(high - 2 * PAGE + 1, 0)
                page = [world(number) for number in range(low, high + 1) if number % 2 == 0 and number > 0]
                await messages.store(tx, page, keep="all", seen_ms=0)
                await spans.cover(tx, CHANNEL, low, high)
            async with database.transaction() as tx:
                for place in await places.pending(tx, 5, 0):
                    content = place.message_id % 50
                    picture_id = await pictures.add(tx, decoded(str(content)))
                    await places.attach(tx, place.place_id, picture_id)
                    await embeddings.add(tx, model_id, [(picture_id, vector(content))])
            async with database.transaction() as tx:
                deleted = [number for number in range(low, high + 1) if number % 40 == 0]
                await messages.delete(tx, [MessageId(number) for number in deleted])
            if low == 0:
                return


def kill_one(data_dir: Path, delay_s: float) -> bool:
    """Forks a crawl and kills it `delay_s` seconds after its start. False if it had already finished."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(send, 1)
        asyncio.run(crawl(data_dir))
        os._exit(0)
    os.close(send)
    os.read(receive, 8)
    os.close(receive)
    time.sleep(delay_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def look(path: Path) -> dict[str, object]:
    """The contents of the file after the kill, read through a plain connection (which recovers the log first)."""
    connection = sqlite3.connect(path)
    try:
        covered = connection.execute("SELECT low, high FROM spans").fetchall()
        present = {number for (number,) in connection.execute("SELECT message_id FROM messages")}
        # A multiple of 40 may be deleted or still exist; all other messages in a span must exist.
        expected = {n for low, high in covered for n in range(max(low, 1), high + 1) if n % 2 == 0 and n % 40}
        unclaimed = {n for n in present if not any(low <= n <= high for low, high in covered)}
        connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
        connection.rollback()
        count_of = "SELECT count(*) FROM "
        return {
            "covered": sum(high - low + 1 for low, high in covered),
            "spans": len(covered),
            "missing": len(expected - present),
            "unclaimed": len(unclaimed),
            "integrity": connection.execute("PRAGMA integrity_check").fetchone()[0],
            "orphans": connection.execute("PRAGMA foreign_key_check").fetchall(),
            "ready_without_picture": connection.execute(
                count_of + "places WHERE state = 'ready' AND picture_id IS NULL"
            ).fetchone()[0],
            "pictures_not_shown": connection.execute(
                count_of
                + "pictures WHERE picture_id NOT IN (SELECT picture_id FROM places WHERE picture_id IS NOT NULL)"
            ).fetchone()[0],
            "pictures_not_embedded": connection.execute(
                count_of + "pictures WHERE picture_id NOT IN (SELECT picture_id FROM embeddings)"
            ).fetchone()[0],
        }
    finally:
        connection.close()


def main(data_dir: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(kills):
        killed = kill_one(data_dir, chance.uniform(0.0, 0.15))
        print(json.dumps({"killed": killed, **look(data_dir / "afterimage.sqlite3")}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
