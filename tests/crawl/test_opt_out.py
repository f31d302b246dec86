"""An author of very many messages is forgotten in steps: others write meanwhile, and a kill loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.crawl.removals import NAME, OptedOut, opt_out
from indexer.records.ids import EVERYWHERE, GuildId, UserId
from indexer.store import emptying, messages, opt_outs
from indexer.supervisor import supervised
from tests.worlds.killed_child import run_and_kill
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.prolific_author import POSTED, PROLIFIC, fill
from tests.worlds.waiting import until


async def left(world: World) -> int:
    return await world.count("SELECT count(*) FROM messages WHERE author_id = ?", PROLIFIC)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(emptying, "STEP", 5)
    async with open_world(tmp_path, decodes=False) as opened:
        await fill(opened)
        yield opened


@pytest.mark.parametrize("where", [GUILD, EVERYWHERE])
async def test_others_write_between_the_steps(world: World, where: GuildId) -> None:
    forgetting = asyncio.create_task(world.removals.carry_out(OptedOut(PROLIFIC, where)))
    seen = []
    while not forgetting.done():
        async with world.db.transaction() as tx:
            ((count,),) = await tx.execute_fetchall("SELECT count(*) FROM messages WHERE author_id = ?", (PROLIFIC,))
            seen.append(count)
    assert await forgetting == POSTED
    assert [count for count in seen if 0 < count < POSTED], seen
    assert await world.count("SELECT count(*) FROM messages") == 2


async def test_the_author_is_leaving_from_the_wish_until_all_is_deleted(world: World) -> None:
    removals = world.removals
    assert not removals.leaving(GUILD)
    await removals.write_down(OptedOut(PROLIFIC, GUILD))
    await removals.write_down(OptedOut(UserId(9), EVERYWHERE))
    assert removals.leaving(GUILD) == {PROLIFIC, 9}
    assert removals.leaving(GuildId(GUILD + 1)) == {9}
    await removals.carry_out(OptedOut(PROLIFIC, GUILD))
    await removals.carry_out(OptedOut(UserId(9), EVERYWHERE))
    assert not removals.leaving(GUILD)


async def repeated(world: World) -> None:
    task = asyncio.create_task(supervised(NAME, world.removals.repeat, world.faults))
    await until(lambda: not world.removals.pending)
    task.cancel()
    await asyncio.wait({task})


async def test_killed_between_two_steps_the_next_start_deletes_the_rest(tmp_path: Path) -> None:
    await run_and_kill("killed_emptying", tmp_path, "opt-out")
    async with open_world(tmp_path, decodes=False) as world:
        assert 0 < await left(world) < POSTED
        assert world.removals.leaving(GUILD) == {PROLIFIC}
        await repeated(world)
        assert await left(world) == 0
        assert await world.count("SELECT count(*) FROM messages") == 2


async def test_what_a_killed_command_left_is_deleted_by_the_next_start_of_the_bot(world: World) -> None:
    async with world.db.transaction() as tx:  # as `afterimage forget` does without a bot, and without its journal
        await opt_outs.add(tx, PROLIFIC, GUILD)
        await messages.delete_some(tx, 5, author_id=PROLIFIC)
    assert not world.removals.pending
    await world.removals.take_up()
    assert world.removals.leaving(GUILD) == {PROLIFIC}
    await repeated(world)
    assert await left(world) == 0
    await world.removals.take_up()
    assert not world.removals.pending


async def test_without_an_id_nothing_is_deleted(world: World) -> None:
    with pytest.raises(ValueError, match="every message"):
        await emptying.empty(world.db)
    assert await opt_out(world.db, UserId(99), GUILD) == 0
    assert await left(world) == POSTED
