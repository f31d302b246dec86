"""Two data folders of one bot, between which a server moves: made once, and copied for each test that moves it.

`a` has the server Meadow with all that may hang on one, and Elsewhere; `b` has Harbour. A picture of Meadow is shown in
all three. Promises are in both, some of them only written down.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from indexer.database import journal
from indexer.records.ids import GuildId, OriginId
from tests.worlds.bundled import installation, read, written
from tests.worlds.records import message, picture

MEADOW, ELSEWHERE, HARBOUR = GuildId(1), GuildId(2), GuildId(3)
COUNT = 24  # messages of Meadow that Discord told, and which move
FROM_ARCHIVE = 60  # a message that an archive alone knows, in a stretch that Discord has shown
OPTED_OUT, OPTED_OUT_THERE, LEAVING = 500, 501, 502
DELETED, DELETED_LATER = 90, 5


def _server(guild_id: int, name: str, channel_id: int) -> tuple[str, ...]:
    return (
        f"INSERT INTO guilds (guild_id, name, added_ms) VALUES ({guild_id}, '{name}', 0)",
        f"INSERT INTO channels (channel_id, guild_id, kind, name) VALUES ({channel_id}, {guild_id}, 'text', 'c')",
    )


def make(folder: Path) -> Path:
    """Makes `a` and `b` below the folder. Blocks."""
    posts = [message(number, picture(str(number % 7)), content=f"words {number}") for number in range(1, COUNT + 1)]
    promised = written(
        f"INSERT INTO opt_outs VALUES (0, {OPTED_OUT}, 1)", f"INSERT INTO deletions VALUES ({DELETED})",
        "INSERT INTO spans VALUES (10, 0, 0, 99)", "UPDATE guilds SET consent = 1 WHERE guild_id = 1",
        "INSERT INTO deleted_here VALUES (91, 10)",
        "INSERT INTO tags SELECT place_id, 'blue', 10 FROM places WHERE message_id = 3",
        "INSERT INTO picture_texts (picture_id, kind, body) SELECT picture_id, 'ocr', 'a sign' FROM places"
        " WHERE message_id = 4",
    )  # fmt: skip
    archive = written("INSERT INTO origins (origin_id, kind, location, version) VALUES (1, 'export', '/exports', 'v')")
    told = read(message(FROM_ARCHIVE, picture("old")), origin_id=OriginId(1))
    elsewhere = read(message(130, picture("1"), channel=20, guild=ELSEWHERE))
    harbour = read(
        message(230, picture("1"), channel=30, guild=HARBOUR),
        message(231, picture("own"), channel=30, guild=HARBOUR, author=OPTED_OUT),
    )
    there = written(
        "DELETE FROM guilds", *_server(HARBOUR, "Harbour", 30), f"INSERT INTO opt_outs VALUES (0, {OPTED_OUT_THERE}, 1)"
    )
    theirs = read(message(131, picture("own"), channel=20, guild=ELSEWHERE, author=OPTED_OUT_THERE))
    other = written(*_server(ELSEWHERE, "Elsewhere", 20))

    async def both() -> None:
        works = (read(*posts), other, elsewhere, theirs, archive, told, promised)
        await installation(folder / "a", *works, application_id=900)
        await installation(folder / "b", there, harbour, application_id=900)

    asyncio.run(both())
    journal.write(
        folder / "a" / journal.FILE_NAME,
        [
            {"kind": "OptedOut", "user_id": LEAVING, "guild_id": 0, "by": None},
            {"kind": "MessagesDeleted", "message_ids": [DELETED_LATER]},
        ],
    )
    return folder


def copied(world: Path, folder: Path) -> Path:
    """Both folders below `folder`, for a test that changes them. Blocks."""
    for name in ("a", "b"):
        shutil.copytree(world / name, folder / name)
    return folder
