"""No writer can forget to tell the index: every way that the store's own functions change what may be found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from indexer.database.database import FILE_NAME, Database
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PictureId, UserId
from indexer.records.messages import PlaceFlag
from indexer.settings import IndexSettings
from indexer.store import channels, embeddings, guilds, messages, opt_outs, pictures, places
from indexer.vectors.index import VectorIndex
from tests.worlds import records

OTHER = ChannelId(11)
EVERY = Filter(frozenset({records.CHANNEL, OTHER}))
NOW = 1_700_000_000_000


class Guild:
    """What a crawl does, one message at a time, and what a search sees."""

    def __init__(self, database: Database, index: VectorIndex, model: ModelId) -> None:
        self.database, self.index, self.model = database, index, model

    async def post(
        self, number: int, *contents: str, author: int = records.AUTHOR, channel: int = records.CHANNEL
    ) -> None:
        refs = [records.picture(f"https://cdn.example/{number}/{at}.png", at) for at in range(len(contents))]
        message = records.message(number, *refs, author=author, channel=channel)
        async with self.database.transaction() as tx:
            stored = await messages.store(tx, [message], keep="pictures", seen_ms=NOW)
            for place, content in zip(stored.new_places, contents, strict=True):
                picture = await pictures.add(tx, records.decoded(content))
                await places.attach(tx, place.id, picture)
                await embeddings.add(tx, self.model, [(picture, records.vector(len(content)))])

    def found(self, allowed: Filter = EVERY) -> set[tuple[int, int]]:
        """(message, picture) of every hit."""
        answer = self.index.search(records.GUILD, self.model, records.vector(1), 100, allowed)
        return {
            (place.message_id, candidate.picture_id) for candidate in answer.candidates for place in candidate.places
        }

    def messages(self) -> list[int]:
        return sorted(message for message, _ in self.found())


@pytest.fixture(params=["tail", "segments"])
async def guild(request: pytest.FixtureRequest, database: Database, data_dir: Path) -> AsyncIterator[Guild]:
    await records.settle(database, records.CHANNEL, OTHER)
    async with database.transaction() as tx:
        model = await embeddings.model_id(tx, records.MODEL)
    index = VectorIndex(data_dir / FILE_NAME, data_dir / "segments", IndexSettings(seal_rows=1, threads=1))
    opened = Guild(database, index, model)
    await opened.post(1, "a", "bb")
    await opened.post(2, "a", author=101)
    await opened.post(3, "ccc", channel=OTHER)
    if request.param == "segments":
        await index.maintain(database)
        assert list(index.folder.rglob("*.segment"))
    assert opened.messages() == [1, 1, 2, 3]
    yield opened
    index.close()


async def test_a_deleted_message_goes_with_its_pictures_only_where_nobody_else_shows_them(guild: Guild) -> None:
    async with guild.database.transaction() as tx:
        await messages.delete(tx, [MessageId(1)])
    assert guild.messages() == [2, 3]
    async with guild.database.transaction() as tx:
        await messages.delete(tx, [MessageId(2), MessageId(3)])
    assert guild.messages() == []


async def test_a_picture_that_an_edit_takes_away_goes(guild: Guild) -> None:
    edited = records.message(1, records.picture("https://cdn.example/1/1.png", 1), edited_ms=NOW + 1)
    async with guild.database.transaction() as tx:
        await messages.store(tx, [edited], keep="pictures", seen_ms=NOW + 1)
    assert guild.messages() == [1, 2, 3]


async def test_a_picture_that_an_edit_hides_behind_a_spoiler_is_filtered_as_one(guild: Guild) -> None:
    hidden = records.picture("https://cdn.example/3/0.png", 0, flags=PlaceFlag.SPOILER)
    async with guild.database.transaction() as tx:
        await messages.store(
            tx, [records.message(3, hidden, channel=OTHER, edited_ms=NOW)], keep="pictures", seen_ms=NOW
        )
    spoilers = guild.found(Filter(frozenset({records.CHANNEL, OTHER}), require=PlaceFlag.SPOILER))
    assert [message for message, _ in spoilers] == [3]


async def test_an_author_who_opts_out_is_found_no_more(guild: Guild) -> None:
    async with guild.database.transaction() as tx:
        await opt_outs.add(tx, UserId(records.AUTHOR), records.GUILD)
    hidden = Filter(frozenset({records.CHANNEL, OTHER}), not_authors=frozenset({UserId(records.AUTHOR)}))
    assert {message for message, _ in guild.found(hidden)} == {2}  # while their messages are being deleted
    async with guild.database.transaction() as tx:
        await messages.delete_some(tx, 100, author_id=UserId(records.AUTHOR), guild_id=records.GUILD)
    assert guild.messages() == [2]


async def test_a_deleted_channel_is_found_no_more(guild: Guild) -> None:
    async with guild.database.transaction() as tx:
        await channels.delete(tx, [OTHER])
    assert guild.messages() == [1, 1, 2]


async def test_a_guild_that_is_forgotten_is_found_no_more(guild: Guild) -> None:
    async with guild.database.transaction() as tx:
        await guilds.forget(tx, GuildId(records.GUILD))
    assert guild.messages() == []


async def test_a_picture_embedded_anew_is_found_by_its_new_vector(guild: Guild) -> None:
    ((picture, _),) = [
        (candidate.picture_id, candidate.score)
        for candidate in guild.index.search(records.GUILD, guild.model, records.vector(3), 1, EVERY).candidates
    ]
    async with guild.database.transaction() as tx:
        await embeddings.add(tx, guild.model, [(PictureId(picture), records.vector(99))])
    best = guild.index.search(records.GUILD, guild.model, records.vector(99), 1, EVERY).candidates[0]
    assert best.picture_id == picture
    assert best.score > 0.99


async def test_a_place_that_shows_another_picture_now_is_found_as_that(guild: Guild) -> None:
    before = dict(guild.found())
    async with guild.database.transaction() as tx:
        ((place,),) = await tx.execute_fetchall("SELECT place_id FROM places WHERE message_id = 3")
        await places.attach(tx, place, PictureId(before[2]))
        await tx.execute_fetchall("UPDATE places SET picture_id = ? WHERE place_id = ?", (before[2], place))
    assert dict(guild.found())[3] == before[2]
    assert len(guild.found()) == 4


async def test_a_message_that_moved_is_found_where_it_is_now(guild: Guild) -> None:
    async with guild.database.transaction() as tx:
        await tx.execute_fetchall("UPDATE messages SET channel_id = ? WHERE message_id = 2", (OTHER,))
    assert {message for message, _ in guild.found(Filter(frozenset({OTHER})))} == {2, 3}


async def test_a_rolled_back_transaction_changes_nothing(guild: Guild) -> None:
    with pytest.raises(ZeroDivisionError):
        async with guild.database.transaction() as tx:
            await messages.delete(tx, [MessageId(1)])
            raise ZeroDivisionError
    assert guild.messages() == [1, 1, 2, 3]


async def test_a_picture_without_an_embedding_leaves_no_line_in_the_log(guild: Guild) -> None:
    async with guild.database.reader() as connection:
        before = await records.count(connection, "index_log")
    async with guild.database.transaction() as tx:
        stored = await messages.store(tx, [records.message(9, records.picture("u", 0))], keep="pictures", seen_ms=NOW)
        await places.attach(tx, stored.new_places[0].id, await pictures.add(tx, records.decoded("dddd")))
    async with guild.database.reader() as connection:
        assert await records.count(connection, "index_log") == before
