"""Asks Discord within a second whether the found hits still exist, so that a reply shows no dead link."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import AfterimageError, ChannelClosed, ChannelGone
from indexer.lru import LruCache
from indexer.ports import History
from indexer.records.hits import Hit
from indexer.records.ids import ChannelId, MessageId
from indexer.records.messages import Message, PictureRef
from indexer.settings import Keep
from indexer.store import message_lookup, messages
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

FRESH_S = 60.0  # seconds for which an answer of Discord is kept, as long as events tell of every later deletion
REMEMBERED = 4096  # answers
NAME = "verifying hits"  # the name of this work among the faults

Seen = LruCache[MessageId, dict[str, PictureRef]]  # of a message, the pictures that it showed, by their link


@dataclass(frozen=True, slots=True)
class Verified:
    """`hits` may be shown, in this order. Hits that Discord did not answer for in time are among them.

    `gone`: messages that were deleted, or no longer show the picture. They are deleted here already, so a new search
    does not find them. `closed`: messages of channels that the bot can no longer read.
    """

    hits: tuple[Hit, ...]
    gone: frozenset[MessageId]
    closed: frozenset[MessageId]


class HitVerifier:
    """Asks Discord about hits, also about hits of archives: a reply in Discord shows only what Discord still has.

    Belongs to one event loop.
    """

    def __init__(self, db: Database, history: History, keep: Keep, faults: Faults) -> None:
        self._db = db
        self._history = history
        self._keep = keep
        self._faults = faults
        self._seen: Seen = LruCache(REMEMBERED, FRESH_S)

    async def verify(self, hits: Sequence[Hit], deadline_s: float = 1.0) -> Verified:
        """Looks up the message of each hit, all at once, for at most `deadline_s` seconds.

        A hit that Discord does not answer for is shown, and so is one whose check fails. No error is raised.
        """
        asked_ms, seen = now_ms(), self._seen
        gone: dict[MessageId, Message | None] = {}
        closed: set[MessageId] = set()

        async def look(hit: Hit) -> None:
            message_id = hit.place.message_id
            try:
                message = await self._history.message(hit.place.channel_id, message_id)
                shown = message is not None and await self._shows(message, hit)
            except ChannelGone:
                gone[message_id] = None
            except ChannelClosed:
                closed.add(message_id)
            except AfterimageError as error:
                log.info("hit %s is shown unverified: %s", message_id, error)
            except Exception as error:  # noqa: BLE001 -- a fault of the bot must not withhold an answer from a member
                self._faults.add(NAME, error)
            else:
                if message is None or not shown:
                    gone[message_id] = message
                else:
                    _remember(seen, message)

        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s), asyncio.TaskGroup() as group:
                for hit in self._unknown(hits):
                    group.create_task(look(hit))
        if gone:
            await self._purge(gone, asked_ms)
        verified = tuple(hit for hit in hits if hit.place.message_id not in gone and hit.place.message_id not in closed)
        return Verified(verified, frozenset(gone), frozenset(closed))

    async def picture(self, channel_id: ChannelId, message_id: MessageId, link: str) -> PictureRef | None:
        """A picture with its signed address, as its message shows it now or showed it within the last FRESH_S seconds.

        None where the message does not show it. Raises RetryLater and ChannelClosed.
        """
        seen = self._seen
        shown = seen.get(message_id)
        if shown is None:
            message = await self._history.message(channel_id, message_id)
            if message is None:
                return None
            shown = _remember(seen, message)
        return shown.get(link)

    def forget(self) -> None:
        """Events were lost, so that nobody knows what was deleted: Discord is asked about every hit again."""
        self._seen = LruCache(REMEMBERED, FRESH_S)

    async def _shows(self, message: Message, hit: Hit) -> bool:
        """Whether the message shows the hit. For a message of an archive it is enough that Discord has the message,
        because the archive may name the picture after its own file.
        """
        if any(picture.link == hit.link for picture in message.pictures):
            return True
        async with self._db.reader() as connection:
            return await message_lookup.is_of_archive(connection, message.id)

    async def _purge(self, gone: dict[MessageId, Message | None], asked_ms: int) -> None:
        edited = [message for message in gone.values() if message is not None]
        try:
            async with self._db.transaction() as tx:
                await messages.delete(tx, [message_id for message_id, message in gone.items() if message is None])
                await messages.store(tx, edited, keep=self._keep, seen_ms=asked_ms)
        except AfterimageError as error:
            log.warning("%d dead hits are purged another time: %s", len(gone), error)
        except Exception as error:  # noqa: BLE001 -- a dead hit that stays is checked again later; the answer does not wait
            self._faults.add(NAME, error)

    def _unknown(self, hits: Sequence[Hit]) -> list[Hit]:
        first = {hit.place.message_id: hit for hit in reversed(hits)}
        return [hit for message_id, hit in first.items() if self._seen.get(message_id) is None]


def _remember(seen: Seen, message: Message) -> dict[str, PictureRef]:
    """`seen` as of the question: where events were lost until the answer came, it is another one's by now."""
    shown = {picture.link: picture for picture in message.pictures}
    seen.put(message.id, shown)
    return shown
