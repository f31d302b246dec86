"""What caused a piece of work: known to all that is done for it, and to nothing after it."""

from __future__ import annotations

import asyncio

from indexer.correlation import Cause, begin, cause, caused_by


async def test_tasks_know_their_cause_only_while_it_is_in_hand() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def goes_on() -> tuple[Cause | None, Cause | None]:
        first = cause()
        started.set()
        await ended.wait()
        return first, cause()

    with caused_by(Cause("outer")):
        with caused_by(Cause("inner", 3)):
            task = asyncio.create_task(goes_on())
            await started.wait()
            assert cause() == Cause("inner", 3)
        assert cause() == Cause("outer")
        ended.set()
        assert await task == (Cause("inner", 3), None)
    assert cause() is None


async def test_two_commands_at_once_are_told_apart() -> None:
    async def command(name: str) -> str:
        end = begin(Cause(name))
        await asyncio.sleep(0)
        known = cause()
        end()
        assert cause() is None
        return "" if known is None else known.request_id

    assert list(await asyncio.gather(command("a"), command("b"))) == ["a", "b"]
