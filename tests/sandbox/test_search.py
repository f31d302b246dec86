"""Search over a guild's messages."""

import pytest

from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import File, World
from tests.sandbox.conftest import picture
from tests.sandbox.raw import raw_client
from tests.worlds.rich_guild import Rich, rich_world


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


async def _asked(query: str, rich: Rich) -> list[str]:
    """The contents of what is found, newest first."""
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        answer = await api.get(f"/guilds/{rich.guild.id}/messages/search?{query}")
        assert answer.status == 200, answer.body
        return [hit["content"] for (hit,) in answer.body["messages"]]


def _searched() -> Rich:
    rich = rich_world()
    rich.chat.post(rich.owner, "red cat on a blue mat").pin()
    rich.chat.post(rich.owner, "red and very blue, <@5> <@&6>", reply_to=rich.picture)
    return rich


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("author_type=bot", [""]),
        ("author_type=-user", [""]),
        ("author_type=webhook", []),
        ("attachment_filename=OTES", ["look"]),
        ("attachment_extension=txt&attachment_extension=webp", ["look", "in the forum"]),
        ("attachment_extension=gif", []),
        ("pinned=true", ["red cat on a blue mat"]),
        ("mentions=5", ["red and very blue, <@5> <@&6>"]),
        ("mentions_role_id=6", ["red and very blue, <@5> <@&6>"]),
        ("mention_everyone=true", ["hello <@OWNER> @everyone https://pictures.example"]),
        ("replied_to_user_id=MEMBER&author_id=OWNER", ["red and very blue, <@5> <@&6>", "nice"]),
        ("replied_to_message_id=PICTURE&mentions=5", ["red and very blue, <@5> <@&6>"]),
        ("link_hostname=pictures.example&has=-embed", ["hello <@OWNER> @everyone https://pictures.example"]),
        ("embed_type=article", ["https://pictures.example"]),
        ("embed_type=video", []),
        ("embed_provider=YouTube", []),
        ("content=red+blue", ["red and very blue, <@5> <@&6>"]),
        ("content=red+blue&slop=3", ["red and very blue, <@5> <@&6>", "red cat on a blue mat"]),
        ("content=blue+red&slop=100", []),
    ],
)
async def test_every_parameter_is_honoured(query: str, found: list[str]) -> None:
    rich = _searched()
    ids = {"OWNER": rich.owner.id, "MEMBER": rich.member.id, "PICTURE": rich.picture.id}
    for name, value in ids.items():
        query, found = query.replace(name, str(value)), [text.replace(name, str(value)) for text in found]
    assert await _asked(query, rich) == found


async def test_by_relevance_what_stands_closer_comes_first() -> None:
    rich = rich_world()
    for words in ("red blue", "red or blue"):
        rich.chat.post(rich.owner, words)
    assert await _asked("content=red+blue", rich) == ["red or blue", "red blue"]
    assert await _asked("content=red+blue&sort_by=relevance", rich) == ["red blue", "red or blue"]


@pytest.mark.parametrize(
    "query",
    [
        "sort_by=nope", "sort_order=up", "author_type=person", "has=cats", "embed_type=-image", "pinned=perhaps",
        "mention_everyone=2", "mentions=mara", "slop=101", "slop=near", "author_id=1&author_id=1", "max_id=x",
        f"content={'x' * 1025}", f"attachment_extension={'x' * 257}", "limit=0", "offset=9976",
        "&".join(f"author_id={i}" for i in range(101)),
    ],
)  # fmt: skip
async def test_what_discord_refuses_is_refused(query: str) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        answer = await api.get(f"/guilds/{rich.guild.id}/messages/search?{query}")
        assert (answer.status, answer.body["code"]) == (400, 50035)
        assert query.partition("=")[0] in answer.body["errors"]
