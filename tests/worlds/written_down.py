"""A few stored messages for the tests of removals."""

from __future__ import annotations

from indexer.records.messages import Message
from indexer.store import channels, messages
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import World


async def fill(world: World) -> list[Message]:
    """Stores five messages in channel 1, the last one by author 8, and one message in channel 2."""
    listed = [world.history.channel(1), world.history.channel(2)]
    posted = [
        world.history.post(
            1 if at < 5 else 2,
            at,
            world.cdn.add(f"{at}.png", picture(at)),
            content=f"message {at}",
            author=8 if at == 4 else 7,
        )
        for at in range(6)
    ]
    async with world.db.transaction() as tx:
        await channels.upsert(tx, listed)
        await messages.store(tx, posted, keep="pictures", seen_ms=1)
    return posted
