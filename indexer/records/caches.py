"""What is kept so that the same work is not done twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """One cache. `bytes`: where it is known. `hits` and `misses`: None where nothing counts them.

    `cleared`: whether `afterimage cache clear` empties it.
    """

    name: str
    place: Literal["database", "disk", "memory"]
    count: int
    bytes: int | None
    hits: int | None
    misses: int | None
    cleared: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "place": self.place,
            "count": self.count,
            "bytes": self.bytes,
            "hits": self.hits,
            "misses": self.misses,
            "cleared": self.cleared,
        }


class Remembered(Protocol):
    """Values in the memory of this process."""

    hits: int
    misses: int

    def __len__(self) -> int: ...

    def clear(self) -> int: ...
