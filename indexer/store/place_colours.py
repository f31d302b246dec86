"""Which places of some channels show the colours of a filter. Blocks: call it in a thread that may wait.

Everything that is read of a channel comes as texts in one step of SQLite, and numpy counts it at once: a row of
Python's own for each place takes nearly twice as long, a function in Python for each place more than twice.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from indexer.records.colours import showing
from indexer.records.hits import Filter
from indexer.store.filter_sql import filter_values

Ints = npt.NDArray[np.int64]

# The rows of each channel in the order of their messages.
_STORED: Final = (
    "SELECT group_concat(message_id), group_concat(place_id), group_concat(hex(colours), '') FROM place_colours"
    " WHERE channel_id IN (SELECT value FROM json_each(:channels)) AND message_id >= :low AND message_id < :high"
    " GROUP BY channel_id"
)


@dataclass(frozen=True, slots=True)
class Coloured:
    """Places and their messages, both [n]."""

    messages: Ints
    places: Ints


def shown(connection: sqlite3.Connection, filter: Filter) -> Coloured:
    """The ready places in the filter's channels and span of time that show all of its colours, in no order.

    What else the filter says is not looked at. It takes 110 bytes a picture of the largest channel meanwhile, and 16
    bytes a place that is found.
    """
    found: list[tuple[Ints, Ints]] = []
    for messages, places, samples in connection.execute(_STORED, filter_values(filter)):
        rows = np.flatnonzero(showing(bytes.fromhex(samples), filter.colours))
        found.append((_numbers(messages)[rows], _numbers(places)[rows]))
    return Coloured(_joined([ids for ids, _ in found]), _joined([ids for _, ids in found]))


def _numbers(text: str) -> Ints:
    numbers: Ints = np.fromstring(text, np.int64, sep=",")
    return numbers


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
