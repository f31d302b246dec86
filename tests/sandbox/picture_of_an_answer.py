"""Makes docs/images/answer.png: a member of the demo's server asks in the sandbox's page, and the real bot answers.

    python -m tests.sandbox.picture_of_an_answer

Needs Debian's chromium and takes about a minute.
"""

from __future__ import annotations

import asyncio
import base64
import re
import tempfile
from pathlib import Path

from rich.console import Console

from sandbox.demo.bot import running_bot
from sandbox.demo.world import SEED, DemoWorld, build
from sandbox.reply import Reply
from sandbox.server import Sandbox, open_sandbox
from tests.sandbox.chromium import Tab, open_tab

PICTURE = Path(__file__).resolve().parents[2] / "docs/images/answer.png"
WORDS = "kangaroo"
WIDTH, HEIGHT = 1100, 720  # pixels
INDEX_S = 300.0

ASK = f"""(() => {{
  const command = document.getElementById("command");
  command.value = "similar";
  command.dispatchEvent(new Event("change"));
  document.querySelector("#options input[name=text]").value = "{WORDS}";
  document.getElementById("ask").requestSubmit();
}})()"""
ANSWERED = """(() => {
  const pictures = [...document.querySelectorAll(".message.ephemeral img")];
  return pictures.length > 1 && pictures.every((picture) => picture.complete && picture.naturalWidth > 0);
})()"""


async def index(sandbox: Sandbox, demo: DemoWorld) -> None:
    """The owner gives /reindex start, and its message is followed to the end."""
    reply = await sandbox.member(demo.owner).slash(demo.channel("lounge").id, "reindex start")

    def ended(current: Reply) -> bool:
        return re.search(r"\d+ %", current.text()) is None

    await reply.until(ended, INDEX_S)


async def ask(tab: Tab) -> bytes:
    """The page as PNG, once the answer and its pictures are there."""
    await tab.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    await tab.until("[...document.querySelectorAll('#command option')].some(option => option.value === 'similar')")
    await tab.run(ASK)
    await tab.until(ANSWERED)
    await tab.run("document.querySelector('.message.ephemeral:last-of-type').scrollIntoView({block: 'start'})")
    await asyncio.sleep(0.5)  # what moves on the page comes to rest
    return base64.b64decode((await tab.call("Page.captureScreenshot", format="png"))["data"])


async def make(folder: Path) -> None:
    demo = build(SEED)
    data, profile = folder / "data", folder / "profile"
    for made in (data, profile):
        made.mkdir()
    async with open_sandbox(demo.world, page=True) as sandbox, running_bot(sandbox, demo.guild, data, None):
        await index(sandbox, demo)
        async with open_tab(sandbox.base_url, profile) as tab:
            PICTURE.write_bytes(await ask(tab))
    Console().print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(make(Path(made)))
