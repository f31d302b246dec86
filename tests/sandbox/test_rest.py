"""The rest of REST: commands one at a time, embeds, threads that come and go, and what is not there."""

import io
from typing import Any
from urllib.parse import quote

import discord

from sandbox.gateway_codes import Intent
from sandbox.gateway_session import Session
from sandbox.permissions import Permission
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import World
from tests.sandbox.conftest import Connect, picture
from tests.sandbox.raw import raw_client
from tests.worlds.rich_guild import rich_world


async def test_commands_are_made_changed_and_removed_one_at_a_time() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        base = f"/applications/{rich.world.application.id}/commands"
        made = await api.post(base, {"name": "similar", "description": "Find", "default_member_permissions": 32})
        assert (made.status, made.body["default_member_permissions"], made.body["type"]) == (201, "32", 1)
        again = await api.post(base, {"name": "similar", "description": "Find pictures"})
        assert (again.status, again.body["description"]) == (200, "Find pictures")
        assert again.body["id"] == made.body["id"]
        path = f"{base}/{again.body['id']}"
        assert (await api.get(path)).body["name"] == "similar"
        assert (await api.request("PATCH", path, {"description": "Find more"})).body["description"] == "Find more"
        assert (await api.request("PATCH", path, {"name": "Not So"})).status == 400
        assert (await api.request("DELETE", path)).status == 204
        assert (await api.get(path)).body["code"] == 10063
        assert (await api.get(base.replace(str(rich.world.application.id), "5"))).body["code"] == 20012


async def test_a_guilds_own_commands_come_before_global_ones_and_keep_their_ids() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        base = f"/applications/{rich.world.application.id}/guilds/{rich.guild.id}/commands"
        command = {"name": "similar", "description": "Find"}
        first = (await api.request("PUT", base, [command])).body
        second = (await api.request("PUT", base, [command | {"description": "Again"}])).body
        assert (first[0]["id"], second[0]["guild_id"]) == (second[0]["id"], str(rich.guild.id))
        other = rich.world.guild("Elsewhere", rich.owner, bot_allowed=None)
        assert (await api.get(base.replace(str(rich.guild.id), str(other.id)))).body["code"] == 50001
        assert (await api.get(f"/guilds/{other.id}")).body["code"] == 10004


async def test_a_bulk_overwrite_keeps_ids_by_name_and_by_id_and_never_fails_inside() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        base = f"/applications/{rich.world.application.id}/commands"
        similar, random = {"name": "similar", "description": "Find"}, {"name": "random", "description": "Any"}
        first = (await api.request("PUT", base, [similar, random])).body
        ids = {found["name"]: found["id"] for found in first}
        renamed = random | {"name": "surprise", "id": ids["random"]}
        second = (await api.request("PUT", base, [renamed, similar])).body
        assert {found["name"]: found["id"] for found in second} == {
            "surprise": ids["random"],
            "similar": ids["similar"],
        }
        bad: list[Any] = [{}, [[]], [None], ["x"], [similar, similar], [similar | {"options": [None]}], "x", 5]
        for body in bad:
            answer = await api.request("PUT", base, body)
            assert (answer.status, answer.body["code"]) == (400, 50035), body
        path = f"{base}/{ids['similar']}"
        assert (await api.request("PATCH", path, {"name": "surprise"})).body["code"] == 50035
        assert (await api.request("PATCH", path, {"default_member_permissions": "all"})).body["code"] == 50035
        assert (await api.request("POST", base, {"name": None})).body["errors"].keys() == {"name"}


