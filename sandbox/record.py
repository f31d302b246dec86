"""A record of requests. It always counts them by route; on demand it keeps whole request and answer pairs."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """One REST request and its answer. `route` is "METHOD /template" as Discord's OpenAPI file spells the path.

    `body` and `answer` are JSON values (None: there was none). `multipart`: the body came with files.
    """

    route: str
    path: str
    query: dict[str, list[str]]
    body: Any
    multipart: bool
    status: int
    answer: Any
    headers: dict[str, str]


class Record:
    """`keep`: how many of the latest exchanges are kept whole."""

    def __init__(self, keep: int = 0) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=keep)
        self.counts: Counter[str] = Counter()
        """Requests by route; the CDN's are GET /attachments, /media, /external and /stickers."""
        self.statuses: Counter[int] = Counter()

    @property
    def keeps(self) -> bool:
        return bool(self.exchanges.maxlen)

    def count(self, route: str, status: int) -> None:
        self.counts[route] += 1
        self.statuses[status] += 1

    def clear(self) -> None:
        """Delete all counts and exchanges."""
        self.exchanges.clear()
        self.counts.clear()
        self.statuses.clear()
