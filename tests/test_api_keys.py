"""Keys of the HTTP interface: what is stored of them, and what opens nothing."""

from __future__ import annotations

import hashlib

import pytest

from indexer import api_keys
from indexer.api_keys import ApiKeys
from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.records.api_keys import KeyId, KeyScope
from indexer.records.ids import GuildId
from indexer.store import audit


@pytest.fixture
def keys(database: Database) -> ApiKeys:
    return ApiKeys(database)


async def test_of_a_key_only_its_hash_is_stored(keys: ApiKeys, database: Database) -> None:
    key, text = await keys.create("mine", KeyScope.READ)
    assert await keys.check(text) == key
    secret = text.split("_", 2)[2]
    await database.checkpoint()
    stored = database.path.read_bytes()
    assert secret.encode() not in stored
    assert hashlib.sha256(secret.encode()).digest() in stored
    async with database.reader() as connection:
        lines = await audit.recent(connection, 5)
    assert [line.action for line in lines] == ["key.create"]
    assert secret not in str(lines)


async def test_only_the_very_text_opens(keys: ApiKeys) -> None:
    key, text = await keys.create("mine", KeyScope.READ)
    last = "A" if text[-1] != "A" else "B"
    for wrong in (
        "",
        text[:-1],
        text + "A",
        text[:-1] + last,
        text.replace(f"_{key.id}_", "_99_"),
        text.upper(),
        f" {text}",
    ):
        assert await keys.check(wrong) is None, wrong


async def test_an_expired_and_a_revoked_key_open_nothing(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    short, short_text = await keys.create("short", KeyScope.READ, days=1)
    long, long_text = await keys.create("long", KeyScope.READ, days=2)
    monkeypatch.setattr(api_keys, "now_ms", lambda: short.created_ms + api_keys.DAY_MS)
    assert await keys.check(short_text) is None
    assert await keys.still_valid(short.id) is None
    assert await keys.check(long_text) == long
    assert (await keys.revoke(long.id)).revoked_ms is not None
    assert await keys.check(long_text) is None
    assert await keys.still_valid(long.id) is None


async def test_a_key_is_revoked_only_by_whoever_sees_it(keys: ApiKeys) -> None:
    everywhere, _ = await keys.create("everywhere", KeyScope.ADMIN)
    for_one, _ = await keys.create("one", KeyScope.ADMIN, guild_id=GuildId(5))
    for key_id in (everywhere.id, for_one.id, KeyId(99)):
        with pytest.raises(TellPerson, match="key-unknown"):
            await keys.revoke(key_id, guild_id=GuildId(6))
    assert [key.id for key in await keys.known(GuildId(5))] == [for_one.id]
    assert [key.id for key in await keys.known()] == [for_one.id, everywhere.id]


@pytest.mark.parametrize(("name", "days"), [("", 1), (" ", 1), ("x" * 101, 1), ("x", 0), ("x", 3651)])
async def test_a_key_that_cannot_be_is_refused(keys: ApiKeys, name: str, days: int) -> None:
    with pytest.raises(TellPerson, match="key-"):
        await keys.create(name, KeyScope.READ, days=days)
    assert await keys.known() == []
