"""A process of test_promises.py: promises by the dozen, each reported before it begins and when "done" is said.

Its arguments are DATA_DIR STORAGE SEED.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from indexer.records.hits import Filter
from indexer.records.ids import GuildId, UserId
from tests.worlds import records
from tests.worlds.promising import come_back, folder

AUTHORS = 8


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def promise(data_dir: Path, storage: Path, seed: int) -> None:
    numbers = random.Random(seed)
    async with folder(data_dir, storage) as store:
        say("open")
        while True:
            author, where = numbers.randint(1, AUTHORS), numbers.choice((0, int(records.GUILD)))
            kind = numbers.choice(("out", "out", "back", "delete"))
            say("begin", kind, author, where)
            if kind == "out":
                await store.forget_user(UserId(author), GuildId(where))
            elif kind == "back":
                await come_back(store, author, where)
            else:
                written = Filter(frozenset({records.CHANNEL}), authors=frozenset({UserId(author)}))
                meant = await store.deletions.meant(records.GUILD, written)
                say("meant", *meant.message_ids)
                await store.deletions.delete(records.GUILD, meant)
            if await store.made_safe():
                say("done", kind, author, where)


def main() -> None:
    asyncio.run(promise(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
