"""The page for people: it shows what a member sees, and acts as that member."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
from discord import app_commands, ui

from sandbox.server import Sandbox, open_sandbox
from sandbox.world import File, User
from tests.sandbox.conftest import Bot, Connect, picture
from tests.worlds.rich_guild import Rich, rich_world


class Browser:
    """Speaks to the page's routes as its script does."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    async def get(self, path: str, **query: Any) -> tuple[int, Any]:
        async with self.session.get(f"{self.base}/page/api/{path}", params=query) as response:
            return response.status, await response.json()

    async def act(self, path: str, ask: dict[str, Any], files: dict[str, bytes] | None = None) -> tuple[int, Any]:
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("ask", json.dumps(ask))
        for name, data in (files or {}).items():
            form.add_field(name, data, filename=f"{name}.png")
        async with self.session.post(f"{self.base}/page/api/{path}", data=form) as response:
            return response.status, await response.json()


@asynccontextmanager
async def browser(sandbox: Sandbox) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Browser(session, sandbox.base_url)


def show_commands(bot: Bot) -> None:
    @bot.tree.command(description="Show")
    async def show(interaction: discord.Interaction, image: discord.Attachment | None = None, text: str = "") -> None:
        view = ui.LayoutView()
        size = len(await image.read()) if image else 0
        view.add_item(ui.TextDisplay(f"{text} {size}"))
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()

        async def turn(pressed: discord.Interaction) -> None:
            after = ui.LayoutView()
            after.add_item(ui.TextDisplay("turned"))
            await pressed.response.edit_message(view=after)

        button: ui.Button[ui.LayoutView] = ui.Button(label="Turn", custom_id="turn")
        button.callback = turn  # type: ignore[assignment, method-assign]  # discord.py sets it so in its own decorator
        row.add_item(button)
        view.add_item(row)
        await interaction.response.send_message(view=view, ephemeral=True)

    @bot.tree.command(description="Managers only")
    @app_commands.default_permissions(manage_guild=True)
    async def manage(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("managed")

    @bot.tree.context_menu(name="Posts of …")
    async def posts(interaction: discord.Interaction, user: discord.User) -> None:
        await interaction.response.send_message(f"posts of {user.name}", ephemeral=True)

    @bot.tree.context_menu(name="Look")
    async def look(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{len(message.attachments)} files", ephemeral=True)


@asynccontextmanager
async def asked(rich: Rich, connect: Connect) -> AsyncIterator[Browser]:
    """A browser at the page of a sandbox with the bot above in it."""
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        browser(sandbox) as page,
    ):
        yield page


def _as(rich: Rich, **extra: Any) -> dict[str, Any]:
    return {"member": str(rich.member.id), "channel": str(rich.chat.id), **extra}


async def test_the_page_and_its_parts_are_served() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world, page=True) as sandbox, aiohttp.ClientSession() as session:
        for path, part in (
            ("/", "<main>"),
            ("/page/page.js", "follow"),
            ("/page/menu.js", "showPopover"),
            ("/page/page.css", ":root"),
        ):
            async with session.get(sandbox.base_url + path) as response:
                assert (response.status, part in await response.text()) == (200, True)
        for path in ("/page/routes.py", "/page/..%2fserver.py"):
            async with session.get(sandbox.base_url + path) as response:
                assert response.status == 404


async def test_a_member_sees_their_own_channels_and_commands(connect: Connect) -> None:
    rich = rich_world()
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        browser(sandbox) as page,
    ):
        _, member = await page.get("state", member=str(rich.member.id))
        _, owner = await page.get("state")
        rooms = {room["name"]: room for room in member["channels"]}
        assert "secret" not in rooms
        assert {t["name"] for t in rooms["chat"]["threads"]} == {"old talk"}
        assert {command["name"] for command in member["commands"]} == {"show", "Look", "Posts of …"}
        assert "secret" in {room["name"] for room in owner["channels"]}
        assert {command["name"] for command in owner["commands"]} == {"show", "Look", "Posts of …", "manage"}
        _, shown = await page.get("messages", **_as(rich))
        assert str(rich.picture.id) in {message["id"] for message in shown["messages"]}
        status, refused = await page.get("messages", member=str(rich.member.id), channel=str(rich.secret.id))
        assert (status, refused["error"]) == (409, "this member does not see that channel")


