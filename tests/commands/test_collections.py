"""A folder of pictures on the bot's machine is never shown in chat, whoever asks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from indexer.imports.archive_import import import_guild, note_origin, read_collection
from tests.worlds.asking import channels_of, shown
from tests.worlds.photographs import MUNICH, photograph, write
from tests.worlds.running_bot import Running, Town, noise

PRIVATE = "kitchen"


async def test_nothing_of_a_collection_reaches_chat(bot: Running, place: Town, tmp_path: Path) -> None:
    """Not to the owner, not by words, filters, copies, chance or numbers: every answer is the one from before."""
    owner = bot.person(place.owner)
    questions: tuple[tuple[str, dict[str, object]], ...] = (
        ("similar", {"text": "min:-1 diverse:0.5 count:25 kitchen"}),
        ("similar", {"text": f'"{PRIVATE}"'}),
        ("similar", {"text": f"in:#{PRIVATE}"}),
        ("similar", {"text": "after:1990 before:2010"}),
        ("duplicates", {"threshold": 0.5}),
        ("stats", {}),
    )

    async def answers() -> list[tuple[str, list[int], set[int]]]:
        replies = [await owner.slash(place.talk.id, command, options) for command, options in questions]
        return [(re.sub(r"\d+ ms", "", reply.text()), shown(reply), channels_of(reply)) for reply in replies]

    before = await answers()
    said: dict[str, Any] = {"make": "Canon", "model": "EOS 5D", "place": MUNICH, "taken": "2004:01:01 00:00:00"}
    write(tmp_path / PRIVATE / f"{PRIVATE}.jpg", photograph(1, **said))
    write(tmp_path / PRIVATE / "copy.png", noise(0).make())  # as it was posted, too
    archive = await read_collection(bot.service, tmp_path / PRIVATE, PRIVATE)
    (guild,) = archive.survey.guilds.values()
    imported = await import_guild(bot.service, archive, await note_origin(bot.service, archive), guild)
    assert (imported.messages, imported.failures) == (2, {})
    assert await answers() == before
    for text in ("camera:eos", "cat lens:EF", "near:48.1,11.6,5km"):
        reply = await owner.slash(place.talk.id, "similar", {"text": text})
        assert "nothing of that is kept of pictures in Discord" in reply.text()
        assert shown(reply) == []
