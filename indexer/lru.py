"""Answers and vectors that are remembered: bounded, and true by construction.

A vector depends on its words and the model alone. An answer is kept under everything it depends on: the question, its
filter with the visible channels, the model, and the version of the guild's index that it was searched in; so a change
of any of them misses, and nothing has to be told to forget. Both are kept for the member who asked: that another one
asked the same could be felt by the time an answer takes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """The values of the keys that were asked for last, at most `size` of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)
