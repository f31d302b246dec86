"""A process that deletes messages as whoever runs the bot, reports the middle of the work, and waits to be killed.

python -m tests.worlds.killed_deletion DATA_DIR
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from indexer.deletions import Deletions
from indexer.records.hits import Filter
from indexer.store import emptying
from tests.worlds.killed_child import wait_to_be_killed
from tests.worlds.pipeline_world import GUILD, open_world
from tests.worlds.prolific_author import POSTED, PROLIFIC, fill


async def main(data_dir: Path) -> None:
    emptying.STEP = 5
    async with open_world(data_dir, decodes=False) as world:
        await fill(world)
        ours = Deletions(world.db)
        channel = world.history.channel(1).id
        meant = await ours.meant(GUILD, Filter(frozenset({channel}), authors=frozenset({PROLIFIC})))
        deleting = asyncio.create_task(ours.delete(GUILD, meant))
        while not deleting.done():
            async with world.db.transaction() as tx:  # no other task gets the writer during this block
                ((count,),) = await tx.execute_fetchall(
                    "SELECT count(*) FROM messages WHERE author_id = ?", (PROLIFIC,)
                )
                if 0 < count < POSTED:
                    await wait_to_be_killed()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
