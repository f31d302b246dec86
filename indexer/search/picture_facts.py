"""What a search reads from SQLite beside the words: vectors, hashes and places of a few pictures."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import aiosqlite
import numpy as np

from indexer.records.colours import Colour
from indexer.records.hits import Filter, Place
from indexer.records.ids import ChannelId, GuildId, ModelId, PictureId
from indexer.records.pictures import EmbeddedFrame, Vectors
from indexer.store import frames
from indexer.store.filter_sql import PLACE_INSIDE, filter_values
from indexer.store.places import read_place

Version = tuple[int, int]  # of a guild's index, as `version` reads it


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What shows that two pictures are the same: vector ([d], unit length), SHA-256 of the bytes, perceptual hash.

    The hash is unsigned, 64 bits, and 0 where it says nothing: the picture is flat. `further` are the other frames of
    an animation, and `at_ms` is when its vector's own frame is shown (None where there are no others).
    """

    vector: Vectors
    sha256: bytes
    perceptual_hash: int
    at_ms: int | None = None
    further: tuple[EmbeddedFrame, ...] = ()

    def nearest_frame(self, target: Vectors) -> PictureFacts:
        """The same picture by the frame that is nearest to `target` ([d])."""
        if not self.further:
            return self
        best = max(self.further, key=lambda frame: float(frame.vector @ target))
        if float(best.vector @ target) <= float(self.vector @ target):
            return self
        return PictureFacts(best.vector, self.sha256, best.moment.perceptual_hash, best.moment.at_ms)


def known_hash(stored: int | None) -> int:
    """A perceptual hash as `PictureFacts` has it, of one as SQLite has it: signed, NULL where nothing was decoded."""
    return (stored or 0) & (1 << 64) - 1


async def facts(
    connection: aiosqlite.Connection, model_id: ModelId, picture_ids: Collection[PictureId]
) -> dict[PictureId, PictureFacts]:
    """Of those pictures that have an embedding of this model."""
    rows = await connection.execute_fetchall(
        "SELECT p.picture_id, e.vector, p.sha256, p.perceptual_hash, e.at_ms, e.frames_sought FROM pictures p"
        " JOIN embeddings e ON e.picture_id = p.picture_id AND e.model_id = ?"
        " WHERE p.picture_id IN (SELECT value FROM json_each(?))",
        (model_id, json.dumps(list(picture_ids))),
    )
    found = list(rows)
    if not found:
        return {}
    vectors = np.frombuffer(b"".join(row[1] for row in found), "<f2").astype(np.float32).reshape(len(found), -1)
    moving = await frames.of(connection, model_id, [PictureId(row[0]) for row in found if row[5] > 1])
    return {
        PictureId(picture_id): PictureFacts(
            vector,
            sha256,
            known_hash(perceptual_hash),
            at_ms if picture_id in moving else None,
            moving.get(picture_id, ()),
        )
        for (picture_id, _, sha256, perceptual_hash, at_ms, _), vector in zip(found, vectors, strict=True)
    }


async def hashes(connection: aiosqlite.Connection, picture_ids: Collection[PictureId]) -> dict[PictureId, int]:
    """The perceptual hash of each, as `known_hash` gives it."""
    rows = await connection.execute_fetchall(
        "SELECT picture_id, perceptual_hash FROM pictures WHERE picture_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(picture_ids)),),
    )
    return {PictureId(picture_id): known_hash(stored) for picture_id, stored in rows}


async def colour_shares(
    connection: aiosqlite.Connection, picture_ids: Collection[PictureId], colours: Sequence[Colour]
) -> dict[PictureId, float]:
    """Which share of each picture has the colour, 0–1; of several colours the smallest. Empty where none is asked."""
    if not colours:
        return {}
    rows = await connection.execute_fetchall(
        "SELECT picture_id, ifnull(colours, x'') FROM pictures WHERE picture_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(picture_ids)),),
    )
    return {PictureId(picture_id): min(colour.share(seen) for colour in colours) for picture_id, seen in rows}


async def places(
    connection: aiosqlite.Connection, guild_id: GuildId, picture_ids: Collection[PictureId], filter: Filter
) -> dict[PictureId, tuple[Place, ...]]:
    """Every place inside the filter that shows one of the pictures, newest first."""
    rows = await connection.execute_fetchall(
        # CROSS: from the few pictures to their messages; the planner would go through every message of the channels
        # (101 ms against 0.13 over 100,000).
        "SELECT p.picture_id, p.message_id, p.place_id, m.channel_id, m.author_id, p.flags"  # noqa: S608 -- every part is ours
        " FROM places p CROSS JOIN messages m USING (message_id)"
        " WHERE p.picture_id IN (SELECT value FROM json_each(:pictures)) AND p.guild_id = :guild"
        f" AND {PLACE_INSIDE}"
        " ORDER BY p.message_id DESC, p.place_id DESC",
        {"pictures": json.dumps(list(picture_ids)), "guild": guild_id, **filter_values(filter)},
    )
    found: dict[PictureId, list[Place]] = {}
    for picture_id, *columns in rows:
        found.setdefault(PictureId(picture_id), []).append(read_place(columns))
    return {picture_id: tuple(shown) for picture_id, shown in found.items()}


async def channels(
    connection: aiosqlite.Connection, guild_id: GuildId, picture_ids: Collection[PictureId]
) -> dict[PictureId, set[ChannelId]]:
    """Which channels of the guild show each of these pictures."""
    rows = await connection.execute_fetchall(
        "SELECT DISTINCT p.picture_id, m.channel_id FROM places p CROSS JOIN messages m USING (message_id)"
        " WHERE p.picture_id IN (SELECT value FROM json_each(?)) AND p.guild_id = ?",
        (json.dumps(list(picture_ids)), guild_id),
    )
    found: dict[PictureId, set[ChannelId]] = {}
    for picture_id, channel_id in rows:
        found.setdefault(PictureId(picture_id), set()).add(ChannelId(channel_id))
    return found


async def version(connection: aiosqlite.Connection, guild_id: GuildId) -> Version:
    """Changes whenever something changes that a search of the guild may find or show.

    The log's numbers only grow, and lines that are dropped from it are covered first: so the larger of the last line
    and the last covered one never goes back.
    """
    rows = await connection.execute_fetchall(
        "SELECT max(ifnull((SELECT max(seq) FROM index_log WHERE guild_id = :guild), 0),"
        "   ifnull((SELECT max(covered_seq) FROM coverage WHERE guild_id = :guild), 0)),"
        " ifnull((SELECT edits FROM word_edits WHERE guild_id = :guild), 0)",
        {"guild": guild_id},
    )
    ((seq, edits),) = rows
    return int(seq), int(edits)