async def test_a_member_asks_presses_and_writes_through_the_page(connect: Connect) -> None:
    rich = rich_world()
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        browser(sandbox) as page,
    ):
        ask = _as(rich, name="show", options={"text": "hello"})
        _, reply = await page.act("slash", ask, {"image": picture()})
        assert reply["message"]["components"][0]["content"] == f"hello {len(picture())}"
        assert reply["ephemeral"]
        _, turned = await page.act("press", _as(rich, message=reply["key"], custom_id="turn"))
        assert turned["message"]["components"][0]["content"] == "turned"
        _, looked = await page.act("menu", _as(rich, name="Look", message=str(rich.picture.id)))
        assert looked["message"]["content"] == "3 files"
        _, posts = await page.act("menu", _as(rich, name="Posts of …", user=str(rich.owner.id)))
        assert posts["message"]["content"] == "posts of mara"
        _, posted = await page.act("post", _as(rich, content="hi"), {"file": picture()})
        assert [a["filename"] for a in posted["attachments"]] == ["file.png"]
        _, news = await page.get("news", **_as(rich))
        assert reply["key"] in news["replies"]
        _, others = await page.get("news", **(_as(rich) | {"member": str(rich.owner.id)}))
        assert others["replies"] == {}


async def tell(bot: Bot, rich: Rich, user: User, *texts: str) -> None:
    """The bot writes to one user."""
    guild = bot.get_guild(rich.guild.id)
    assert guild is not None
    member = await guild.fetch_member(user.id)
    for text in texts:
        await member.send(text)


async def test_direct_messages_are_shown_to_their_reader_alone_and_are_new_until_read(connect: Connect) -> None:
    rich = rich_world()
    texts = [f"found {number}" for number in range(45)]
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands) as bot,
        browser(sandbox) as page,
    ):
        own = _as(rich) | {"channel": "direct"}
        _, empty = await page.get("messages", **own)
        assert empty["messages"] == []
        _, news = await page.get("news", **_as(rich))
        waiting = asyncio.create_task(page.get("news", **_as(rich), **news["marks"]))
        await tell(bot, rich, rich.member, *texts)
        _, news = await waiting
        assert int(news["marks"]["unread"]) > 0, "a message to this member ends the wait in another channel"
        _, others = await page.get("news", **(_as(rich) | {"member": str(rich.owner.id)}))
        _, other = await page.get("messages", member=str(rich.owner.id), channel="direct")
        assert (others["marks"]["unread"], other["messages"]) == ("0", [])
        by_id = str(rich.world.direct[rich.member.id].id)
        for reader in (rich.owner, rich.member):
            status, _ = await page.get("messages", member=str(reader.id), channel=by_id)
            assert status == 409
        _, newest = await page.get("messages", **own)
        _, oldest = await page.get("messages", **own, before=newest["messages"][-1]["id"])
        shown = [message["content"] for part in (newest, oldest) for message in part["messages"]]
        assert (shown, len(newest["messages"])) == (texts[::-1], 40)
        for message, left in (
            (oldest["messages"][0], "40"),
            (newest["messages"][0], "0"),
            (oldest["messages"][0], "0"),
        ):
            await page.act("read", own | {"message": message["id"]})
            _, state = await page.get("state", member=str(rich.member.id))
            assert state["marks"]["unread"] == left


async def test_what_a_member_may_not_is_said_in_a_sentence(connect: Connect) -> None:
    rich = rich_world()
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        browser(sandbox) as page,
    ):
        for path, ask in (
            ("slash", _as(rich, name="manage", options={})),
            ("press", _as(rich, message="5", custom_id="turn")),
            ("menu", _as(rich, name="Look", message="5")),
            ("menu", _as(rich, name="Posts of …", user="5")),
        ):
            status, answer = await page.act(path, ask)
            assert (status, len(answer["error"]) > 10) == (409, True)
        status, answer = await page.act("slash", {"member": "5"})
        assert status == 400


async def test_only_its_own_page_may_act() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world, page=True) as sandbox, browser(sandbox) as page:
        url, own = f"{sandbox.base_url}/page/api/post", sandbox.base_url
        port = own.rpartition(":")[2]
        before = len(rich.chat)
        for headers, status in (
            ({"Origin": "https://elsewhere.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Host": f"rebound.example:{port}"}, 403),
            ({"Host": f"rebound.example:{port}", "Origin": f"http://rebound.example:{port}"}, 403),
            ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, 200),
            ({"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}, 200),
        ):
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("ask", json.dumps(_as(rich, content="hello")))
            async with page.session.post(url, data=form, headers=headers) as response:
                assert response.status == status, headers
        assert len(rich.chat) == before + 2
        for path in ("/", "/page/page.js", "/page/api/state"):
            async with page.session.get(own + path, headers={"Host": f"rebound.example:{port}"}) as response:
                assert (response.status, "Meadow" in await response.text()) == (403, False)


async def test_the_page_and_files_of_members_have_a_strict_policy() -> None:
    rich = rich_world()
    shown = rich.chat.post(rich.member, files=[File.of("page.html", b"<script>alert(1)</script>")]).attachments[0]
    async with open_sandbox(rich.world, page=True) as sandbox, browser(sandbox) as page:
        async with page.session.get(sandbox.base_url + "/") as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        async with page.session.get(sandbox.links.signed(shown)) as response:
            assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_words_that_the_demo_model_knows_are_offered() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world, page=True) as sandbox, browser(sandbox) as page:
        _, state = await page.get("state")
        assert {"penguin", "piano"} <= set(state["words"])
