"""A filter as SQL: only this file decides which messages and places pass it. As a mask: vectors/filter.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from indexer.records.exif import ExifFilter
from indexer.records.hits import Filter

# The conditions of a filter on a message `m`, with the parameters of `filter_values`.
MESSAGE_INSIDE: Final = (
    "m.channel_id IN (SELECT value FROM json_each(:channels))"
    " AND (:authors IS NULL OR m.author_id IN (SELECT value FROM json_each(:authors)))"
    " AND (:not_authors IS NULL OR m.author_id NOT IN (SELECT value FROM json_each(:not_authors)))"
    " AND m.message_id >= :low AND m.message_id < :high AND m.message_id IS NOT :not_message"
)
# The same for a query that goes from words to their messages. The plus keeps the planner from starting at channels.
MESSAGE_INSIDE_BY_ID: Final = MESSAGE_INSIDE.replace("m.channel_id", "+m.channel_id").replace(
    "m.author_id", "+m.author_id"
)
# What a row `x` of `exif` must say. Names are compared without regard to A–Z and a–z, and any part of one will do. A
# distance is the square of the straight line through a sphere of radius 1.
_EXIF_SAYS: Final = (
    "(:cameras IS NULL OR EXISTS (SELECT 1 FROM json_each(:cameras) WHERE instr(lower(x.camera), lower(value))))"
    " AND (:lenses IS NULL OR EXISTS (SELECT 1 FROM json_each(:lenses) WHERE instr(lower(x.lens), lower(value))))"
    " AND (:near IS NULL OR EXISTS (SELECT 1 FROM json_each(:near) WHERE"
    " (x.x - (value ->> 0)) * (x.x - (value ->> 0)) + (x.y - (value ->> 1)) * (x.y - (value ->> 1))"
    " + (x.z - (value ->> 2)) * (x.z - (value ->> 2)) <= (value ->> 3)))"
)
# The places that a filter's `exif` lets through, ascending; with the parameters of `exif_values`.
EXIF_PLACES: Final = f"SELECT x.place_id FROM exif x WHERE {_EXIF_SAYS} ORDER BY x.place_id"  # noqa: S608 -- constants
# The conditions of a filter on a place `p`, without those on its message.
PLACE_ITSELF_INSIDE: Final = (
    "p.state = 'ready' AND (p.flags & :require) = :require AND (p.flags & :exclude) = 0"  # noqa: S608 -- constants
    f" AND (NOT :exif OR EXISTS (SELECT 1 FROM exif x WHERE x.place_id = p.place_id AND {_EXIF_SAYS}))"
)
# The conditions of a filter on a place `p` of that message.
PLACE_INSIDE: Final = f"{MESSAGE_INSIDE} AND {PLACE_ITSELF_INSIDE}"


def filter_values(filter: Filter) -> Mapping[str, object]:
    """A filter as named SQL parameters; sets as JSON arrays, times as message ids."""
    low, high = filter.message_ids
    return {
        "channels": json.dumps(sorted(filter.channels)),
        "authors": None if filter.authors is None else json.dumps(sorted(filter.authors)),
        "not_authors": json.dumps(sorted(filter.not_authors)) if filter.not_authors else None,
        "low": low,
        "high": high,
        "not_message": filter.not_message,
        "require": int(filter.require),
        "exclude": int(filter.exclude),
        "exif": filter.exif is not None,
        **exif_values(filter.exif or ExifFilter()),
    }


def exif_values(exif: ExifFilter) -> Mapping[str, object]:
    """The same for what files must say alone."""
    near = [[*near.position.vector, near.chord**2] for near in exif.near]
    return {
        "cameras": json.dumps(exif.cameras) if exif.cameras else None,
        "lenses": json.dumps(exif.lenses) if exif.lenses else None,
        "near": json.dumps(near) if near else None,
    }
