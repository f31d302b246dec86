"""Pictures that stand for all that one may see, the same ones wherever and whenever the same is seen.

A hash of the message's own id chooses: not time, not channel, and not the numbers that SQLite gives, which tell how
much was stored of what one may not see.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.vectors.columns import Bytes, Ints, Part
from indexer.vectors.filter import Terms, extras

# The multipliers of SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014).
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def chosen(messages: Ints, places: Ints, pictures: Ints, count: int) -> Ints:
    """Positions of `count` pictures, each once (of all, where there are fewer). The arrays have an entry a place."""
    keys = messages.astype(np.uint64)
    for shift, factor in zip((np.uint64(30), np.uint64(27)), _MIX, strict=True):
        keys = (keys ^ (keys >> shift)) * factor
    keys ^= keys >> np.uint64(31)
    most = count
    while True:
        most = min(2 * most, len(keys))
        # All pictures of a message have one key: a border never runs through a message.
        border = np.partition(keys, most - 1)[most - 1] if most else np.uint64(0)
        near = np.flatnonzero(keys <= border)
        order = near[np.lexsort((places[near], keys[near]))]
        _, first = np.unique(pictures[order], return_index=True)
        if len(first) >= count or most == len(keys):
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
        more = extras(part, terms)
        for shown, held in ((block.primary.take(rows), rows), (block.extra.take(more), block.owner[more])):
            values = (shown.message, shown.place, block.pictures[held], held, np.full(len(held), number))
            for column, value in zip(columns, values, strict=True):
                column.append(value.astype(np.int64))
    messages, places, pictures, vector_rows, numbers = (np.concatenate(column) for column in columns)
    at = chosen(messages, places, pictures, count)
    found = np.empty((len(at), 2 * dimension), np.uint8)
    for number, (part, _) in enumerate(parts):
        here = numbers[at] == number
        found[here] = part.block.vectors.take(vector_rows[at[here]], axis=0)
    return found
