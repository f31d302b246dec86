"""Interactions: Discord's deadlines, who sees an answer, and what may follow it."""

import pytest

from sandbox.interactions import Interaction, Kind
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import MessageFlag
from tests.sandbox.raw import Answer, Raw, raw_client
from tests.worlds.rich_guild import Rich, rich_world


def _ask(sandbox: Sandbox, rich: Rich, kind: Kind = Kind.COMMAND) -> Interaction:
    member = rich.guild.members[rich.member.id]
    source = None
    if kind is Kind.COMPONENT:
        source = rich.chat.post(rich.world.bot, "press me")
    return sandbox.interactions.open(kind, member, rich.chat, {"id": "1", "name": "ask", "type": 1}, source=source)


async def _answer(api: Raw, on: Interaction, kind: int, data: object = None, query: str = "") -> Answer:
    body = {"type": kind} | ({} if data is None else {"data": data})
    return await api.post(f"/interactions/{on.id}/{on.token}/callback{query}", body)


def _webhook(rich: Rich, on: Interaction, path: str = "/messages/@original") -> str:
    return f"/webhooks/{rich.world.application.id}/{on.token}{path}"


async def test_a_deferred_answer_is_thinking_until_it_is_edited() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        answer = await _answer(api, on, 5, {"flags": 64}, "?with_response=true")
        about = answer.body["interaction"]
        assert (about["response_message_loading"], about["response_message_ephemeral"]) == (True, True)
        seen = [on.loading]
        text = [{"type": 10, "content": "found"}]
        edited = await api.request("PATCH", _webhook(rich, on), {"flags": 1 << 15, "components": text})
        assert edited.body["flags"] == 64 | 1 << 15
        assert edited.body["edited_timestamp"] is None
        assert [*seen, on.loading] == [True, False]
        assert (await api.get(_webhook(rich, on))).body["components"][0]["content"] == "found"


async def test_an_ephemeral_answer_is_in_no_channel() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        before = len(rich.chat)
        on = _ask(sandbox, rich)
        await _answer(api, on, 4, {"content": "only you", "flags": 64})
        assert on.original is not None
        assert len(rich.chat) == before
        assert (await api.get(f"/channels/{rich.chat.id}/messages/{on.original.id}")).status == 404
        public = _ask(sandbox, rich)
        await _answer(api, public, 4, {"content": "everyone"})
        assert len(rich.chat) == before + 1


async def test_an_interaction_is_answered_once() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        assert (await api.get(_webhook(rich, on))).body["code"] == 10015
        assert (await _answer(api, on, 5)).status == 204
        assert (await _answer(api, on, 5)).body["code"] == 40060


async def test_an_answer_after_three_seconds_comes_too_late() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        on.born_at -= 3.1
        assert (await _answer(api, on, 5)).body["code"] == 10062
        other = _ask(sandbox, rich)
        other.token += "x"
        assert (await _answer(api, on, 5)).body["code"] == 10062


async def test_the_token_dies_after_fifteen_minutes_and_a_public_answer_lives_on() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        await _answer(api, on, 4, {"content": "0 %"})
        rich.world.clock.advance(15 * 60 + 1)
        late = await api.request("PATCH", _webhook(rich, on), {"content": "50 %"})
        assert (late.status, late.body["code"]) == (401, 50027)
        assert on.original is not None
        path = f"/channels/{rich.chat.id}/messages/{on.original.id}"
        assert (await api.request("PATCH", path, {"content": "50 %"})).body["content"] == "50 %"


async def test_the_first_followup_takes_the_place_of_thinking() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        await _answer(api, on, 5, {"flags": 64})
        first = (await api.post(_webhook(rich, on, "?wait=true"), {"content": "one"})).body
        assert on.original is not None
        assert (first["id"], bool(first["flags"] & 64)) == (str(on.original.id), True)
        second = (await api.post(_webhook(rich, on, "?wait=true"), {"content": "two"})).body
        assert (second["id"] != first["id"], bool(second["flags"] & 64)) == (True, False)
        path = _webhook(rich, on, f"/messages/{second['id']}")
        assert (await api.request("PATCH", path, {"content": "three"})).body["content"] == "three"
        assert (await api.request("DELETE", path)).status == 204
        assert (await api.get(path)).body["code"] == 10008


async def test_a_press_changes_the_message_it_was_on() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich, Kind.COMPONENT)
        answer = await _answer(api, on, 7, {"content": "pressed"}, "?with_response=1")
        assert answer.body["resource"]["message"]["content"] == "pressed"
        assert on.source is on.original
        later = _ask(sandbox, rich, Kind.COMPONENT)
        await _answer(api, later, 6)
        thinking = later.loading
        await api.request("PATCH", _webhook(rich, later), {"content": "done"})
        assert later.source is not None
        assert (thinking, later.loading, later.source.content) == (True, False, "done")


@pytest.mark.parametrize(
    ("kind", "answer"), [(Kind.COMMAND, 7), (Kind.COMMAND, 6), (Kind.AUTOCOMPLETE, 4), (Kind.COMPONENT, 8)]
)
async def test_an_answer_of_the_wrong_kind_is_refused(kind: Kind, answer: int) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich, kind)
        found = await _answer(api, on, answer, {"content": "x"})
        assert (found.status, on.answer) == (400, None)


async def test_a_broken_answer_leaves_the_interaction_open() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        assert (await _answer(api, on, 4, {"content": "x" * 2001})).body["code"] == 50035
        assert (await _answer(api, on, 4, {})).body["code"] == 50006
        assert (await _answer(api, on, 4, {"content": "ok"})).status == 204


async def test_an_edit_keeps_what_it_does_not_name_and_lets_go_of_files_it_leaves_out() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        on = _ask(sandbox, rich)
        await _answer(api, on, 4, {"content": "hello", "flags": 64})
        path = _webhook(rich, on)
        assert (await api.request("PATCH", path, {"components": []})).body["content"] == "hello"
        v2 = {"flags": 1 << 15, "components": [{"type": 10, "content": "x"}]}
        assert (await api.request("PATCH", path, v2)).status == 400
        assert (await api.request("PATCH", path, v2 | {"content": None})).body["content"] == ""
        assert (await api.request("PATCH", path, {"content": "back"})).status == 400
        assert on.original is not None
        assert on.original.flags & MessageFlag.COMPONENTS_V2
