"""What goes on around a bot that is soaked: members who post, delete and ask, operators, and everything that breaks.

Each is a method that does one thing; the test calls them again and again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.crawl_world import SIZE, picture
from bot.control.client import Refused
from bot.control.client import ask as command
from indexer.encode.process import WORKER as MODEL
from indexer.errors import RetryLater
from sandbox.reply import NoAnswer
from sandbox.server import Sandbox
from sandbox.world import File, Guild, Member, Message, World
from tests.worlds.exports import document, picture_message
from tests.worlds.small_disk import fill_up
from tests.worlds.soaked_bot import SoakedBot
from tests.worlds.waiting import until

READER: Final = "indexer.pictures.decode_worker"
STORMS: Final = ("500", "502", "503", "429", "429-shared", "reset", "truncate")
# The faults of Discord never meet the answers to commands: a command that Discord itself does not take is no matter of
# the bot. Each storm strikes one of these.
STRUCK: Final = ("/messages", "/attachments/", "media", "/channels")
# What an operator may be told besides an answer: ask less often, or again in a moment; no small copy now; a job runs.
REFUSED: Final = {404: "no_thumbnail", 409: "conflict", 429: "too_many_requests", 503: "busy starting too_slow"}


@dataclass
class SoakTown:
    """`posted` has the messages with a picture that are there, by the word that they alone hold; `most` of them."""

    sandbox: Sandbox
    guild: Guild
    people: list[Member]
    bot: SoakedBot
    folder: Path
    draws: random.Random
    most: int
    posted: dict[str, Message] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    drops: int = 0
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def path(self) -> str:
        return f"/api/v1/guilds/{self.guild.id}"

    # Members

    async def post(self) -> None:
        """A picture of its own with a word of its own; an older one is deleted, so that the server keeps its size, and
        now and then one is edited.
        """
        post(self.guild, self.people, next(self.numbers), self.posted)
        if len(self.posted) > self.most:
            word = self.draws.choice(list(self.posted))
            self.posted.pop(word).delete()
            self.deleted.append(word)
        if self.draws.random() < 0.3:
            word, message = self.draws.choice(list(self.posted.items()))
            message.edit(f"picture {word} again")
        self.done["posted"] += 1

    async def question(self) -> None:
        """Words, a picture, or both, by a member: answered, or refused in words. Only where the gateway was lost
        meanwhile may Discord say that the bot did not answer.
        """
        asker = self.sandbox.member(self.draws.choice(self.people), self.guild)
        options: dict[str, object] = {"text": f"picture {self.draws.choice(list(self.posted))}"}
        if self.draws.random() < 0.3:
            options["image"] = File.of("asked.jpg", picture(self.draws.randrange(64)))
        before = self.drops
        try:
            reply = await asker.slash(self.talk, "similar", options, timeout_s=90)
        except NoAnswer:
            assert self.drops > before or not self._connected, "a member was not answered"
            self.done["unanswered while the gateway was away"] += 1
            return
        assert reply.text().strip(), "a member was answered with nothing"
        self.done["answered" if reply.sections() else "refused in words"] += 1

    # Operators

    async def operator(self) -> None:
        """One request of the console, answered or refused with its documented code."""
        word = self.draws.choice(list(self.posted))
        paths = {
            f"{self.path}/search?q={word}": 6, "/api/v1/guilds": 1, f"{self.path}/jobs": 1, f"{self.path}/channels": 1,
            f"{self.path}/failures": 1, "/api/v1/status": 1, "/api/v1/audit": 1, "/metrics": 1, "/readyz": 1,
        }  # fmt: skip
        (path,) = self.draws.choices(list(paths), list(paths.values()))
        status, body = await self.bot.ask(path)
        self.done[f"HTTP {status}"] += 1
        if status != 200:
            assert path == "/readyz" or json.loads(body)["error"]["code"] in REFUSED[status].split(), (path, body)
        elif path.startswith(f"{self.path}/search") and (hits := json.loads(body)["hits"]):
            status, body = await self.bot.ask(self.draws.choice(hits)["thumbnail"])
            assert status == 200 or json.loads(body)["error"]["code"] in (*REFUSED[status].split(), "not_found"), body
            self.done[f"thumbnail {status}"] += 1

    async def watcher(self) -> None:
        """Watches jobs for a moment and goes, in the middle of an answer or not."""
        headers = {"Authorization": f"Bearer {self.bot.keys[0]}"}
        with suppress(TimeoutError, aiohttp.ClientError):
            async with (
                asyncio.timeout(self.draws.uniform(0.05, 4.0)),
                self.bot.http.get(f"{self.bot.url}{self.path}/jobs/events", headers=headers) as response,
            ):
                async for _ in response.content:
                    pass
        self.done["watched"] += 1

    async def job(self) -> None:
        """The whole server is read again."""
        status, body = await self.bot.ask(f"{self.path}/jobs", method="POST", json={"scope": "server"})
        assert status in (201, 409, 503), body
        self.done[f"job {status}"] += 1

    async def archive(self) -> None:
        """An export of a server that only archives know comes in; it grows each time."""
        number = self.done["imported"] + self.done["import refused"]
        messages = [picture_message(at, f"{at}.jpg", content=f"imported {at}") for at in range(number % 12 + 1)]
        await asyncio.to_thread(self._write_export, messages)
        try:
            told = {"paths": [str(self.folder)], "media": [], "name": None}
            await command(self.bot.data_dir, "import", told, lambda _: None)
        except (Refused, RetryLater):  # it is being read already, or the disk is full
            self.done["import refused"] += 1
        else:
            self.done["imported"] += 1

    def _write_export(self, messages: list[dict[str, object]]) -> None:
        self.folder.mkdir(exist_ok=True)
        for at in range(len(messages)):
            (self.folder / f"{at}.jpg").write_bytes(picture(100_000 + at))
        new = self.folder / "export.new"
        new.write_bytes(document(messages))
        new.replace(self.folder / "export.json")

    # What breaks

    async def gateway(self) -> None:
        self.drops += 1
        await self.draws.choice(
            [self.sandbox.gateway.drop, self.sandbox.gateway.ask_to_reconnect, self.sandbox.gateway.forget_sessions]
        )()
        await until(lambda: self._connected)
        self.drops += 1
        self.done["gateway lost"] += 1

    async def storm(self) -> None:
        """For some seconds a third of what is asked of one part of Discord fails, or comes late."""
        faults = self.sandbox.faults
        faults.only = self.draws.choice(STRUCK)
        kinds = (*STORMS, "slow", "expired") if faults.only in STRUCK[1:3] else STORMS
        faults.rates = dict.fromkeys(kinds, 0.3 / len(kinds))
        await asyncio.sleep(self.draws.uniform(0.5, 3.0))
        faults.rates = {}
        self.done["storms"] += 1

    async def killed_model(self) -> None:
        self.done["models killed"] += await asyncio.to_thread(self.bot.kill, MODEL)

    async def killed_reader(self) -> None:
        self.done["readers of pictures killed"] += await asyncio.to_thread(self.bot.kill, READER)

    async def full_disk(self, disk: Path) -> None:
        """No room for some seconds, not even for a page of the database."""
        try:
            for leave in (self.draws.choice([20_000, 200_000, 2_000_000]), 4_000_000, 8_000_000):
                with suppress(OSError):  # the bot took the room between the look and the file
                    await asyncio.to_thread(fill_up, disk, leave)
                    break
            await asyncio.sleep(self.draws.uniform(1.0, 6.0))
            self.done["disk full"] += 1
        finally:
            await asyncio.to_thread((disk / "ballast").unlink, missing_ok=True)

    @property
    def talk(self) -> int:
        return next(channel.id for channel in self.guild.channels.values() if channel.name == "talk")

    @property
    def _connected(self) -> bool:
        return self.sandbox.gateway.connected(self.guild)


def soak_world(pictures: int) -> tuple[World, Guild, list[Member], dict[str, Message]]:
    """A server with so many pictures in three channels, and a channel for commands."""
    world = World()
    owner = world.user("owner")
    guild = world.guild("Soaked Town", owner)
    people = [guild.members[owner.id], *(guild.join(world.user(f"member{at}")) for at in range(4))]
    guild.channel("talk")
    for name in ("one", "two", "three"):
        guild.channel(name)
    posted: dict[str, Message] = {}
    for number in range(pictures):
        post(guild, people, -number - 1, posted)
    return world, guild, people, posted


def post(guild: Guild, people: list[Member], number: int, posted: dict[str, Message]) -> None:
    """A picture of its own in one of the three channels. Its word is in no other message."""
    rooms = [channel for channel in guild.channels.values() if channel.name != "talk"]
    word = f"w{number}" if number > 0 else f"v{-number}"
    file = File.drawn(f"{word}.jpg", lambda: picture(50_000 + number), SIZE)
    posted[word] = rooms[number % len(rooms)].post(people[number % len(people)].user, f"picture {word}", files=[file])
