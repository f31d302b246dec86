"""A filter as SQL: only this file decides which messages and places pass it. As a mask: vectors/filter.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from indexer.records.colours import wanted
from indexer.records.exif import ExifFilter
from indexer.records.hits import Filter
from indexer.records.picture_texts import TextKind

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
# The places that a filter's `exif` lets through, ascending.
EXIF_PLACES: Final = f"SELECT x.place_id FROM exif x WHERE {_EXIF_SAYS} ORDER BY x.place_id"  # noqa: S608 -- constants
_TAGS: Final = "SELECT value FROM json_each(:tags)"
_NOT_TAGS: Final = "SELECT value FROM json_each(:not_tags)"
# The places in the filter's channels that have all of its tags, and those that have one which it leaves out, ascending.
# Nothing is read of tags in other channels.
TAGGED_PLACES: Final = (
    "SELECT place_id FROM tags WHERE channel_id IN (SELECT value FROM json_each(:channels))"  # noqa: S608 -- constants
    f" AND tag IN ({_TAGS}) GROUP BY place_id HAVING count(*) = json_array_length(:tags) ORDER BY place_id"
)
NOT_TAGGED_PLACES: Final = (
    "SELECT DISTINCT place_id FROM tags WHERE channel_id IN (SELECT value FROM json_each(:channels))"  # noqa: S608 -- constants
    f" AND tag IN ({_NOT_TAGS}) ORDER BY place_id"
)
# The picture of a place shows every asked colour (indexer/records/colours.py). One whose colours were never read shows
# none.
_COLOURED: Final = (
    "EXISTS (SELECT 1 FROM pictures c WHERE c.picture_id = p.picture_id"
    " AND c.colours IS NOT NULL AND shows_colours(c.colours, :colours))"
)
# Words were read in the picture of a place `p`.
HAS_TEXT: Final = (
    "EXISTS (SELECT 1 FROM picture_texts w WHERE w.picture_id = p.picture_id"  # noqa: S608 -- constants
    f" AND w.kind = '{TextKind.OCR}')"
)
# The conditions of a filter on a place `p`, without those on its message.
PLACE_ITSELF_INSIDE: Final = (
    "p.state = 'ready' AND (p.flags & :require) = :require AND (p.flags & :exclude) = 0"  # noqa: S608 -- constants
    f" AND (NOT :exif OR EXISTS (SELECT 1 FROM exif x WHERE x.place_id = p.place_id AND {_EXIF_SAYS}))"
    " AND (:tags IS NULL OR (SELECT count(*) FROM tags t WHERE t.place_id = p.place_id"
    f" AND t.tag IN ({_TAGS})) = json_array_length(:tags))"
    " AND (:not_tags IS NULL OR NOT EXISTS (SELECT 1 FROM tags t WHERE t.place_id = p.place_id"
    f" AND t.tag IN ({_NOT_TAGS})))"
    f" AND (:colours IS NULL OR {_COLOURED})"
    f" AND (:text IS NULL OR :text = {HAS_TEXT})"
)
# The conditions of a filter on a place `p` of that message.
PLACE_INSIDE: Final = f"{MESSAGE_INSIDE} AND {PLACE_ITSELF_INSIDE}"
# The places in the filter's channels, by its authors and in its span of time, in whose pictures words were read,
# ascending. Only messages whose pictures say something are looked at.
TEXT_PLACES: Final = (
    "SELECT p.place_id FROM messages m INDEXED BY messages_by_channel"  # noqa: S608 -- constants
    " CROSS JOIN shown_texts s USING (message_id) CROSS JOIN places p USING (message_id)"
    f" WHERE {MESSAGE_INSIDE} AND p.state = 'ready' AND {HAS_TEXT} ORDER BY p.place_id"
)


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
        "text": filter.text,
        "exif": filter.exif is not None,
        "tags": json.dumps(sorted(filter.tags)) if filter.tags else None,
        "not_tags": json.dumps(sorted(filter.not_tags)) if filter.not_tags else None,
        "colours": wanted(filter.colours) if filter.colours else None,
        **_exif_values(filter.exif or ExifFilter()),
    }


def _exif_values(exif: ExifFilter) -> Mapping[str, object]:
    """The same for what files must say alone."""
    near = [[*near.position.vector, near.chord**2] for near in exif.near]
    return {
        "cameras": json.dumps(exif.cameras) if exif.cameras else None,
        "lenses": json.dumps(exif.lenses) if exif.lenses else None,
        "near": json.dumps(near) if near else None,
    }
