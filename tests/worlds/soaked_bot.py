"""The real bot as a process, with the demo's model and the HTTP side, for a test that strikes it again and again."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from indexer.api_keys import ApiKeys
from indexer.database.database import open_database
from indexer.records.api_keys import KeyScope
from sandbox.demo.bot import as_toml, config_text, environment
from sandbox.server import Sandbox
from tests.worlds.migrated import migrated
from tests.worlds.waiting import until

_LISTENING: Final = re.compile(r"HTTP at (http://\S+): ")
ROOT: Final = Path(__file__).resolve().parents[2]
_KEYS: Final = 3
_END_S: Final = 60.0
# What Python and asyncio say of what was left behind, whatever the log's level.
_LEFT: Final = re.compile(
    r"^.*(Traceback|never awaited|never retrieved|was destroyed|Unclosed|unclosed|ResourceWarning|RuntimeWarning).*$",
    re.MULTILINE,
)


def own_mb(pid: int) -> float:
    """What the process itself has written into memory, in 10⁶ bytes; 0 where it has ended.

    Pages of mapped files are not counted. They come and go as the system likes: measured 5 to 19 MB of a bot that did
    nothing different.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss_Anon: +(\d+) kB$", rollup, re.MULTILINE)
    assert found is not None, rollup
    return int(found[1]) * 1024 / 1e6


@dataclass
class SoakedBot:
    """`token` is the CDN's and the API's; `keys` open the HTTP side."""

    process: asyncio.subprocess.Process
    url: str
    http: aiohttp.ClientSession
    data_dir: Path
    log: Path
    keys: list[str]
    asked: int = 0

    async def ask(self, path: str, *, method: str = "GET", **options: Any) -> tuple[int, bytes]:
        """Status and body of an answer, with the next of the keys."""
        self.asked += 1
        headers = {"Authorization": f"Bearer {self.keys[self.asked % _KEYS]}", **options.pop("headers", {})}
        async with self.http.request(method, self.url + path, headers=headers, **options) as response:
            return response.status, await response.read()

    async def json(self, path: str, **options: Any) -> Any:
        """The JSON of an answer with status 200."""
        status, body = await self.ask(path, **options)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def children(self, which: str) -> list[psutil.Process]:
        """The bot's processes that run this module."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if any(which in part for part in child.cmdline()):
                    found.append(child)
        return found

    def kill(self, which: str) -> bool:
        """Kills one of these processes; False where there is none."""
        for child in self.children(which):
            with suppress(psutil.NoSuchProcess):
                child.kill()
                return True
        return False

    def memory_mb(self, *modules: str) -> tuple[float, float]:
        """Of the bot's own process, and with the largest that runs each of `modules`, in 10⁶ bytes.

        How many processes open pictures at a moment says nothing of whether one grows.
        """
        largest = [max((own_mb(child.pid) for child in self.children(module)), default=0.0) for module in modules]
        own = own_mb(self.process.pid)
        return own, own + sum(largest)

    async def in_hand(self) -> dict[str, Any]:
        """Names of the tasks and threads of the bot's own process, at this moment."""
        path = self.data_dir / "counted.json"
        path.unlink(missing_ok=True)
        if sys.platform != "win32":
            self.process.send_signal(signal.SIGUSR1)
        await until(lambda: path.exists() or self.process.returncode is not None)
        found: dict[str, Any] = json.loads(path.read_text())
        files = len(psutil.Process(self.process.pid).open_files())
        return {**found, "files": files}

    def complaints(self) -> list[str]:
        """Lines of the log about what was left behind or failed without being expected."""
        return [match[0] for match in _LEFT.finditer(self.log.read_text(errors="replace"))]


@asynccontextmanager
async def soaked_bot(sandbox: Sandbox, data_dir: Path, log: Path, **settings: object) -> AsyncIterator[SoakedBot]:
    """The bot, which logs into the file `log`, until the block ends; then it gets SIGTERM, and must end with 0."""
    migrated(data_dir)
    async with open_database(data_dir) as db:
        keys = [(await ApiKeys(db).create(f"key {at}", KeyScope.ADMIN))[1] for at in range(_KEYS)]
    config = data_dir / "config.toml"
    values = {"web.listen": "127.0.0.1:0", "model.idle_s": 0.0, "limits.per_minute": 6000.0, **settings}
    text = re.sub(r"^limits\.\w+ = .*\n", "", config_text(sandbox, data_dir, None), flags=re.MULTILINE)
    config.write_text(text + as_toml(values))
    more = {"COUNTED": str(data_dir / "counted.json"), "PYTHONWARNINGS": "default", "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.worlds.counted_bot", "run", "--config", str(config),
            stdout=output, stderr=output, env=environment(sandbox.token) | more,
        )  # fmt: skip
    try:
        await until(lambda: process.returncode is not None or _LISTENING.search(log.read_text()))
        listening = _LISTENING.search(log.read_text())
        assert listening is not None, log.read_text()
        await until(lambda: all(sandbox.gateway.connected(guild) for guild in sandbox.world.guilds.values()))
        async with aiohttp.ClientSession() as http:
            yield SoakedBot(process, listening[1], http, data_dir, log, keys)
        process.terminate()
        async with asyncio.timeout(_END_S):
            assert await process.wait() == 0, log.read_text()[-2000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
