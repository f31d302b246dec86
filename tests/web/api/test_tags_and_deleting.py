"""Tags and deleting over HTTP: one picture, all that a question names, counted first and confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from indexer.records.ids import GuildId, UserId
from indexer.store import opt_outs
from tests.worlds.api_world import ADMIN, WRITE, ApiWorld

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api tags")]


async def found(api: ApiWorld, q: str) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = (await api.ask(f"{api.town}/search", params={"q": q}))["hits"]
    return hits


async def post(api: ApiWorld, path: str, body: dict[str, Any], status: int = 200, scope: Any = WRITE) -> dict[str, Any]:
    answer: dict[str, Any] = await api.ask(
        f"{api.town}/{path}", method="POST", json=body, status=status, key=await api.key(scope, api.place.guild)
    )
    return answer


async def test_a_picture_gets_and_loses_tags_and_is_found_by_them(api: ApiWorld) -> None:
    hit = (await found(api, "in:#pictures"))[0]
    path = f"places/{hit['place']}/tags"
    assert await post(api, path, {"add": ["Rainy Day", "b"]}) == {"tags": ["b", "rainy day"]}
    assert [(again["place"], again["tags"]) for again in await found(api, 'tag:"rainy day"')] == [
        (hit["place"], ["b", "rainy day"])
    ]
    assert await post(api, path, {"add": ["c"], "remove": ["B", "rainy day", "none"]}) == {"tags": ["c"]}
    assert (await api.ask(f"{api.town}/tags"))["tags"] == [{"tag": "c", "pictures": 1}]
    assert await post(api, path, {"remove": ["c"]}) == {"tags": []}
    for body in ({}, {"add": ["a,b"]}, {"add": [f"t{number}" for number in range(32)], "remove": ["\u200b"]}):
        assert (await post(api, path, body, 422))["error"]["code"] == "bad_question"
    await post(api, path, {"add": [f"t{number}" for number in range(32)]})
    assert (await post(api, path, {"add": ["more"]}, 422))["error"]["code"] == "bad_question"
    await post(api, path, {"remove": [f"t{number}" for number in range(32)]})


async def test_all_that_a_question_names_are_counted_then_tagged(api: ApiWorld) -> None:
    body = {"q": "in:#pictures", "add": ["all"]}
    planned = await post(api, "tags", body)
    assert planned == {"pictures": 6, "changed": 0, "full": 0, "done": False}
    assert (await post(api, "tags", {**body, "confirm": 5}, 409))["error"]["details"] == {"count": 6}
    assert await found(api, "tag:all") == []
    done = await post(api, "tags", {**body, "confirm": 6})
    assert (done["changed"], done["done"]) == (6, True)
    assert len(await found(api, "tag:all")) == 6
    only = await post(
        api, "tags", {"q": "picture in:#pictures count:2", "add": ["two"], "remove": ["all"], "confirm": 2}
    )
    assert (only["pictures"], len(await found(api, "tag:two -tag:all"))) == (2, 2)
    assert (await post(api, "tags", {"q": "", "add": ["x"]}, 422))["error"]["code"] == "bad_question"
    entry = await last_change(api, "tags.change")
    assert entry["detail"]["places"] == 2
    await post(api, "tags", {"q": "in:#pictures", "remove": ["all", "two"], "confirm": 6})
    assert entry["key"] is not None


async def test_an_author_who_opted_out_has_no_tags_to_read_or_change(api: ApiWorld) -> None:
    hit = (await found(api, "in:#pictures"))[0]
    guild_id, author = GuildId(api.place.guild.id), UserId(int(hit["author_id"]))
    async with api.service.db.transaction() as tx:
        await opt_outs.add(tx, author, guild_id)
    await post(api, f"places/{hit['place']}/tags", {"add": ["x"]}, 404)
    async with api.service.db.transaction() as tx:
        await opt_outs.remove(tx, author, guild_id)


async def test_messages_are_counted_deleted_kept_away_and_taken_back(api: ApiWorld) -> None:
    body = {"q": "in:#secret"}
    planned = await post(api, "messages/delete", body, scope=ADMIN)
    assert planned == {"messages": 2, "pictures": 2, "deleted": 0, "done": False}
    assert (await post(api, "messages/delete", {**body, "confirm": 0}, 409, ADMIN))["error"]["code"] == "conflict"
    done = await post(api, "messages/delete", {**body, "confirm": 2}, scope=ADMIN)
    assert (done["deleted"], done["done"], await found(api, "in:#secret")) == (2, True, [])
    entry = await last_change(api, "messages.delete")
    assert (entry["detail"]["messages"], entry["guild"]) == (2, str(api.place.guild.id))
    assert (await post(api, "messages/undelete", {"q": "from:bo"}, 422, ADMIN))["error"]["code"] == "bad_question"
    assert await post(api, "messages/undelete", body, scope=ADMIN) == {"messages": 2}
    assert await post(api, "messages/undelete", {}, scope=ADMIN) == {"messages": 0}


async def last_change(api: ApiWorld, action: str) -> dict[str, Any]:
    """The newest line of the audit log with this action."""
    entries: list[dict[str, Any]] = (await api.ask("/api/v1/audit", key=await api.key(ADMIN)))["entries"]
    return next(entry for entry in entries if entry["action"] == action)
