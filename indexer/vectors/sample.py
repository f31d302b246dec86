"""A sample of the pictures that a member may see. The same visible pictures always give the same sample.

A hash of the message id chooses the pictures. The time, the channel and the row numbers of SQLite have no influence:
row numbers would reveal how much was stored of pictures that the member may not see.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.vectors.columns import Bytes, Ints, Part
from indexer.vectors.filter import Terms, extras

# The multipliers of SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014).
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def chosen(messages: Ints, places: Ints, pictures: Ints, count: int) -> Ints:
    """Positions of `count` pictures, each once (of all pictures where there are fewer). An array entry is a place."""
    keys = messages.astype(np.uint64)
    for shift, factor in zip((np.uint64(30), np.uint64(27)), _MIX, strict=True):
        keys = (keys ^ (keys >> shift)) * factor
    keys ^= keys >> np.uint64(31)
    limit = count
    while True:
        limit = min(2 * limit, len(keys))
        # All pictures of a message have the same key, so a message is chosen whole or not at all.
        border = np.partition(keys, limit - 1)[limit - 1] if limit else np.uint64(0)
        candidates = np.flatnonzero(keys <= border)
        order = candidates[np.lexsort((places[candidates], keys[candidates]))]
        _, first = np.unique(pictures[order], return_index=True)
        if len(first) >= count or limit == len(keys):
            return order[np.sort(first)[:count]]


def of_parts(parts: Sequence[tuple[Part, Terms]], dimension: int, count: int) -> Bytes:
    """[n, 2·dimension] float16 bytes of the chosen pictures inside the filter."""
    columns: list[list[Ints]] = [[np.empty(0, np.int64)] for _ in range(5)]
    for number, (part, terms) in enumerate(parts):
        block = part.block
        mask = terms.passes(block.primary)
        if part.alive is not None:
            mask = part.alive if mask is None else mask & part.alive
        rows = np.arange(len(block.pictures)) if mask is None else np.flatnonzero(mask)
        extra_rows = extras(part, terms)
        for columns_of_places, rows_of_vectors in (
            (block.primary.take(rows), rows),
            (block.extra.take(extra_rows), block.owner[extra_rows]),
        ):
            values = (
                columns_of_places.message,
                columns_of_places.place,
                block.pictures[rows_of_vectors],
                rows_of_vectors,
                np.full(len(rows_of_vectors), number),
            )
            for column, value in zip(columns, values, strict=True):
                column.append(value.astype(np.int64))
    messages, places, pictures, vector_rows, numbers = (np.concatenate(column) for column in columns)
    positions = chosen(messages, places, pictures, count)
    vectors = np.empty((len(positions), 2 * dimension), np.uint8)
    for number, (part, _) in enumerate(parts):
        in_part = numbers[positions] == number
        vectors[in_part] = part.block.vectors.take(vector_rows[positions[in_part]], axis=0)
    return vectors
