"""Messages that a bundle and this folder both have: a version that goes before is stored as any other version."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import ChannelId, GuildId, MessageId, OriginId, UserId
from indexer.records.messages import Message, PictureRef, PlaceFlag, Source
from indexer.settings import Keep
from indexer.store import messages

# Of the messages given, those whose version in the bundle differs and may go before: told by Discord where an archive
# told this folder; or told by the same kind, and edited or seen later. messages.store decides.
_BETTER = """
SELECT b.message_id, b.channel_id, b.guild_id, b.author_id, u.name, u.bot, b.content, b.edited_ms, b.checked_ms, o.own
FROM json_each(?) j CROSS JOIN bundle.messages b ON b.message_id = j.value
CROSS JOIN bundle.users u ON u.user_id = b.author_id
CROSS JOIN temp.incoming_origins o ON o.id = b.origin_id
CROSS JOIN main.messages m ON m.message_id = b.message_id
CROSS JOIN main.texts t ON t.message_id = b.message_id
WHERE (o.own = 0 AND m.origin_id != 0)
    OR ((o.own = 0) = (m.origin_id = 0)
        AND (ifnull(b.edited_ms, 0), b.checked_ms) > (ifnull(m.edited_ms, 0), m.checked_ms)
        AND ((b.content, b.file_names, b.alt_texts) != (t.content, t.file_names, t.alt_texts)
            OR b.edited_ms IS NOT m.edited_ms
            OR EXISTS (
                SELECT ordinal, link FROM bundle.places WHERE message_id = b.message_id
                EXCEPT SELECT ordinal, link FROM main.places WHERE message_id = b.message_id)
            OR EXISTS (
                SELECT ordinal, link FROM main.places WHERE message_id = b.message_id
                EXCEPT SELECT ordinal, link FROM bundle.places WHERE message_id = b.message_id)))
ORDER BY b.message_id
"""
_PICTURES = """
SELECT p.message_id, p.ordinal, p.source, p.link, p.file_name, p.alt_text, p.content_type, p.byte_count, p.width,
    p.height, p.flags, iif(?2, p.path, NULL)
FROM json_each(?1) j CROSS JOIN bundle.places p ON p.message_id = j.value
ORDER BY p.message_id, p.ordinal
"""


async def update_known(
    tx: aiosqlite.Connection, message_ids: Sequence[MessageId], keep: Keep, *, with_paths: bool
) -> int:
    """Stores the bundle's versions of these messages where they go before. Returns how many changed.

    `with_paths`: where an archive has their files is stored too.
    """
    rows = list(await tx.execute_fetchall(_BETTER, (as_json(message_ids),)))
    pictures = await _pictures(tx, [row[0] for row in rows], with_paths)
    seen: defaultdict[tuple[OriginId, int], list[Message]] = defaultdict(list)
    for message_id, channel, guild, author, name, bot, content, edited_ms, checked_ms, origin_id in rows:
        seen[origin_id, checked_ms].append(
            Message(
                MessageId(message_id),
                ChannelId(channel),
                GuildId(guild),
                UserId(author),
                name,
                content,
                edited_ms,
                tuple(pictures[message_id]),
                by_bot=bool(bot),
            )
        )
    changed = 0
    for (origin_id, checked_ms), versions in seen.items():
        done = await messages.store(tx, versions, keep=keep, seen_ms=checked_ms, origin_id=origin_id)
        changed += done.changed
    return changed


async def _pictures(
    tx: aiosqlite.Connection, message_ids: Iterable[int], with_paths: bool
) -> defaultdict[int, list[PictureRef]]:
    found: defaultdict[int, list[PictureRef]] = defaultdict(list)
    for message_id, *picture in await tx.execute_fetchall(_PICTURES, (json.dumps(list(message_ids)), with_paths)):
        found[message_id].append(_picture(*picture))
    return found


def _picture(
    ordinal: int, source: str, link: str, file_name: str, alt_text: str, content_type: str | None, size: int | None,
    width: int | None, height: int | None, flags: int, path: str | None,
) -> PictureRef:  # fmt: skip
    """What the file says (Exif) comes with the places: see new_rows.py."""
    return PictureRef(
        ordinal=ordinal,
        source=Source(source),
        link=link,
        url=link,
        file_name=file_name,
        alt_text=alt_text,
        content_type=content_type,
        size=size,
        width=width,
        height=height,
        flags=PlaceFlag(flags),
        path=path or "",
    )
