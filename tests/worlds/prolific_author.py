"""An author of many messages, for the tests of forgetting."""

from __future__ import annotations

from indexer.records.ids import UserId
from indexer.records.messages import Message
from indexer.store import channels, messages
from tests.worlds.pipeline_world import World

PROLIFIC = UserId(8)
POSTED = 40


async def fill(world: World) -> None:
    """One channel with POSTED messages of the prolific author and two of another one."""
    listed = world.history.channel(1)
    posted: list[Message] = []
    for at in range(POSTED + 2):
        author = PROLIFIC if at < POSTED else UserId(7)
        link = world.cdn.add(f"{at}.png", b"never fetched")
        posted.append(world.history.post(1, at, link, author=author))
    async with world.db.transaction() as tx:
        await channels.upsert(tx, [listed])
        await messages.store(tx, posted, keep="pictures", seen_ms=1)
