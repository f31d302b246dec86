"""A process that writes deletions to the journal while its database is busy, reports this, and waits to be killed.

python -m tests.worlds.killed_removals DATA_DIR
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from indexer.crawl.removals import ChannelDeleted, MessagesDeleted, OptedOut
from indexer.records.ids import ChannelId, UserId
from tests.worlds.killed_child import wait_to_be_killed
from tests.worlds.pipeline_world import GUILD, open_world
from tests.worlds.written_down import fill


async def main(data_dir: Path) -> None:
    async with open_world(data_dir, decodes=False) as world:
        posted = await fill(world)
        async with world.db.transaction():  # no other task gets the writer
            await world.removals.write_down(MessagesDeleted((posted[0].id, posted[1].id)))
            await world.removals.write_down(OptedOut(UserId(8), GUILD))
            await world.removals.write_down(ChannelDeleted(ChannelId(2)))
            await wait_to_be_killed()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
