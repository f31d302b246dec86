"""Two data folders of one bot, between which a server moves: made once, and copied for each test that moves it.

`a` has the server Meadow with all that may hang on one, and Elsewhere; `b` has Harbour. A picture of Meadow is shown in
all three. Promises are in both, some of them only written down.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from indexer.database import journal
from indexer.database.database import FILE_NAME
from indexer.records.ids import GuildId, OriginId
from tests.worlds.bundled import installation, read, written
from tests.worlds.records import message, picture

MEADOW, ELSEWHERE, HARBOUR = GuildId(1), GuildId(2), GuildId(3)
COUNT = 24  # messages of Meadow that Discord told, and which move
FROM_ARCHIVE = 60  # a message that an archive alone knows, in a stretch that Discord has shown
OPTED_OUT, OPTED_OUT_THERE, LEAVING = 500, 501, 502
DELETED, DELETED_LATER = 90, 5
MEMBER, MANAGER = 600, 601  # who have saved searches and watch pictures, in several servers
WATCHED = 7  # the number of a watched picture of Meadow; Harbour has one, too

# What members of a server keep, without the numbers of its own database.
KEPT: Mapping[str, str] = {
    "saved": "SELECT s.user_id, s.name, question, created_ms, sha256, perceptual_hash, m.name, s.vector, n.after_id,"
    " language, channel_id, told_ms FROM saved_searches s LEFT JOIN saved_notices n USING (saved_id)"
    " LEFT JOIN models m ON m.model_id = s.model_id WHERE s.guild_id = ? ORDER BY 1, 2",
    "to be told": "SELECT user_id, name, message_id, ordinal, sending FROM saved_matches"
    " JOIN saved_searches s USING (saved_id) JOIN places USING (place_id) WHERE s.guild_id = ? ORDER BY 1, 2, 3, 4",
    "told": "SELECT user_id, name, message_id, ordinal FROM saved_told"
    " JOIN saved_searches s USING (saved_id) JOIN places USING (place_id) WHERE s.guild_id = ? ORDER BY 1, 2, 3, 4",
    "watched": "SELECT added_by, after_id, channel_id, alike, p.message_id, ordinal, sha256, perceptual_hash,"
    " m.name, w.vector, small_copy FROM watched_pictures w LEFT JOIN places p USING (place_id)"
    " LEFT JOIN models m ON m.model_id = w.model_id WHERE w.guild_id = ? ORDER BY 1, 2",
    "found": "SELECT added_by, after_id, message_id, ordinal, band, copy, sending FROM watched_matches"
    " JOIN watched_pictures w USING (watch_id) JOIN places USING (place_id) WHERE w.guild_id = ? ORDER BY 1, 2, 3",
    "new": "SELECT follower, message_id, ordinal FROM new_pictures n JOIN places USING (place_id)"
    " WHERE n.guild_id = ? ORDER BY n.seq",
}


def kept(data_dir: Path, guild_id: int) -> dict[str, list[tuple[object, ...]]]:
    """The rows of KEPT. Blocks."""
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        return {name: connection.execute(sql, (guild_id,)).fetchall() for name, sql in KEPT.items()}


def _saved(saved_id: int, guild_id: int, user_id: int, name: str, picture: bool = False) -> str:
    shown = "zeroblob(32), 5, (SELECT min(model_id) FROM models), x'3c00'" if picture else "NULL, NULL, NULL, NULL"
    return f"INSERT INTO saved_searches VALUES ({saved_id}, {guild_id}, {user_id}, '{name}', 'in {name}', 1, {shown})"


def _notice(saved_id: int, guild_id: int) -> str:
    return (
        "INSERT INTO saved_notices (saved_id, guild_id, after_id, language, channel_id, told_ms, gate_ms)"
        f" VALUES ({saved_id}, {guild_id}, 1, 'de', 10, {70 + saved_id}, 1)"
    )


def _watched(watch_id: int, guild_id: int, user_id: int, message_id: int | None) -> str:
    shown = "NULL, x'" + "ab" * 32 + "', 6, (SELECT min(model_id) FROM models), x'3c00', x'05'"
    if message_id is not None:
        shown = f"(SELECT place_id FROM places WHERE message_id = {message_id}), NULL, NULL, NULL, NULL, NULL"
    return f"INSERT INTO watched_pictures VALUES ({watch_id}, {guild_id}, {user_id}, {watch_id}, 10, 1, {shown})"


def _places(table: str, own: str, values: str, *messages: int) -> str:
    numbers = ", ".join(map(str, messages))
    return f"INSERT INTO {table} SELECT {own}, place_id{values} FROM places WHERE message_id IN ({numbers})"


OF_MEMBERS = (
    _saved(1, MEADOW, MEMBER, "cats"), _notice(1, MEADOW), _saved(2, MEADOW, MEMBER, "a picture", picture=True),
    _saved(3, MEADOW, MANAGER, "cats"), _notice(3, MEADOW), _saved(4, ELSEWHERE, MEMBER, "cats"), _notice(4, ELSEWHERE),
    _saved(5, MEADOW, LEAVING, "private"), _saved(6, MEADOW, OPTED_OUT_THERE, "private"),
    _places("saved_matches", "1", ", 0", 8, 9), _places("saved_matches", "3", ", 1", 8),
    _places("saved_matches", "1", ", 0", DELETED_LATER), _places("saved_told", "1", "", 3, 4),
    _watched(WATCHED, MEADOW, MANAGER, 6), _watched(8, MEADOW, MANAGER, None), _watched(9, MEADOW, LEAVING, 6),
    _watched(10, MEADOW, OPTED_OUT_THERE, None), _watched(11, ELSEWHERE, MANAGER, 130),
    _watched(12, MEADOW, MEMBER, None),
    _places("watched_matches", str(WATCHED), ", 'same', '{}', 1", 12),
    _places("watched_matches", "8", ", 'x', NULL, 0", 13),
    _places("new_pictures (follower, guild_id, place_id)", f"'saved searches', {MEADOW}", "", 20, 21),
    _places("new_pictures (follower, guild_id, place_id)", f"'watched pictures', {MEADOW}", "", 21),
    _places("new_pictures (follower, guild_id, place_id)", f"'watched pictures', {ELSEWHERE}", "", 130),
)  # fmt: skip
THERE = (
    _saved(1, HARBOUR, MEMBER, "cats"), _saved(2, HARBOUR, MANAGER, "dogs"), _notice(2, HARBOUR),
    _watched(WATCHED, HARBOUR, MANAGER, 230), _watched(8, HARBOUR, MANAGER, None),
    _places("saved_told", "2", "", 230), _places("watched_matches", "8", ", 'same', NULL, 0", 230),
)  # fmt: skip


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
        works = (read(*posts), other, elsewhere, theirs, archive, told, promised, written(*OF_MEMBERS))
        await installation(folder / "a", *works, application_id=900)
        await installation(folder / "b", there, harbour, written(*THERE), application_id=900)

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
