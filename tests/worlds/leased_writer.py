"""Run as a program by test_lease.py: holds a lease and commits without pause; a line for the lease and for each commit.

python -m tests.worlds.leased_writer DATA_DIR STORAGE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from indexer.database.database import open_database
from indexer.errors import StorageError
from indexer.fleet.lease import open_lease
from indexer.settings import FleetSettings

TTL_S = 4.0  # a busy machine renews late


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def main(data_dir: Path, storage: str) -> None:
    try:
        async with (
            open_lease(FleetSettings(storage, "one", TTL_S)) as lease,
            open_database(data_dir, fence=lease.require) as db,
        ):
            say("held")
            while True:
                async with db.transaction(durable=True) as tx:
                    await tx.execute_fetchall(
                        "INSERT INTO deletions SELECT coalesce(max(message_id), 0) + 1 FROM deletions"
                    )
                say("committed")
                await asyncio.sleep(0.02)
    except StorageError as error:
        say(f"stopped: {error}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
