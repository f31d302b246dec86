"""Reading history: pages, permissions, and what the MESSAGE_CONTENT intent takes away."""

import pytest

from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind, File, World
from tests.sandbox.conftest import picture
from tests.sandbox.raw import raw_client
from tests.worlds.rich_guild import rich_world


def _ids(page: list[dict[str, str]]) -> list[int]:
    return [int(message["id"]) for message in page]


async def test_pages_are_newest_first_and_meet_without_gap() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    posted = [chat.post(guild.owner, str(i)).id for i in range(250)]
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{chat.id}/messages"
        seen: list[int] = []
        while page := _ids((await api.get(f"{path}?limit=100" + (f"&before={seen[-1]}" if seen else ""))).body):
            seen += page
        assert seen == posted[::-1]
        assert _ids((await api.get(f"{path}?limit=3&after={posted[9]}")).body) == posted[12:9:-1]
        assert _ids((await api.get(f"{path}?limit=5&around={posted[100]}")).body) == posted[102:97:-1]
        assert len((await api.get(path)).body) == 50


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "before=1&after=2", "before=x"])
async def test_a_page_that_makes_no_sense_is_refused(query: str) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        answer = await api.get(f"/channels/{rich.chat.id}/messages?{query}")
        assert (answer.status, answer.body["code"]) == (400, 50035)


async def test_without_read_message_history_the_page_is_empty_and_not_forbidden() -> None:
    rich = rich_world()
    rich.chat.allow(rich.guild.me, deny=Permission.READ_MESSAGE_HISTORY)
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        answer = await api.get(f"/channels/{rich.chat.id}/messages")
        assert (answer.status, answer.body) == (200, [])
        answer = await api.get(f"/channels/{rich.chat.id}/messages/{rich.picture.id}")
        assert (answer.status, answer.body["code"]) == (403, 50001)


async def test_a_channel_the_bot_may_not_view_is_forbidden() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        answer = await api.get(f"/channels/{rich.secret.id}/messages")
        assert (answer.status, answer.body["code"]) == (403, 50001)


async def test_text_in_a_voice_channel_needs_connect() -> None:
    rich = rich_world()
    voice = rich.guild.named("voice")
    voice.post(rich.member, "psst")
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        assert len((await api.get(f"/channels/{voice.id}/messages")).body) == 1
        voice.allow(rich.guild.me, deny=Permission.CONNECT)
        assert (await api.get(f"/channels/{voice.id}/messages")).status == 403


async def test_a_forum_holds_no_messages_of_its_own() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        assert (await api.get(f"/channels/{rich.forum.id}/messages")).status == 400
        assert len((await api.get(f"/channels/{rich.post.id}/messages")).body) == 1
    with pytest.raises(ValueError, match="holds no messages"):
        rich.forum.post(rich.member, "no")


async def test_without_the_content_intent_messages_arrive_hollow() -> None:
    rich = rich_world()
    rich.world.application.message_content = False
    mention = rich.chat.post(rich.member, f"<@{rich.world.bot.id}> look")
    own = rich.chat.post(rich.world.bot, "mine")
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        page = {int(m["id"]): m for m in (await api.get(f"/channels/{rich.chat.id}/messages?limit=100")).body}
        for key in ("content", "attachments", "embeds", "components"):
            assert not page[rich.picture.id][key]
        assert page[mention.id]["content"]
        assert page[own.id]["content"] == "mine"
        forwards = [m for m in page.values() if "message_snapshots" in m]
        assert forwards
        assert not any(m["message_snapshots"][0]["message"]["attachments"] for m in forwards)
        flags = (await api.get("/oauth2/applications/@me")).body["flags"]
        assert not flags & (1 << 18 | 1 << 19)


async def test_a_forward_carries_the_message_without_its_author() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        page = (await api.get(f"/channels/{rich.chat.id}/messages?limit=100")).body
        forward = next(m for m in page if "message_snapshots" in m)
        snapshot = forward["message_snapshots"][0]["message"]
        assert "author" not in snapshot
        assert [a["filename"] for a in snapshot["attachments"]] == ["a.png", "b.jpg", "notes.txt"]
        assert forward["message_reference"]["type"] == 1
        assert forward["attachments"] == []


async def test_files_shown_by_components_are_left_out_of_the_attachments() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        page = (await api.get(f"/channels/{rich.chat.id}/messages?limit=100")).body
        message = next(m for m in page if m["components"])
        assert message["attachments"] == []
        shown = message["components"][0]["items"][0]["media"]
        assert shown["url"].startswith(sandbox.base_url)
        assert (shown["width"], shown["height"]) == (96, 64)


async def test_attachments_say_what_discord_would_measure() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    files = [
        File.of("a.gif", picture(kind="GIF"), description="alt", spoiler=True),
        File.of("not.png", b"text"),
        File.of("empty.png", b""),
        File.of("named.png", picture(kind="JPEG")),
    ]
    chat.post(guild.owner, files=files)
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        (message,) = (await api.get(f"/channels/{chat.id}/messages")).body
        gif, text, empty, named = message["attachments"]
        assert (gif["content_type"], gif["width"], gif["flags"] & 8, gif["description"]) == ("image/gif", 96, 8, "alt")
        assert ("width" in text, text["content_type"]) == (False, "image/png")
        assert (empty["size"], "width" in empty) == (0, False)
        assert (named["width"], named["content_type"]) == (96, "image/png")


async def test_the_bot_edits_and_deletes_only_what_it_may() -> None:
    rich = rich_world()
    rich.guild.me.roles[0].permissions &= ~Permission.MANAGE_MESSAGES
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{rich.chat.id}/messages"
        assert (await api.request("PATCH", f"{path}/{rich.picture.id}", {"content": "x"})).body["code"] == 50005
        assert (await api.request("DELETE", f"{path}/{rich.picture.id}")).body["code"] == 50013
        made = (await api.post(path, {"content": "hi <@1> @everyone", "allowed_mentions": {"parse": []}})).body
        assert (made["mentions"], made["mention_everyone"]) == ([], False)
        assert (await api.request("PATCH", f"{path}/{made['id']}", {"content": "ho"})).body["edited_timestamp"]
        assert (await api.request("DELETE", f"{path}/{made['id']}")).status == 204
        assert (await api.get(f"{path}/{made['id']}")).body["code"] == 10008


async def test_old_messages_are_not_bulk_deleted() -> None:
    rich = rich_world()
    old = rich.chat.post(rich.member, "old", at_ms=rich.world.clock.now_ms() - 15 * 86_400_000)
    new = [rich.chat.post(rich.member, str(i)) for i in range(3)]
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{rich.chat.id}/messages/bulk-delete"
        assert (await api.post(path, {"messages": [str(old.id), str(new[0].id)]})).body["code"] == 50034
        assert (await api.post(path, {"messages": [str(m.id) for m in new]})).status == 204
        assert all(rich.chat.message(message.id) is None for message in new)


@pytest.mark.parametrize("kind", list(ChannelKind))
async def test_every_kind_of_channel_has_its_payload(kind: ChannelKind) -> None:
    rich = rich_world()
    for channel in (*rich.guild.channels.values(), *rich.guild.threads.values()):
        if channel.kind is kind and channel is not rich.secret:
            async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
                assert (await api.get(f"/channels/{channel.id}")).body["type"] == kind
            return
    assert kind is ChannelKind.ANNOUNCEMENT_THREAD
