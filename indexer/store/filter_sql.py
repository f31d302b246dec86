"""A filter as SQL: only this file decides which messages and places pass it. As a mask: vectors/filter.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from indexer.records.hits import Filter
from indexer.records.ids import ms_snowflake

# Message ids are snowflakes, below 2^63.
NO_END: Final = 2**63 - 1

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
# The conditions of a filter on a place `p` of that message.
PLACE_INSIDE: Final = (
    f"p.state = 'ready' AND {MESSAGE_INSIDE} AND (p.flags & :require) = :require AND (p.flags & :exclude) = 0"
)


def filter_values(filter: Filter) -> Mapping[str, object]:
    """A filter as named SQL parameters; sets as JSON arrays, times as snowflakes."""
    return {
        "channels": json.dumps(sorted(filter.channels)),
        "authors": None if filter.authors is None else json.dumps(sorted(filter.authors)),
        "not_authors": json.dumps(sorted(filter.not_authors)) if filter.not_authors else None,
        "low": 0 if filter.after_ms is None else ms_snowflake(filter.after_ms),
        "high": NO_END if filter.before_ms is None else min(ms_snowflake(filter.before_ms), NO_END),
        "not_message": filter.not_message,
        "require": int(filter.require),
        "exclude": int(filter.exclude),
    }
