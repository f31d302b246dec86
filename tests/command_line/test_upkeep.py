"""`forget`, `retry` and `compact`: beside a running bot and without one, and never without being meant."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from bot import cli
from bot.control.operations import upkeep
from bot.control.server import open_control
from indexer.database import database
from indexer.database.database import open_database
from indexer.errors import Reason
from indexer.ingest import pipeline
from indexer.records.ids import PlaceId
from indexer.reports import status
from indexer.reports.status import Counts
from indexer.store import places
from sandbox.server import open_sandbox
from tests.worlds.child_bot import Child, child, joining
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.running_bot import Town, indexed, noise, town
from tests.worlds.tables import Tables
from tests.worlds.waiting import DEADLINE_S, until, until_equals

Commanded = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Commanded:
    """Exit code and outputs of one command in the folder; `typed`: what a person at a terminal types."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AFTERIMAGE_")]:
        monkeypatch.delenv(name)

    async def give(*arguments: str, typed: bytes | None = None) -> tuple[int, str, str]:
        capsys.readouterr()
        with standard_input(typed) as stdin, monkeypatch.context() as patched:
            patched.setattr("sys.stdin", stdin)
            code = await asyncio.to_thread(cli.main, list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


@contextmanager
def standard_input(typed: bytes | None) -> Iterator[TextIO]:
    """A terminal at which this was typed; the empty device where nobody is."""
    if typed is None:
        with Path(os.devnull).open() as nobody:
            yield nobody
        return
    ours, theirs = pseudo_terminal()
    os.write(ours, typed)
    try:
        with os.fdopen(theirs) as terminal:
            yield terminal
    finally:
        os.close(ours)


async def counts(folder: Path) -> Counts:
    async with open_database(folder / "data", write=False) as db, db.reader() as connection:
        return (await status.read(connection)).total


async def embedded(folder: Path, number: int) -> None:
    async with open_database(folder / "data", write=False) as db:
        await until_equals(number, lambda: Tables(db).count("SELECT count(*) FROM embeddings"))


def lies_on_disk(folder: Path, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in folder.rglob("*") if file.is_file() and "-shm" not in file.name)


@pytest.fixture
async def left(tmp_path: Path) -> Town:
    """A data folder that a bot has left: six pictures of the member, two of the owner."""
    place = town()
    async with indexed(place, tmp_path / "data"):
        pass
    return place


async def test_a_request_for_erasure_is_carried_out_beside_the_running_bot(
    tmp_path: Path, commanded: Commanded
) -> None:
    place = town()
    place.pictures.post(place.member.user, "quetzalcoatlus at dawn", files=[noise(77)])
    async with open_sandbox(place.world) as sandbox:
        more = joining(sandbox, AFTERIMAGE_CRAWL_START="auto")
        async with child(tmp_path, "run", **more) as bot:
            await bot.says("connected as")
            await embedded(tmp_path, 9)
            assert await asyncio.to_thread(lies_on_disk, tmp_path / "data", b"quetzalcoatlus")
            async with child(tmp_path, "forget", str(place.member.id), "--yes") as command:
                assert await command.ended() == 0
            assert "7 messages are gone" in command.said
            assert "files are written anew" in command.said
            assert (await counts(tmp_path)).embeddings == 2
            assert not await asyncio.to_thread(lies_on_disk, tmp_path / "data", b"quetzalcoatlus")
            place.pictures.post(place.member.user, "again", files=[noise(77)])
            place.pictures.post(place.owner.user, "by another", files=[noise(77)])
            await embedded(tmp_path, 3)
            assert (await commanded("compact"))[0] == 0
            code, out, _ = await commanded("retry")
            assert (code, out) == (0, "0 pictures will be tried again within a minute\n")
            await ends_well(bot)
    assert not (tmp_path / "data" / "control.sock").exists()


async def ends_well(bot: Child) -> None:
    bot.send_signal(signal.SIGTERM)
    assert await bot.ended() == 0
    assert "Traceback" not in bot.said


async def test_without_a_bot_the_command_does_it_itself(tmp_path: Path, left: Town, commanded: Commanded) -> None:
    code, out, _ = await commanded("forget", str(left.member.id), "--yes")
    assert (code, out.startswith("6 messages are gone")) == (0, True)
    assert (await counts(tmp_path)).embeddings == 2


async def test_forget_asks_first_and_takes_nothing_but_yes(tmp_path: Path, left: Town, commanded: Commanded) -> None:
    for typed in (b"no\n", b"y\n", b"\x04"):  # the last one is the end of the input
        code, _, err = await commanded("forget", str(left.member.id), typed=typed)
        assert code == 1
        assert "6 stored messages with 6 pictures" in err
        assert "Nothing was changed." in err
    code, _, err = await commanded("forget", str(left.member.id))
    assert code == 1
    assert err == "afterimage: This changes or deletes much, and nobody is here to be asked: give it with --yes.\n"
    assert (await counts(tmp_path)).messages == 8
    code, out, _ = await commanded("forget", str(left.member.id), typed=b"yes\n")
    assert (code, "6 messages are gone" in out) == (0, True)


async def test_retry_beside_the_bot_has_what_failed_tried_soon(
    tmp_path: Path, commanded: Commanded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "HOUSEKEEPING_S", 0.05)
    place = town()
    async with indexed(place, tmp_path / "data") as bot:
        async with bot.service.db.transaction() as tx:
            await tx.execute_fetchall("UPDATE places SET state = 'pending', picture_id = NULL WHERE place_id = 1")
            assert await places.failed(tx, PlaceId(1), Reason.UNREACHABLE)
        async with open_control(tmp_path / "data", upkeep(bot.service), DEADLINE_S):
            code, out, _ = await commanded("retry")
        assert (code, out) == (0, "1 pictures will be tried again within a minute\n")

        async def tried() -> bool:
            return (await bot.service.status()).total.ready == 8

        await until(tried)


async def test_while_the_database_is_busy_the_bot_writes_the_wish_down_and_carries_it_out_later(
    tmp_path: Path, commanded: Commanded, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, turn_s = town(), database.TURN_S
    async with indexed(place, tmp_path / "data") as bot:
        async with open_control(tmp_path / "data", upkeep(bot.service), DEADLINE_S):
            async with bot.service.db.transaction():
                monkeypatch.setattr(database, "TURN_S", 0.01)
                code, out, _ = await commanded("forget", str(place.member.id), "--yes")
            monkeypatch.setattr(database, "TURN_S", turn_s)
        assert (code, out.startswith("written down: the bot forgets")) == (0, True), out

        async def forgotten() -> bool:
            return (await bot.service.status()).total.messages == 2

        await until(forgotten)
