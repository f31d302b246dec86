"""Fetches places that an earlier run left pending, and failed places that are due, with fresh links.

Signed links expire, so they are not stored. The origin of the messages is asked for them again, a page at a time. A
page of Discord also shows which messages were deleted or edited.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from indexer.backoff import Backoff, with_retries
from indexer.clock import now_ms
from indexer.crawl.histories import Histories, seen_ms
from indexer.database.database import Database
from indexer.errors import ChannelClosed, ChannelGone, Reason, RetryLater
from indexer.fair_semaphore import FairSemaphore
from indexer.ingest.fair_queue import Lane
from indexer.ingest.items import Item
from indexer.ingest.outcomes import Outcomes
from indexer.ports import History
from indexer.progress import Progress
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, ModelId, OriginId, PictureId, PlaceId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import channels, embeddings, jobs, messages, places
from indexer.store.places import PendingPlace

AT_ONCE = 400  # places that are read at once: about those of a page of 100 messages with four pictures each
log = logging.getLogger(__name__)

BACKOFF = Backoff(tries=6, first_s=1.0, longest_s=30.0)

# Places of channels without an answer that are skipped in one call. If there are more, Discord does not answer at all.
MOST_SILENT = 4000


class PendingPlaces:
    """Finds unfinished places and hands them to the pipeline."""

    def __init__(
        self,
        db: Database,
        histories: Histories,
        keep: Keep,
        model_id: ModelId,
        outcomes: Outcomes,
        admit: Callable[[Sequence[Item]], Awaitable[None]],
        slots: FairSemaphore,
        frames: int,
    ) -> None:
        """`frames`: so many of an animation are looked for."""
        self._db = db
        self._histories = histories
        self._keep = keep
        self._model_id = model_id
        self._outcomes = outcomes
        self._admit = admit
        self._slots = slots
        self._frames = frames

    async def guilds_with_work(self) -> list[GuildId]:
        """Guilds that may be read, have no job under way or paused, and have places to fetch."""
        async with self._db.reader() as connection:
            busy = {job.guild_id for job in await jobs.unfinished(connection)}
            working = await places.pending(connection, AT_ONCE, now_ms(), exclude=self._outcomes.claimed)
        return sorted({place.guild_id for place in working} - busy)

    async def take_up(self, guild_id: GuildId, lane: Lane, progress: Progress | None) -> None:
        """Gives every due place of the guild to the pipeline. Waits while its lane is full.

        If the origin of a channel does not answer now, the channel's places stay unchanged for a later call.
        """
        silent: set[PlaceId] = set()
        while len(silent) < MOST_SILENT:
            async with self._db.reader() as connection:
                exclude = self._outcomes.claimed | silent
                due = await places.pending(connection, AT_ONCE, now_ms(), guild_id, exclude=exclude)
            if not due:
                return
            source = _source(due[0])
            together = [place for place in due if _source(place) == source]
            if await self._hand_over(together, lane, progress) is None:
                silent.update(place.place_id for place in together)

    async def take_up_unembedded(self, guild_id: GuildId, lane: Lane, progress: Progress | None) -> bool:
        """Gives the pipeline one place of each picture of the guild that has no embedding of the model in use, and of
        each animation of which too few frames were looked for.

        So the index is built again after a change of the model. Places that the pipeline has already are left out.
        False where an origin did not answer for some of them.
        """
        below: PictureId | None = None
        answered = True
        while True:
            async with self._db.reader() as connection:
                picture_ids = await embeddings.missing(
                    connection, self._model_id, AT_ONCE, below=below, frames=self._frames
                )
                newest_places = await places.showing(connection, picture_ids)
            if not picture_ids:
                return answered
            below = picture_ids[-1]
            by_source: dict[tuple[OriginId, ChannelId], list[PendingPlace]] = defaultdict(list)
            for place in newest_places.values():
                if place.guild_id == guild_id and place.place_id not in self._outcomes.claimed:
                    by_source[_source(place)].append(place)
            for source_places in by_source.values():
                remaining: list[PendingPlace] | None = source_places
                while remaining:
                    remaining = await self._hand_over(remaining, lane, progress)
                answered = answered and remaining is not None

    async def _hand_over(
        self, due: Sequence[PendingPlace], lane: Lane, progress: Progress | None
    ) -> list[PendingPlace] | None:
        """Gives the pipeline those of one channel's places that one page of its origin shows. Returns the others.

        None where the origin does not answer.
        """
        origin_id, channel_id = _source(due[0])
        if origin_id == DISCORD and not self._histories.connected:
            return None
        newest = max(place.message_id for place in due)
        try:
            history = await self._histories.of(origin_id)
            asked_ms = seen_ms(history)
            shown = await with_retries(lambda: self._ask(history, due[0].guild_id, channel_id, newest), BACKOFF)
        except ChannelGone:
            async with self._db.transaction() as tx:
                await channels.delete(tx, [channel_id])
            return []
        except ChannelClosed as error:
            log.info("%d places wait for another time: %s", len(due), error)
            for place in due:
                await self._outcomes.postponed(place.place_id, place.attempts, Reason.FORBIDDEN)
            return []
        except RetryLater as error:
            log.info("%d places wait for another time: %s", len(due), error)
            return None
        oldest = min(shown, default=newest)
        covered = [place for place in due if place.message_id >= oldest]
        message_ids = {place.message_id for place in covered}
        async with self._db.transaction() as tx:
            if origin_id == DISCORD:  # a message that an archive does not show may still exist
                await messages.delete(tx, [message_id for message_id in message_ids if message_id not in shown])
            current = [message for message_id, message in shown.items() if message_id in message_ids]
            await messages.store(tx, current, keep=self._keep, seen_ms=asked_ms, origin_id=origin_id)
        items: list[Item] = []
        for place in sorted(covered, key=lambda place: (-place.message_id, place.ordinal)):
            message = shown.get(place.message_id)
            ref = next((ref for ref in message.pictures if ref.link == place.link), None) if message else None
            if ref is not None:
                ids = (place.place_id, place.guild_id, place.channel_id, place.message_id, origin_id)
                items.append(Item(*ids, ref, lane, place.attempts, progress))
            else:  # an edit removed it, and `store` its place; otherwise it must not be due again at once
                await self._outcomes.postponed(place.place_id, place.attempts, Reason.GONE)
        await self._admit(items)
        return [place for place in due if place.message_id < oldest]

    async def _ask(
        self, history: History, guild_id: GuildId, channel_id: ChannelId, newest: MessageId
    ) -> dict[MessageId, Message]:
        """The messages that the origin shows now, from `newest` down. Empty only where `newest` was deleted."""
        async with self._slots.hold(guild_id):
            page = await history.page(channel_id, before=MessageId(newest + 1))
        if page:
            return {message.id: message for message in page}
        message = await history.message(channel_id, newest)  # an empty page does not prove that it was deleted
        return {} if message is None else {message.id: message}


def _source(place: PendingPlace) -> tuple[OriginId, ChannelId]:
    """The source of a place: its origin and channel. Places of one source are requested together."""
    return place.origin_id, place.channel_id
