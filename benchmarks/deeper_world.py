"""The scenes of `python -m sandbox.demo.relations` behind a service, and questions about relations in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from random import Random

from bot.config.loader import load
from indexer.imports.archive_import import import_guild, note_origin, read_collection
from indexer.imports.archive_opener import open_archive
from indexer.records.hits import Filter
from indexer.records.ids import GuildId, MessageId
from indexer.service import Service, open_service
from sandbox.demo import relations
from sandbox.drawing.scene import Scene
from sandbox.drawing.statements import NUMBERS, Form, Statement, holds, worded

SCENES = 600
RELATIONS = tuple(form for form in Form if form not in (Form.SHOWN, Form.BOTH))
ASKED = 8  # questions of each form
LEAST_TRUE = 2  # pictures of which a question is true


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the scenes (their numbers) of which it is true."""

    form: Form
    words: str
    right: frozenset[int]


@dataclass(frozen=True, slots=True)
class Scenes:
    """A service that has read them: `numbers` says which scene each message shows."""

    service: Service
    guild_id: GuildId
    everywhere: Filter
    numbers: dict[MessageId, int]


def questions(scenes: Sequence[Scene], asked: int = ASKED) -> list[Question]:
    """Up to `asked` of each form in its plainest words, and for comparison of "A and B", which names alone decide."""
    rng, found = Random(1), []
    for form in (*RELATIONS, Form.BOTH):
        if form is Form.COUNT:
            counts = [count for count in NUMBERS if count > 1]
            statements = [Statement(form, thing, count=count) for thing in relations.THINGS for count in counts]
        else:
            statements = [Statement(form, first, second) for first, second in permutations(relations.THINGS, 2)]
        rng.shuffle(statements)
        of_form = []
        for statement in statements:
            right = frozenset(number for number, scene in enumerate(scenes) if holds(statement, scene))
            if len(right) >= LEAST_TRUE:
                of_form.append(Question(form, worded(statement).text, right))
        found += of_form[:asked]
    return found


@asynccontextmanager
async def read_scenes(folder: Path, scenes: Sequence[Scene], budget_s: float) -> AsyncIterator[Scenes]:
    """Imports them as a folder of pictures, and stays open. The second model has `budget_s` seconds for a question."""
    await asyncio.to_thread(relations.write, folder, list(scenes))
    settings = load(folder / "config.toml", {}).settings
    settings = replace(settings, rerank=replace(settings.rerank, budget_s=budget_s))
    async with open_service(settings, None, open_archive=partial(open_archive, settings)) as service:
        archive = await read_collection(service, folder / "pictures", "scenes")
        origin = await note_origin(service, archive)
        (guild,) = archive.survey.guilds.values()
        await import_guild(service, archive, origin, guild)
        channels = await service.reports.channels(guild.id)
        async with service.db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT message_id, file_name FROM places")
        numbers = {MessageId(message_id): int(Path(name).stem) for message_id, name in rows}
        everywhere = Filter(frozenset(channel.id for channel in channels))
        yield Scenes(service, guild.id, everywhere, numbers)
