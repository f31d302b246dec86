"""Threads: who sees which, and the three paging keys of the archived ones."""

from urllib.parse import quote

from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.snowflakes import iso
from sandbox.world import World
from tests.sandbox.raw import raw_client
from tests.worlds.rich_guild import rich_world

HOUR_MS = 3_600_000


async def test_archived_threads_are_paged_by_time_and_joined_private_ones_by_id() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    start = world.clock.now_ms() - 100 * HOUR_MS
    # Archived in the other order than they were made: time and id must not be mixed up.
    public = [
        chat.thread(f"t{i}", guild.owner, archived=True, at_ms=start + i, archived_ms=start + (9 - i) * HOUR_MS)
        for i in range(5)
    ]
    private = [
        chat.thread(f"p{i}", guild.owner, private=True, archived=True, at_ms=start + i, members=[world.bot])
        for i in range(5)
    ]
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{chat.id}/threads/archived/public?limit=2"
        first = (await api.get(path)).body
        assert ([t["name"] for t in first["threads"]], first["has_more"]) == (["t0", "t1"], True)
        before = first["threads"][-1]["thread_metadata"]["archive_timestamp"]
        second = (await api.get(f"{path}&before={quote(before)}")).body
        assert [t["name"] for t in second["threads"]] == ["t2", "t3"]
        last = (await api.get(f"{path}&before={iso(public[3].archived_ms)}")).body
        assert ([t["name"] for t in last["threads"]], last["has_more"]) == (["t4"], False)
        joined = f"/channels/{chat.id}/users/@me/threads/archived/private?limit=2"
        page = (await api.get(joined)).body
        assert [t["name"] for t in page["threads"]] == ["p4", "p3"]
        page = (await api.get(f"{joined}&before={private[3].id}")).body
        assert [t["name"] for t in page["threads"]] == ["p2", "p1"]
        assert (await api.get(f"{path}&before=yesterday")).status == 400


async def test_a_private_thread_is_nothing_to_those_outside_it() -> None:
    rich = rich_world()
    ben = rich.guild.members[rich.member.id]
    assert not rich.private.seen_by(ben)
    rich.private.add_member(rich.member)
    assert rich.private.read_by(ben)
    rich.private.remove_member(rich.member)
    ben.roles[0].update(allowed=Permission.MANAGE_THREADS)
    assert rich.private.read_by(ben)


async def test_the_bot_lists_private_archives_only_with_manage_threads() -> None:
    rich = rich_world()
    rich.guild.me.roles[0].permissions &= ~Permission.MANAGE_THREADS
    outside = rich.chat.thread("not mine", rich.owner, private=True, archived=True)
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        answer = await api.get(f"/channels/{rich.chat.id}/threads/archived/private")
        assert answer.body["code"] == 50013
        joined = (await api.get(f"/channels/{rich.chat.id}/users/@me/threads/archived/private")).body["threads"]
        assert [t["name"] for t in joined] == ["old whispers"]
        assert (await api.get(f"/channels/{outside.id}/messages")).status == 403


async def test_active_threads_are_those_the_bot_may_view() -> None:
    rich = rich_world()
    rich.chat.thread("not mine", rich.owner, private=True)
    rich.secret.thread("hidden", rich.owner)
    rich.guild.me.roles[0].permissions &= ~Permission.MANAGE_THREADS
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        found = (await api.get(f"/guilds/{rich.guild.id}/threads/active")).body["threads"]
        assert {t["name"] for t in found} == {"a post", "whispers"}


async def test_the_bot_joins_and_leaves_a_thread() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{rich.post.id}/thread-members/@me"
        assert (await api.get(path)).body["code"] == 10007
        assert (await api.request("PUT", path)).status == 204
        assert (await api.get(path)).body["user_id"] == str(rich.world.bot.id)
        assert (await api.request("DELETE", path)).status == 204
        assert (await api.get(path)).status == 404
        assert (await api.request("PUT", f"/channels/{rich.archived.id}/thread-members/@me")).body["code"] == 50083


async def test_a_thread_inherits_the_age_restriction_of_its_parent() -> None:
    rich = rich_world()
    night = rich.guild.named("night")
    thread = night.thread("late", rich.member)
    assert thread.adult
    night.update(age_restricted=False)
    assert not thread.adult


async def test_a_forum_post_begins_with_a_message_of_its_own_id() -> None:
    rich = rich_world()
    post = rich.forum.thread("another", rich.owner)
    first, second = post.post(rich.owner, "first"), post.post(rich.member, "second")
    assert first.id == post.id
    assert second.id != post.id
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        assert (await api.get(f"/channels/{post.id}/messages/{post.id}")).body["content"] == "first"
        assert (await api.get(f"/channels/{post.id}")).body["message_count"] == 1
        first.delete()
        assert post.post(rich.owner, "third").id != post.id
        assert (await api.get(f"/channels/{post.id}")).body["message_count"] == 2
