"""The pictures that a message names, as rows of `places`: inserted, matched again after an edit, removed.

This is a part of `messages.store`. Later changes of a place (fetched, failed, described) are in places.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from indexer.database import many_rows
from indexer.database.database import as_json
from indexer.records.ids import MADE_UP, GuildId, MessageId, PlaceId
from indexer.records.messages import NO_FLAGS, Message, PictureRef, PlaceFlag

_DESCRIPTION = "source, file_name, alt_text, content_type, byte_count, width, height, flags, path"


@dataclass(frozen=True, slots=True)
class NewPlace:
    """A place whose picture is to be fetched, with the links that its message has now."""

    id: PlaceId
    message: Message
    ref: PictureRef


def joined(places: Collection[tuple[Any, ...]], messages: Collection[Message]) -> tuple[NewPlace, ...]:
    """Rows of (place, message, ordinal, link) as new places, in order. Leaves out rows that `messages` do not show."""
    shown = {(message.id, ref.ordinal, ref.link): (message, ref) for message in messages for ref in message.pictures}
    return tuple(
        NewPlace(PlaceId(place_id), *shown[message_id, ordinal, link])
        for place_id, message_id, ordinal, link in places
        if (message_id, ordinal, link) in shown
    )


async def insert(tx: aiosqlite.Connection, places: Sequence[tuple[MessageId, GuildId, PictureRef]]) -> None:
    """Stores new places as pending."""
    await many_rows.write(
        tx,
        f"INSERT INTO places (message_id, guild_id, ordinal, link, {_DESCRIPTION}) :rows",
        [(message, guild, ref.ordinal, ref.link, *_description(ref)) for message, guild, ref in places],
    )
    await _insert_exif(tx, places)


async def _insert_exif(tx: aiosqlite.Connection, places: Sequence[tuple[MessageId, GuildId, PictureRef]]) -> None:
    """What files of collections say. Of a picture in Discord it is never stored, whatever its message brings."""
    rows = [
        (message, ref.ordinal, exif.camera, exif.lens, *(exif.position.vector if exif.position else (None,) * 3))
        for message, _, ref in places
        if message >= MADE_UP and (exif := ref.exif) is not None and exif.searchable
    ]
    await many_rows.write(
        tx,
        "INSERT INTO exif (place_id, camera, lens, x, y, z)"
        " SELECT place_id, said.column3, said.column4, said.column5, said.column6, said.column7"
        " FROM (:rows) AS said JOIN places ON message_id = said.column1 AND ordinal = said.column2",
        rows,
    )


async def update(tx: aiosqlite.Connection, messages: Sequence[Message]) -> set[MessageId]:
    """Makes the places of stored messages equal to what the messages show now. Returns the messages that this changed.

    A place is recognised by its link (the n-th place of a link by the n-th use of the link). So a picture that moved to
    another ordinal is not fetched again. What the message itself does not tell stays: that the picture is animated, and
    where an archive has its file.
    """
    rows = await tx.execute_fetchall(
        f"SELECT message_id, place_id, ordinal, link, {_DESCRIPTION} FROM places"  # noqa: S608 -- a constant
        " WHERE message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, ordinal",
        (as_json(message.id for message in messages),),
    )
    stored: dict[MessageId, dict[str, list[tuple[Any, ...]]]] = defaultdict(lambda: defaultdict(list))
    for message_id, place_id, ordinal, link, *description in rows:
        stored[message_id][link].append((place_id, ordinal, tuple(description)))

    vanished: list[int] = []
    moved: list[tuple[int, int]] = []
    described: list[tuple[Any, ...]] = []
    added: list[tuple[MessageId, GuildId, PictureRef]] = []
    touched: set[MessageId] = set()
    for message in messages:
        places_of_link = stored[message.id]
        for ref in sorted(message.pictures, key=lambda ref: ref.ordinal):
            if not places_of_link[ref.link]:
                added.append((message.id, message.guild_id, ref))
                touched.add(message.id)
                continue
            place_id, ordinal, description = places_of_link[ref.link].pop(0)
            *_, flags, path = description
            current = _description(ref, PlaceFlag(flags) & PlaceFlag.ANIMATED, path)
            if ordinal != ref.ordinal:
                moved.append((ref.ordinal, place_id))
                touched.add(message.id)
            if current != description:
                described.append((*current, place_id))
                touched.add(message.id)
        for places in places_of_link.values():
            for place_id, _, _ in places:
                vanished.append(place_id)
                touched.add(message.id)

    if vanished:
        await tx.execute_fetchall(
            "DELETE FROM places WHERE place_id IN (SELECT value FROM json_each(?))", (as_json(vanished),)
        )
    if moved:  # first to negative ordinals: two places may swap theirs, and (message_id, ordinal) is unique
        await tx.executemany("UPDATE places SET ordinal = -1 - ordinal WHERE place_id = ?", [(p,) for _, p in moved])
        await tx.executemany("UPDATE places SET ordinal = ? WHERE place_id = ?", moved)
    if described:
        await tx.executemany(
            f"UPDATE places SET ({_DESCRIPTION}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE place_id = ?",  # noqa: S608 -- a constant
            described,
        )
    await insert(tx, added)
    return touched


def _description(ref: PictureRef, found: PlaceFlag = NO_FLAGS, path: str | None = None) -> tuple[Any, ...]:
    """The columns of a place. `found` and `path` were known before; the message itself does not tell them."""
    return (
        ref.source.value,
        ref.file_name,
        ref.alt_text,
        ref.content_type,
        ref.size,
        ref.width,
        ref.height,
        int(ref.flags | found),
        ref.path or path,
    )
