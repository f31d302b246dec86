"""Lines about pictures that have become searchable, or whose words are known now. Triggers write them, each for one
follower (migrations 0023, 0024, 0028).
"""

from __future__ import annotations

from collections.abc import Sequence

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import GuildId, PictureId
from indexer.records.new_pictures import NewPicture
from indexer.store.places import read_place


async def guilds(connection: aiosqlite.Connection, follower: str) -> list[GuildId]:
    """Those with lines for the follower."""
    rows = await connection.execute_fetchall(
        "SELECT DISTINCT guild_id FROM new_pictures WHERE follower = ?", (follower,)
    )
    return [GuildId(guild_id) for (guild_id,) in rows]


async def oldest(connection: aiosqlite.Connection, follower: str, guild_id: GuildId, limit: int) -> list[NewPicture]:
    """The follower's oldest lines. Nothing of an author who opted out, also while their messages are being deleted."""
    rows = await connection.execute_fetchall(
        "SELECT n.seq, p.picture_id, p.message_id, p.place_id, m.channel_id, m.author_id, p.flags"
        " FROM new_pictures n CROSS JOIN places p USING (place_id) JOIN messages m USING (message_id)"
        " WHERE n.follower = ?1 AND n.guild_id = ?2 AND p.state = 'ready' AND NOT EXISTS ("
        "   SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id IN (0, m.guild_id))"
        " ORDER BY n.seq LIMIT ?3",
        (follower, guild_id, limit),
    )
    return [NewPicture(seq, PictureId(picture), read_place(columns)) for seq, picture, *columns in rows]


async def delete(tx: aiosqlite.Connection, lines: Sequence[NewPicture]) -> None:
    await tx.execute_fetchall(
        "DELETE FROM new_pictures WHERE seq IN (SELECT value FROM json_each(?))",
        (as_json(line.seq for line in lines),),
    )


async def trim(tx: aiosqlite.Connection, most: int) -> int:
    """Deletes the oldest lines, so that `most` stay at most. Returns how many."""
    cursor = await tx.execute("DELETE FROM new_pictures WHERE seq <= (SELECT max(seq) - ? FROM new_pictures)", (most,))
    return cursor.rowcount
