"""A process that deletes an author's messages in steps, reports the middle of the work, and waits to be killed.

python -m tests.worlds.killed_emptying DATA_DIR opt-out|delete
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from indexer.crawl.removals import OptedOut
from indexer.deletions import Deletions
from indexer.records.hits import Filter
from indexer.store import emptying
from tests.worlds.killed_child import wait_to_be_killed
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.prolific_author import POSTED, PROLIFIC, fill


async def opt_out(world: World) -> None:
    """As the author wishes."""
    await world.removals.carry_out(OptedOut(PROLIFIC, GUILD))


async def delete(world: World) -> None:
    """As whoever runs the bot wishes."""
    ours = Deletions(world.db)
    channel = world.history.channel(1).id
    meant = await ours.meant(GUILD, Filter(frozenset({channel}), authors=frozenset({PROLIFIC})))
    await ours.delete(GUILD, meant)


async def main(data_dir: Path, way: str) -> None:
    emptying.STEP = 5
    async with open_world(data_dir, decodes=False) as world:
        await fill(world)
        deleting = asyncio.create_task({"opt-out": opt_out, "delete": delete}[way](world))
        while not deleting.done():
            async with world.db.transaction() as tx:  # no other task gets the writer during this block
                ((count,),) = await tx.execute_fetchall(
                    "SELECT count(*) FROM messages WHERE author_id = ?", (PROLIFIC,)
                )
                if 0 < count < POSTED:
                    await wait_to_be_killed()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
