"""Debian's chromium, driven through its debugging protocol. Nothing is installed for it: aiohttp speaks WebSocket."""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.worlds.waiting import DEADLINE_S

_START_S = 60.0


class Tab:
    """One page. `errors` holds what its scripts threw."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.errors: list[str] = []
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol."""
        number = next(self._ids)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(DEADLINE_S):
            while True:
                answer = await self.socket.receive_json()
                if answer.get("method") == "Runtime.exceptionThrown":
                    self.errors.append(json.dumps(answer["params"]))
                if answer.get("id") == number:
                    found: dict[str, Any] = answer.get("result", {})
                    return found

    async def run(self, script: str) -> Any:
        """The value of an expression."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer.get("result", {}).get("value")

    async def until(self, condition: str, timeout_s: float = 30.0) -> None:
        """Wait until an expression is true. Raises TimeoutError, with what the page shows."""
        ends = asyncio.get_running_loop().time() + timeout_s
        while not await self.run(f"Boolean({condition})"):
            if asyncio.get_running_loop().time() > ends:
                raise TimeoutError(f"{condition}: {await self.run('document.body.innerText')} {self.errors}")
            await asyncio.sleep(0.1)


@asynccontextmanager
async def open_tab(url: str, folder: Path) -> AsyncIterator[Tab]:
    """A tab that shows `url`. Skips the test where there is no chromium; `folder` is its profile."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium here (Debian: apt-get install chromium)")
    process = await asyncio.create_subprocess_exec(
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_START_S), aiohttp.ClientSession() as session:
            base = await _address(folder)
            async with session.get(f"{base}/json") as response:
                pages = [found for found in await response.json() if found["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                await tab.call("Runtime.enable")
                await tab.call("Page.navigate", url=url)
                yield tab
    finally:
        process.terminate()
        await process.wait()


async def _address(folder: Path) -> str:
    """Where chromium listens: it writes its port to a file."""
    file = folder / "DevToolsActivePort"
    for _ in range(round(_START_S / 0.05)):
        if file.exists() and "\n" in (text := file.read_text()):
            return f"http://127.0.0.1:{text.splitlines()[0]}"
        await asyncio.sleep(0.05)
    raise TimeoutError(f"chromium did not start in {_START_S:.0f} s")
