"""Pictures whose perceptual hash agrees with that of a picture that was asked with, whatever the model makes of them.

The four indexes of migration 0015 hold a quarter of the hash each. Of hashes that differ in at most SURE_BITS = 3 bits
some quarter is equal (pigeonhole), so one lookup in each quarter finds all of them (multi-index hashing: Norouzi,
Punjani and Fleet, CVPR 2012).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import aiosqlite
import numpy as np

from indexer.database.connections import in_thread
from indexer.records.hits import Filter, Place
from indexer.records.ids import GuildId, PictureId
from indexer.search import picture_facts
from indexer.search.score_bands import MIRRORED_BITS, SURE_BITS, copy_bits_of

_QUARTERS: Final = ("perceptual_hash", "(perceptual_hash >> 16)", "(perceptual_hash >> 32)", "(perceptual_hash >> 48)")
LOOKUP: Final = " UNION ALL ".join(
    f"SELECT picture_id, perceptual_hash FROM pictures WHERE {quarter} & 65535"  # noqa: S608 -- constants
    f" IN (SELECT value FROM json_each(?{number}))"
    for number, quarter in enumerate(_QUARTERS, start=1)
)


async def agreeing(
    connection: aiosqlite.Connection, guild_id: GuildId, hashes: Sequence[int], filter: Filter, limit: int
) -> dict[PictureId, tuple[Place, ...]]:
    """The pictures inside the filter whose hash differs from one of `hashes` in SURE_BITS bits at most.

    As they are or mirrored. With their places inside the filter, newest first. Fewest bits first, then the newest
    message, then as the message shows them; `limit` of them. The hash of a flat picture agrees with none.
    """
    asked = [bits for bits in hashes if bits]
    if not asked:
        return {}
    bits = await in_thread(connection, lambda raw: _near(raw, asked))
    shown = await picture_facts.places(connection, guild_id, list(bits), filter)
    order = sorted(shown, key=lambda key: (bits[key], -shown[key][0].message_id, shown[key][0].place_id))
    return {picture_id: shown[picture_id] for picture_id in order[:limit]}


def _near(connection: sqlite3.Connection, asked: Sequence[int]) -> dict[PictureId, int]:
    """By how many bits the pictures of all guilds differ from the nearest of these hashes: SURE_BITS at most."""
    rows = connection.execute(LOOKUP, [json.dumps(values) for values in _quarters(asked)]).fetchall()
    found = np.array([*rows, (0, 0)], np.int64)  # a row more, of no picture, so that there are two columns
    differing = copy_bits_of(found[:, 1].view(np.uint64)[:, None], np.array(asked, np.uint64)).min(axis=1)
    near = np.flatnonzero(differing <= SURE_BITS)
    return {PictureId(key): count for key, count in zip(found[near, 0].tolist(), differing[near].tolist(), strict=True)}


def _quarters(hashes: Iterable[int]) -> list[list[int]]:
    """For each quarter its values in these hashes, straight and mirrored."""
    whole = [bits ^ turned for bits in hashes for turned in (0, MIRRORED_BITS)]
    return [[bits >> 16 * number & 0xFFFF for bits in whole] for number in range(len(_QUARTERS))]
