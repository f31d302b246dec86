"""The page in a real browser: look, ask, press, follow a link."""

from pathlib import Path

import pytest

from sandbox.server import open_sandbox
from tests.sandbox.chromium import open_tab
from tests.sandbox.conftest import Connect
from tests.sandbox.test_page import show_commands
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
        await tab.until("document.querySelector('.message.ephemeral button')")
        assert await tab.run("document.querySelector('.ephemeral strong').textContent") == "bold"
        assert await tab.run("document.querySelector('.ephemeral .mention').textContent") == "#chat"
        assert await tab.run("document.querySelectorAll('.ephemeral script').length") == 0
        await tab.run("document.querySelector('.message.ephemeral button').click()")
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
