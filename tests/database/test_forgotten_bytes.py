"""Forget means forget: after a deletion, a purge and a checkpoint not one byte of it is left in the files."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from indexer.database import scrub
from indexer.database.database import FILE_NAME, Database, connect_readonly, open_database
from indexer.database.migrate import back_up
from indexer.records.ids import ChannelId, MessageId, UserId
from indexer.store import channels, embeddings, guilds, messages, opt_outs, picture_texts, pictures, places
from indexer.store.emptying import empty
from indexer.store.forget import purge, residue_since
from tests.soak import example_count
from tests.worlds.migrated import migrated
from tests.worlds.records import CHANNEL, GUILD, MODEL, decoded, message, picture, settle, vector

WORD = "quetzalcoatlus"  # in lower case: as it is in the text and as the word index folds it
AUTHOR_NAME = "Xiuhtecuhtli"
FILE = "archaeopteryx"
ALT = "pachycephalosaurus"
SHOWN = "parasaurolophus"


def found(data_dir: Path) -> set[str]:
    """Which of the distinctive words are in any file of the data folder, as bytes."""
    everything = b"\0".join(path.read_bytes() for path in sorted(data_dir.iterdir()))
    words = (WORD, AUTHOR_NAME, FILE, ALT, SHOWN, AUTHOR_NAME.lower())
    return {word for word in words if word.encode() in everything} | (
        {"vector"} if vector(1).astype("<f2").tobytes() in everything else set()
    )


async def fill(database: Database) -> None:
    """Many ordinary messages in many transactions, so that the word index has segments on several levels, and in the
    middle one with distinctive words, name and vector."""
    await settle(database, 10, 11)
    async with database.transaction() as tx:
        model_id = await embeddings.model_id(tx, MODEL)
    for start in range(1, 1_000, 20):
        page = [
            message(n, picture(f"https://cdn.example/{n}.png"), content=f"ordinary words {n}", channel=11, author=101)
            for n in range(start, start + 20)
        ]
        if start == 501:
            ref = picture(f"https://cdn.example/{FILE}.png", alt_text=f"a {ALT}")
            page.append(message(5_000, ref, content=f"a {WORD} flies", author_name=AUTHOR_NAME))
        async with database.transaction() as tx:
            stored = await messages.store(tx, page, keep="pictures", seen_ms=0)
            if start == 501:
                picture_id = await pictures.add(tx, decoded("a"))
                await places.attach(tx, stored.new_places[-1].id, picture_id)
                await embeddings.add(tx, model_id, [(picture_id, vector(1))])
                await picture_texts.put(tx, picture_id, "ocr", f"a {SHOWN} swims")


async def delete_message(database: Database) -> None:
    async with database.transaction() as tx:
        await messages.delete(tx, [MessageId(5_000)])


async def edit_away(database: Database) -> None:
    async with database.transaction() as tx:
        edit = message(5_000, content="never mind", author_name="Renamed", edited_ms=9)
        await messages.store(tx, [edit], keep="all", seen_ms=1)


async def opt_out(database: Database) -> None:
    async with database.transaction(durable=True) as tx:
        await opt_outs.add(tx, UserId(100))
    await empty(database, author_id=UserId(100))


async def delete_channel(database: Database) -> None:
    async with database.transaction() as tx:
        await channels.delete(tx, [ChannelId(CHANNEL)])


async def forget_guild(database: Database) -> None:
    async with database.transaction() as tx:
        await guilds.forget(tx, GUILD)


@pytest.mark.parametrize("erase", [delete_message, edit_away, opt_out, delete_channel, forget_guild])
async def test_what_was_forgotten_leaves_no_byte_in_the_files(
    database: Database, data_dir: Path, erase: Callable[[Database], Awaitable[None]]
) -> None:
    await fill(database)
    await database.checkpoint()
    before = found(data_dir)
    assert before == {WORD, AUTHOR_NAME, FILE, ALT, SHOWN, "vector"}

    await erase(database)
    assert await purge(database)

    assert found(data_dir) == set()


@pytest.mark.parametrize("body", ["", "a boat"])
async def test_a_text_that_a_picture_no_longer_has_leaves_no_byte(
    database: Database, data_dir: Path, body: str
) -> None:
    await fill(database)
    async with database.transaction() as tx:
        ((picture_id,),) = await tx.execute_fetchall("SELECT picture_id FROM picture_texts")
        await picture_texts.put(tx, picture_id, "ocr", body)
    assert await residue(database) is not None
    assert await purge(database)
    assert found(data_dir) == {WORD, AUTHOR_NAME, FILE, ALT, "vector"}


async def test_words_that_stay_are_still_found_after_a_purge(database: Database) -> None:
    await fill(database)
    await delete_message(database)
    assert await purge(database)
    async with database.transaction() as tx:
        await tx.execute_fetchall("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
    async with database.reader() as reader:
        rows = await reader.execute_fetchall("SELECT count(*) FROM words WHERE words MATCH 'ordinary'")
        assert [tuple(row) for row in rows] == [(1_000,)]


async def residue(database: Database) -> int | None:
    async with database.reader() as reader:
        return await residue_since(reader)


@pytest.mark.parametrize("erase", [delete_message, edit_away, opt_out, delete_channel, forget_guild])
async def test_whatever_is_erased_leaves_a_mark_until_the_purge(
    database: Database, erase: Callable[[Database], Awaitable[None]]
) -> None:
    await fill(database)
    assert await residue(database) is None
    await erase(database)
    assert await residue(database) is not None
    assert await purge(database)
    assert await residue(database) is None


async def test_a_purge_that_a_reader_holds_up_stays_due(database: Database, data_dir: Path) -> None:
    await fill(database)
    async with database.transaction() as tx:
        await tx.execute_fetchall("PRAGMA busy_timeout = 50")
    async with database.reader() as reader:
        await reader.execute_fetchall("SELECT count(*) FROM messages")
        await delete_message(database)
        assert not await purge(database)
        assert await residue(database) is not None
    assert await purge(database)
    assert found(data_dir) == set()


async def test_what_is_erased_during_a_purge_stays_due(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(database)
    await delete_message(database)
    scrub = database.scrub

    async def scrub_and_more() -> bool:
        done = await scrub()
        async with database.transaction() as tx:
            await messages.delete(tx, [MessageId(1)])
        return done

    monkeypatch.setattr(database, "scrub", scrub_and_more)
    assert await purge(database)
    assert await residue(database) is not None


async def test_a_purge_takes_the_backups_too(database: Database) -> None:
    await fill(database)

    def make() -> Path:
        with closing(connect_readonly(database.path)) as connection:
            return back_up(connection, database.path, 1)

    backup = await asyncio.to_thread(make)
    assert await purge(database)
    assert not backup.exists()


@pytest.mark.parametrize("step", ["rewrite", "scrub"])
async def test_a_cancelled_step_changes_nothing(database: Database, step: str) -> None:
    await fill(database)
    for moment in (0.0, 0.001, 0.005):
        task = asyncio.create_task(getattr(database, step)())
        await asyncio.sleep(moment)
        task.cancel()
        await asyncio.wait((task,))
        async with database.transaction() as tx:
            ((result,),) = await tx.execute_fetchall("PRAGMA integrity_check")
            assert result == "ok"
            ((number,),) = await tx.execute_fetchall("SELECT count(*) FROM messages")
            assert number == 1_001


@pytest.mark.soak
@examples(max_examples=example_count(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_whatever_the_history_no_page_keeps_what_was_deleted(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Others write while the pages are cleaned; afterwards the file is sound, and no gap in it holds a byte."""
    chosen = random.Random(seed)
    folder = tmp_path_factory.mktemp("history")
    async with open_database(migrated(folder)) as database:
        await settle(database, 10, 11)

        async def write(count: int) -> None:
            for _ in range(count):
                number = chosen.randrange(1, 400)
                text = f"secret{number}x " * chosen.choice([1, 3, 40, 300])
                async with database.transaction() as tx:
                    if chosen.random() < 0.4:
                        await messages.delete(tx, [MessageId(number)])
                    else:
                        version = message(number, content=text)
                        await messages.store(tx, [version], keep="all", seen_ms=chosen.randrange(99))

        await write(250)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write(40))
            purged = tasks.create_task(purge(database))
        assert purged.result()
        assert await purge(database)
        async with database.transaction() as tx:
            assert [tuple(row) for row in await tx.execute_fetchall("PRAGMA integrity_check")] == [("ok",)]
            await tx.execute_fetchall("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
            left = {row[0] for row in await tx.execute_fetchall("SELECT message_id FROM messages")}
        content = (folder / FILE_NAME).read_bytes()
        assert not [n for n in range(1, 400) if n not in left and b"secret%dx" % n in content]
        with (folder / FILE_NAME).open("rb") as file:
            pages = len(content) // 4096
            assert scrub.find(file.fileno(), 4096, 1, pages) == []


async def test_others_write_between_the_steps_of_a_purge(database: Database) -> None:
    await fill(database)
    await delete_message(database)
    purging = asyncio.create_task(purge(database))
    written = 0
    while not purging.done():
        async with database.transaction() as tx:
            await tx.execute_fetchall("UPDATE guilds SET name = ?", (str(written),))
        written += 1
    assert purging.result()
    assert written > 3  # each step waits for its turn as anybody does
