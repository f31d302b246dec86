"""Reads a channel by Discord's own search, where few messages of the channel show a picture.

A page of history has 100 messages. A page of search has 25 messages that match. So search needs fewer requests where
less than one message in four shows a picture, and several times fewer where it is one in thirty. But Discord does not
promise that its search index is complete or available. So a stretch that was searched is compared with pages of history
from inside it. One of these pages is from the longest gap. If they show a picture that search did not find, the rest of
the channel is read page by page.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from indexer.clock import now_ms
from indexer.ports import PAGE, SearchableHistory, SearchPage
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import Message

SEARCH_PAGE = 25  # Discord's largest page of search

# Together these find every message whose picture Discord's search knows. A message must have all words of a tuple.
# Search counts pictures with an unusual name or type as files. None of its words finds pictures in components.
KINDS: tuple[tuple[str, ...], ...] = (
    ("image",),
    ("video",),
    ("embed",),
    ("snapshot",),
    ("file", "-image", "-video"),
)
STICKERS: tuple[str, ...] = ("sticker",)

# Search requests before the result is checked, so that at most 250 messages are unchecked.
STRETCH = 10

# One page of history is read for each 5,000 messages that search skipped, and a few more at the beginning.
MESSAGES_A_SAMPLE = 5000
FIRST_SAMPLES = 3

# Search is used only where it needs at most this share of the requests of paging, the sample pages included.
WORTH = 0.6

Ask = Callable[[Callable[[], Awaitable[SearchPage | None]]], Awaitable[SearchPage | None]]


class SearchFailed(Exception):
    """Search is not available, or its answers are inconsistent. The channel must be read page by page."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What search found in low…high (closed), newest first. `low` is 0 at the end of the channel."""

    messages: tuple[Message, ...]
    low: int
    high: int


@dataclass(slots=True)
class _Kind:
    """How far the results for one tuple of words were read: all results from `cursor` upwards are known."""

    has: tuple[str, ...]
    cursor: int
    total: int = 0


class SearchWalk:
    """Reads one channel by search, from `before` down to its beginning."""

    def __init__(
        self,
        history: SearchableHistory,
        guild_id: GuildId,
        channel_id: ChannelId,
        before: MessageId,
        *,
        stickers: bool,
        ask: Ask,
    ) -> None:
        """`ask` awaits one request in the way of the crawl: in its turn, and repeated after temporary faults."""
        self._history = history
        self._guild_id = guild_id
        self._channel_id = channel_id
        self._ask = ask
        self._high = int(before) - 1
        self._kinds = [_Kind(has, int(before)) for has in (*KINDS, *((STICKERS,) if stickers else ()))]
        self._found: dict[MessageId, Message] = {}
        self.requests = 0
        self.began_ms = now_ms()  # requests of an earlier stretch may have found messages of a later one
        self._all = 0  # messages of the channel below the start of the walk, with and without pictures
        self._shown = 0  # messages with pictures so far
        self._last = 0  # messages with pictures of the last stretch
        self._stretches = 0
        self._passed = 0

    async def worth_it(self, share: float) -> bool:
        """Asks Discord for totals and decides whether search needs clearly fewer requests than paging.

        `share` is the share of messages with pictures among those read so far. Where it is high, no request is made.
        Raises SearchFailed, RetryLater.
        """
        if share * PAGE / SEARCH_PAGE > WORTH:
            return False
        self._all = (await self._request((), self._high + 1, 1)).total
        affordable = WORTH * self._all / PAGE
        needed = len(self._kinds) + 1.0  # each word costs a request, even if it finds nothing
        for kind in self._kinds:
            if needed > affordable:
                return False
            await self._advance(kind)
            needed += max(0.0, kind.total / SEARCH_PAGE - 1) * (1 + 1 / STRETCH)
        return needed <= affordable

    async def stretch(self) -> Stretch:
        """The next stretch. Raises SearchFailed, RetryLater."""
        until = self.requests + STRETCH
        while self.requests < until:
            behind = max(self._kinds, key=lambda kind: kind.cursor)
            if behind.cursor == 0:
                break
            await self._advance(behind)
        low = max(kind.cursor for kind in self._kinds)
        ready = sorted((message_id for message_id in self._found if message_id >= low), reverse=True)
        result = Stretch(tuple(self._found.pop(message_id) for message_id in ready), low, self._high)
        self._high = low - 1
        self._last = len(ready)
        self._shown += self._last
        self._stretches += 1
        return result

    @property
    def samples(self) -> int:
        """How many pages of history the last stretch should be compared with."""
        least = FIRST_SAMPLES if self._stretches == 1 else 1
        return max(least, round(self._all / self._expected * self._last / MESSAGES_A_SAMPLE))

    def passed(self) -> int:
        """About how many messages, with and without pictures, the stretches covered since the last call."""
        so_far = self._all if self._high <= 0 else round(self._all * self._shown / self._expected)
        new, self._passed = so_far - self._passed, so_far
        return max(new, 0)

    @property
    def _expected(self) -> int:
        """The smallest number of messages with pictures that the walk will find, ≥ 1."""
        return max(1, self._shown, *(kind.total for kind in self._kinds))

    async def _advance(self, kind: _Kind) -> None:
        """Requests one more page for one tuple of words."""
        page = await self._request(kind.has, kind.cursor, SEARCH_PAGE)
        kind.total = max(kind.total, page.total)
        for message in page.messages:
            if message.pictures and message.id <= self._high:
                self._found[message.id] = message
        if page.lowest is None:
            if page.total:
                raise SearchFailed(f"search knows of {page.total} more messages but shows none")
            kind.cursor = 0
        elif page.lowest >= kind.cursor:  # Discord includes `max_id`, and no older match is left
            kind.cursor = 0
        else:
            # A short page need not be the last one. Only its total says that nothing is left.
            kind.cursor = 0 if 0 < page.total <= len(page.messages) else int(page.lowest)

    async def _request(self, has: Sequence[str], before: int, limit: int) -> SearchPage:
        self.requests += 1
        page = await self._ask(
            lambda: self._history.search(
                self._guild_id, self._channel_id, has=has, before=MessageId(before), limit=limit
            )
        )
        if page is None:
            raise SearchFailed("Discord's search is not to be had now")
        return page


def sample_points(stretch: Stretch, count: int) -> list[MessageId]:
    """Message ids in a stretch at which pages of history should end. `count` ≥ 1.

    The first one checks the longest gap, because a hole in Discord's index is a gap. The others are anywhere.
    """
    ids = [stretch.high + 1, *(message.id for message in stretch.messages), stretch.low]
    gaps = [(above - below, above) for above, below in pairwise(ids)]
    points = [MessageId(max(gaps)[1])]
    points += [MessageId(random.randint(stretch.low + 1, stretch.high + 1)) for _ in range(count - 1)]
    return points


def missed(stretch: Stretch, page: Sequence[Message]) -> list[Message]:
    """The messages of a page of history inside the stretch that show pictures and that search did not find."""
    known = {message.id for message in stretch.messages}
    return [
        message
        for message in page
        if message.pictures and stretch.low <= message.id <= stretch.high and message.id not in known
    ]
