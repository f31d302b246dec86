"""The page in a real browser: look, ask, press, follow a link."""

from pathlib import Path

import pytest

from sandbox.server import open_sandbox
from sandbox.world import User
from tests.sandbox.chromium import Tab, open_tab
from tests.sandbox.conftest import Connect
from tests.sandbox.test_page import show_commands, tell
from tests.worlds.rich_guild import rich_world

pytestmark = pytest.mark.browser

CHOOSE = """(() => {
  const command = document.getElementById("command");
  command.value = "show";
  command.dispatchEvent(new Event("change"));
  document.querySelector("#options input[name=text]").value = "**bold** <#CHANNEL> <script>alert(1)</script>";
  document.getElementById("ask").requestSubmit();
})()"""


async def test_a_person_looks_asks_presses_and_follows_a_link(connect: Connect, tmp_path: Path) -> None:
    rich = rich_world()
    rich.chat.post(rich.member, f"see {rich.picture.jump_url}")
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        open_tab(sandbox.base_url, tmp_path) as tab,
    ):
        await tab.until("document.querySelectorAll('.message').length > 5")
        await tab.until("[...document.images].some(image => image.naturalWidth > 0)")
        await tab.until("[...document.querySelectorAll('#command option')].some(o => o.value === 'show')")
        await tab.run(CHOOSE.replace("CHANNEL", str(rich.chat.id)))
        await tab.until("document.querySelector('.message.ephemeral .actions button')")
        assert await tab.run("document.querySelector('.ephemeral strong').textContent") == "bold"
        assert await tab.run("document.querySelector('.ephemeral .mention').textContent") == "#chat"
        assert await tab.run("document.querySelectorAll('.ephemeral script').length") == 0
        await tab.run("document.querySelector('.message.ephemeral .actions button').click()")
        await tab.until("document.querySelector('.message.ephemeral').innerText.includes('turned')")
        await tab.run("[...document.links].find(link => link.href.includes('discord.com')).click()")
        await tab.until(f"document.querySelector('#m{rich.picture.id}.target')")
        rich.chat.post(rich.owner, "just now")
        await tab.until("!document.getElementById('newer').hidden || document.body.innerText.includes('just now')")
        await tab.run("document.getElementById('newer').click()")
        await tab.until("document.body.innerText.includes('just now')")
        assert tab.errors == []


PICK = """(command => {
  command.value = "show";
  command.dispatchEvent(new Event("change"));
})(document.getElementById("command"))"""
FITS = """[
  "#ask", "#ask [type=submit]", "#messages", "#options", "#options input[type=text]", "#options input[type=file]",
].every((name) => {
  const box = document.querySelector(name).getBoundingClientRect();
  return box.width > 40 && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
}) && document.documentElement.scrollWidth <= innerWidth"""


async def test_at_390_pixels_everything_is_in_reach(connect: Connect, tmp_path: Path) -> None:
    rich = rich_world()
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        open_tab(sandbox.base_url, tmp_path) as tab,
    ):
        await tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
        await tab.until("document.querySelectorAll('.message').length > 5 && document.querySelector('.apps button')")
        await tab.until("[...document.querySelectorAll('#command option')].some(o => o.value === 'show')")
        await tab.run(PICK)
        assert await tab.run(FITS)
        assert await tab.run("getComputedStyle(document.querySelector('.apps')).opacity") == "1"
        assert await tab.run("getComputedStyle(document.getElementById('nav')).display") == "none"
        await tab.run("document.getElementById('menu').click()")
        chosen = "[...document.querySelectorAll('#channels [aria-current=true]')].map(b => b.innerText)"
        assert await tab.run(chosen) == ["# chat"]
        await tab.run("[...document.querySelectorAll('#channels button')].find(b => b.innerText === '# news').click()")
        await tab.until(f"{chosen}.join() === '# news'")
        assert await tab.run("getComputedStyle(document.getElementById('nav')).display") == "none"
        await tab.run(PICK)
        await tab.until("!document.getElementById('try').hidden")
        await tab.run("document.querySelector('#try button').click()")
        assert await tab.run("document.querySelector('#options [name=text]').value.length > 1")
        assert await tab.run(FITS)
        assert tab.errors == []


async def test_the_chosen_channel_stays_marked_when_the_list_is_made_anew(connect: Connect, tmp_path: Path) -> None:
    rich = rich_world()
    chosen = "[...document.querySelectorAll('#channels [aria-current=true]')].map(b => b.innerText).join()"
    async with open_sandbox(rich.world, page=True) as sandbox, open_tab(sandbox.base_url, tmp_path) as tab:
        await tab.until(f"{chosen} === '# chat'")
        async with connect(sandbox, show_commands):
            await tab.until("[...document.querySelectorAll('#command option')].some(o => o.value === 'show')")
            assert await tab.run(chosen) == "# chat"