async def test_a_bots_embed_shows_its_pictures_resolved(connect: Connect) -> None:
    rich = rich_world()
    hosted = rich.world.hosted["https://pictures.example/cat.png"]
    link = rich.picture.attachments[0]
    async with open_sandbox(rich.world) as sandbox, connect(sandbox) as bot:
        channel = bot.get_channel(rich.chat.id)
        assert isinstance(channel, discord.TextChannel)
        for url in (hosted.url, sandbox.links.bare(link), "https://elsewhere.example/x.png"):
            sent = await channel.send(
                embed=discord.Embed(title="A cat").set_image(url=url).add_field(name="a", value="b")
            )
            image = sent.embeds[0].image
            assert image.url is not None
            if url == sandbox.links.bare(link):
                # A bare link is refreshed when it is shown.
                assert (image.url.partition("?")[0], "hm=" in image.url, image.width) == (url, True, 96)
            else:
                assert image.url == url
            reply = await sent.reply("and this")
            assert reply.reference is not None
            assert reply.reference.message_id == sent.id
        async with channel.typing():
            pass


async def test_a_reply_to_nothing_is_refused() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        body: dict[str, Any] = {"content": "x", "message_reference": {"message_id": "5"}}
        path = f"/channels/{rich.chat.id}/messages"
        assert (await api.post(path, body)).status == 400
        body["message_reference"]["fail_if_not_exists"] = False
        assert (await api.post(path, body)).status == 200
        assert (await api.post(f"/channels/{rich.forum.id}/messages", {"content": "x"})).body["code"] == 50008
        rich.chat.allow(rich.guild.me, deny=Permission.SEND_MESSAGES)
        assert (await api.post(path, {"content": "x"})).body["code"] == 50013


async def test_bodies_that_are_no_json_and_routes_that_are_not_there() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"{sandbox.api_base}/channels/{rich.chat.id}/messages"
        async with api.session.post(path, data="{", headers=api.headers) as response:
            assert (response.status, (await response.json())["code"]) == (400, 50109)
        assert (await api.post(f"/channels/{rich.chat.id}/messages", [])).body["code"] == 50109
        assert (await api.get("/channels/cat")).body["code"] == 50035
        assert (await api.get("/nowhere")).body == {"message": "404: Not Found", "code": 0}
        assert (await api.get(f"/guilds/{rich.guild.id}/roles/{rich.guild.id}")).body["name"] == "@everyone"
        for path, code in (("roles/5", 10011), ("members/5", 10013), (f"members/{rich.world.user('x').id}", 10007)):
            assert (await api.get(f"/guilds/{rich.guild.id}/{path}")).body["code"] == code
        rich.world.application.guild_members = False
        assert (await api.get(f"/guilds/{rich.guild.id}/members")).body["code"] == 50001


async def test_pins_are_paged_by_the_time_they_were_pinned() -> None:
    rich = rich_world()
    said = [rich.chat.post(rich.member, str(i)) for i in range(4)]
    for message in (said[2], said[0], said[3]):
        message.pin()
        rich.world.clock.advance(1)
    said[3].pin(False)
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{rich.chat.id}/messages/pins"
        first = (await api.get(f"{path}?limit=1")).body
        assert ([item["message"]["content"] for item in first["items"]], first["has_more"]) == (["0"], True)
        before = quote(first["items"][0]["pinned_at"])
        rest = (await api.get(f"{path}?before={before}")).body
        assert ([item["message"]["content"] for item in rest["items"]], rest["has_more"]) == (["2"], False)
        assert [m["content"] for m in (await api.get(f"/channels/{rich.chat.id}/pins")).body] == ["0", "2"]
        assert (await api.get(f"{path}?limit=51")).body["code"] == 50035
        rich.chat.allow(rich.guild.me, deny=Permission.READ_MESSAGE_HISTORY)
        assert (await api.get(path)).body["items"] == []


async def test_members_are_found_by_the_beginning_of_a_name() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/guilds/{rich.guild.id}/members/search"
        for start, found in (("BENNY", ["ben"]), ("ben", ["ben"]), ("ara", []), ("m", ["mara"])):
            assert [m["user"]["username"] for m in (await api.get(f"{path}?query={start}")).body] == found
        assert (await api.get(path)).body["code"] == 50035
        assert (await api.get(f"{path}?query=ben&limit=1001")).body["code"] == 50035


