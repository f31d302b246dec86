"""Search over a guild's messages."""

import pytest

from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import File, World
from tests.sandbox.conftest import picture
from tests.sandbox.raw import raw_client
from tests.sandbox.rich_world import rich_world


async def test_max_id_pages_through_all_that_match() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    shown = File.of("a.png", picture())
    wanted = [chat.post(guild.owner, str(i), files=[shown] if i % 4 == 0 else ()).id for i in range(240)][::4]
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        path = f"/guilds/{guild.id}/messages/search?has=image&limit=25&channel_id={chat.id}"
        seen: list[int] = []
        while True:
            page = (await api.get(path + (f"&max_id={seen[-1]}" if seen else ""))).body
            assert page["total_results"] == len(wanted) - len(seen)
            if not page["messages"]:
                break
            seen += [int(hit["id"]) for (hit,) in page["messages"]]
        assert seen == wanted[::-1]
        offset = (await api.get(path + "&offset=25&sort_order=asc")).body["messages"]
        assert int(offset[0][0]["id"]) == wanted[25]


@pytest.mark.parametrize(
    ("has", "count"),
    [("image", 4), ("embed", 1), ("sticker", 1), ("snapshot", 1), ("link", 2), ("file", 3), ("-file", 6)],
)
async def test_has_tells_what_messages_carry(has: str, count: int) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        page = (await api.get(f"/guilds/{rich.guild.id}/messages/search?has={has}")).body
        assert page["total_results"] == count


async def test_age_restricted_channels_are_left_out_unless_asked_for() -> None:
    rich = rich_world()
    rich.guild.named("night").post(rich.member, files=[File.of("a.png", picture())])
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/guilds/{rich.guild.id}/messages/search?has=image"
        assert (await api.get(path)).body["total_results"] == 4
        assert (await api.get(path + "&include_nsfw=true")).body["total_results"] == 5


async def test_it_searches_only_where_the_bot_may_read() -> None:
    rich = rich_world()
    rich.secret.post(rich.member, files=[File.of("a.png", picture())])
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/guilds/{rich.guild.id}/messages/search?has=image"
        assert (await api.get(path)).body["total_results"] == 4
        assert (await api.get(f"{path}&channel_id={rich.secret.id}")).body["code"] == 50001
        rich.chat.allow(rich.guild.me, deny=Permission.READ_MESSAGE_HISTORY)
        left = (await api.get(path)).body["messages"]
        assert [hit["channel_id"] for (hit,) in left] == [str(rich.post.id)]


async def test_it_may_be_building_unsure_or_forbidden() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/guilds/{rich.guild.id}/messages/search?has=image"
        sandbox.api.search.building = 2
        for _ in range(2):
            answer = await api.get(path)
            assert (answer.status, answer.body["code"]) == (202, 110000)
        sandbox.api.search.unknown.add(rich.picture.id)
        assert (await api.get(path)).body["total_results"] == 3
        assert (await api.get(path + "&limit=26")).status == 400
        assert (await api.get(path + "&has=cats")).status == 400
        rich.world.application.message_content = False
        assert (await api.get(path)).status == 403


async def test_it_follows_what_is_posted_and_deleted() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/guilds/{rich.guild.id}/messages/search?has=image"
        assert (await api.get(path)).body["total_results"] == 4
        new = rich.chat.post(rich.member, files=[File.of("a.png", picture())])
        assert (await api.get(path)).body["total_results"] == 5
        new.delete()
        rich.picture.edit(files=[])
        assert (await api.get(path)).body["total_results"] == 3
        words = await api.get(f"/guilds/{rich.guild.id}/messages/search?content=HELLO&author_id={rich.member.id}")
        assert words.body["total_results"] == 1