DIRECT = "document.querySelector('#direct button')"
NEW = "document.querySelector('#direct .count').textContent"


async def act_as(tab: Tab, user: User) -> None:
    """Chooses whom the page acts as."""
    await tab.run(f"""(chosen => {{ chosen.value = "{user.id}"; chosen.dispatchEvent(new Event("change")); }})(
        document.getElementById("member"))""")


async def test_a_direct_message_is_marked_read_and_followed_on_a_phone(connect: Connect, tmp_path: Path) -> None:
    rich = rich_world()
    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands) as bot,
        open_tab(sandbox.base_url, tmp_path) as tab,
    ):
        await tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
        await tab.until(f"{DIRECT} && document.querySelectorAll('.message').length > 5")
        assert await tab.run(NEW) == ""
        await tab.run(PICK)
        await tab.run("document.querySelector('#options input[name=text]').value = 'half'")
        await tell(bot, rich, rich.member, "not for Mara")
        await tell(bot, rich, rich.owner, "**Found**", f"- {rich.picture.jump_url}")
        await tab.until(f"{NEW} === '2 new'")
        assert await tab.run("document.title") == "(2) Afterimage sandbox"
        assert (
            await tab.run("document.getElementById('menu').getAttribute('aria-label')")
            == "Channels, 2 new in direct messages"
        )
        assert await tab.run("getComputedStyle(document.getElementById('menu'), '::after').width") == "10px"
        assert await tab.run("[...document.querySelectorAll('#options input')].some(input => input.value === 'half')")
        await tab.run("document.getElementById('menu').click()")
        await tab.run(f"{DIRECT}.click()")
        await tab.until(f"{NEW} === '' && document.querySelectorAll('.message').length === 2")
        assert await tab.run("document.title") == "Afterimage sandbox"
        assert await tab.run("document.querySelector('.message strong').textContent") == "Found"
        assert await tab.run("document.querySelectorAll('.message button').length") == 0
        assert await tab.run("getComputedStyle(document.querySelector('#ask .row')).display") == "none"
        await tell(bot, rich, rich.owner, "one more")
        await tab.until("document.querySelector('.message:last-child').innerText.includes('one more')")
        assert await tab.run("document.links[0].innerText") == "#chat › message"
        await tab.run("document.links[0].click()")
        await tab.until(f"document.querySelector('#m{rich.picture.id}.target')")
        assert await tab.run("getComputedStyle(document.querySelector('#ask .row')).display") == "flex"
        await tab.until(f"{NEW} === ''")
        await act_as(tab, rich.member)
        await tab.until(f"{NEW} === '1 new'")
        assert tab.errors == []


async def test_a_person_is_asked_about_by_keyboard_from_their_name_and_from_a_mention(
    connect: Connect, tmp_path: Path
) -> None:
    rich = rich_world()
    focused = "document.activeElement"

    async def key(name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            code = {"Enter": 13, "Escape": 27, "ArrowDown": 40}[name]
            await tab.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **text)

    async with (
        open_sandbox(rich.world, page=True) as sandbox,
        connect(sandbox, show_commands),
        open_tab(sandbox.base_url, tmp_path) as tab,
    ):
        await tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
        await tab.until("document.querySelector('button.by') && document.querySelector('button.mention')")
        by = f"document.querySelector('#m{rich.picture.id} button.by')"
        await tab.run(f"{by}.focus()")
        await key("Enter")
        assert await tab.run(f"{focused}.getAttribute('role') + {focused}.innerText") == "menuitemPosts of …"
        assert await tab.run("document.querySelector('#commands strong').innerText") == "Ben"
        box = "document.getElementById('commands').getBoundingClientRect()"
        assert await tab.run(f"{box}.left >= 0 && {box}.right <= innerWidth && {box}.bottom <= innerHeight")
        await key("ArrowDown")
        assert await tab.run(f"{focused}.innerText") == "Posts of …"
        await key("Escape")
        await tab.until(f"{focused} === {by} && !document.querySelector('#commands:popover-open')")
        await key("Enter")
        await tab.run(f"{by}.dataset.old = 'yes'; document.getElementById('newer').click()")
        await tab.until(f"!{by}.dataset.old")  # drawn anew under the open menu
        await key("Escape")
        await tab.until(f"{focused} === {by}")
        await key("Enter")
        await key("Enter")
        await tab.until("document.querySelector('.ephemeral')?.innerText.includes('posts of ben')")
        assert await tab.run(f"{focused} === {by}"), "the list was drawn anew, and the reader is where they were"
        await tab.run("document.querySelector('button.mention').click()")
        await key("Enter")
        await tab.until("document.body.innerText.includes('posts of mara')")
        assert tab.errors == []