def _session(sandbox: Sandbox) -> Session:
    session = Session(int(Intent.GUILDS | Intent.GUILD_MESSAGES), (0, 1), 50)
    sandbox.gateway.sessions[session.id] = session
    return session


async def test_the_bot_is_told_when_it_enters_and_leaves_a_private_thread() -> None:
    rich = rich_world()
    rich.guild.me.roles[0].permissions &= ~Permission.MANAGE_THREADS
    thread = rich.chat.thread("later", rich.owner, private=True)
    async with open_sandbox(rich.world) as sandbox:
        session = _session(sandbox)
        thread.post(rich.owner, "not yet")
        thread.add_member(rich.member)
        assert session.payloads() == []
        thread.add_member(rich.world.bot)
        thread.post(rich.owner, "now")
        thread.remove_member(rich.world.bot)
        thread.post(rich.owner, "gone")
        names = [event["t"] for event in session.payloads()]
        assert names == ["THREAD_CREATE", "THREAD_MEMBERS_UPDATE", "MESSAGE_CREATE", "THREAD_MEMBERS_UPDATE"]
        assert session.payloads()[-1]["d"]["removed_member_ids"] == [str(rich.world.bot.id)]


async def test_a_guild_without_the_bot_is_silent_until_it_is_invited() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"), bot_allowed=None)
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox:
        session = _session(sandbox)
        chat.post(guild.owner, "hello").edit("ho")
        chat.allow(guild.everyone, deny=Permission.SEND_MESSAGES)
        thread = chat.thread("a", guild.owner)
        thread.add_member(guild.owner)
        thread.delete()
        chat.delete()
        assert session.payloads() == []
        guild.add_bot()
        guild.remove_bot()
        assert [event["t"] for event in session.payloads()] == ["GUILD_CREATE", "GUILD_DELETE"]


async def test_a_picture_that_discord_py_sends_can_be_had(connect: Connect) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, connect(sandbox) as bot, raw_client(sandbox) as api:
        channel = bot.get_channel(rich.chat.id)
        assert isinstance(channel, discord.TextChannel)
        sent = await channel.send(file=discord.File(io.BytesIO(picture()), "a.png", description="red"))
        assert (await sent.attachments[0].read(), sent.attachments[0].description) == (picture(), "red")
        edited = await sent.edit(attachments=[])
        assert edited.attachments == []
        assert (await api.read(sent.attachments[0].url))[0] == 404


async def test_the_bot_writes_to_a_user_who_takes_messages_and_a_nonce_is_sent_once() -> None:
    rich = rich_world()
    user, stranger = rich.member.id, rich.world.user("stranger")
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        opened = await api.post("/users/@me/channels", {"recipient_id": str(user)})
        assert (opened.body["type"], opened.body["recipients"][0]["id"]) == (1, str(user))
        assert (await api.post("/users/@me/channels", {"recipient_id": str(user)})).body["id"] == opened.body["id"]
        assert (await api.post("/users/@me/channels", {"recipient_id": "5"})).body["code"] == 50033
        for path in (f"/channels/{opened.body['id']}/messages", f"/channels/{rich.chat.id}/messages"):
            once = {"content": "hello", "nonce": "a", "enforce_nonce": True}
            first = await api.post(path, once)
            assert (await api.post(path, once)).body["id"] == first.body["id"]
            assert (await api.post(path, {"content": "hello", "nonce": "a"})).body["id"] != first.body["id"]
            rich.world.clock.advance(600)
            assert (await api.post(path, once)).body["id"] != first.body["id"]
        person = sandbox.member(rich.member)
        assert person.direct_messages() == ["hello"] * 3
        rich.world.closed_to_messages.add(user)
        closed = await api.post(f"/channels/{opened.body['id']}/messages", {"content": "hello"})
        assert (closed.status, closed.body["code"]) == (403, 50007)
        elsewhere = (await api.post("/users/@me/channels", {"recipient_id": str(stranger.id)})).body["id"]
        assert (await api.post(f"/channels/{elsewhere}/messages", {"content": "hello"})).body["code"] == 50007
