"""Pictures that managers watch for: kept for a server, and held against every picture that is new there.

A re-post is told as /duplicates tells it: by the hash, or by comparing the pixels. A look-alike counts where that was
asked for. What was found is stored until its channel is told of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from indexer.database.database import Database
from indexer.errors import AfterimageError, ReadersBusy, Rejected, RetryLater, TellPerson
from indexer.notices.new_pictures import NewPictures
from indexer.pictures.decoder import Decoder
from indexer.query.query import Query
from indexer.records.hits import Filter, Place
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PictureId, UserId
from indexer.records.new_pictures import NewPicture
from indexer.records.saved_searches import AskedPicture
from indexer.records.watched import Watch, WatchedMatch, WatchedPicture
from indexer.search import picture_facts
from indexer.search.model_switch import GuildSearcher
from indexer.search.pair_comparer import PostedFiles
from indexer.search.picture_facts import PictureFacts
from indexer.search.search import Searcher
from indexer.search.watching import Pair, Pixels, band_of
from indexer.store import watched_pictures

log = logging.getLogger(__name__)

FOLLOWER: Final = "watched pictures"  # the name of the lines that migration 0024 writes
MOST_A_SERVER: Final = 100
MOST_TOLD: Final = 10  # in one notice
# Pairs whose pixels are compared for the new pictures of one look, the closest first: some 0.1 s each, at a low
# priority. Of the others the hash decides.
MOST_COMPARED: Final = 60
FETCH_S = 20.0  # seconds that one picture may take to come

Audiences = Mapping[ChannelId, frozenset[ChannelId]]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    watched: WatchedPicture
    new: NewPicture
    pair: Pair


class WatchedPictures:
    """Of one data folder. Its methods raise RetryLater where the database is not free in time."""

    def __init__(self, db: Database, searcher: GuildSearcher, files: PostedFiles, decoder: Decoder) -> None:
        self._db = db
        self._searcher = searcher
        self._files = files
        self._decoder = decoder
        self.new = NewPictures(db, FOLLOWER)

    async def listed(self, guild_id: GuildId) -> list[WatchedPicture]:
        """In the order in which they were added; those of messages without their embeddings."""
        return await self._embedded_by(guild_id, None)

    async def added_by(self, user_id: UserId) -> list[tuple[GuildId, WatchedPicture]]:
        """What this member has added, in all servers."""
        async with self._db.reader() as connection:
            return await watched_pictures.added_by(connection, user_id)

    async def add_message(
        self, guild_id: GuildId, watch: Watch, message_id: MessageId, visible: frozenset[ChannelId]
    ) -> list[int]:
        """Watches for every picture of a message in one of these channels. Returns their ids.

        Raises TellPerson where it has none that can be searched, or where there is no room for them.
        """
        async with self._db.transaction() as tx:
            places = await watched_pictures.places_of_message(tx, guild_id, message_id, visible)
            if not places:
                raise TellPerson("watch-no-picture")
            _check_room(await watched_pictures.count(tx, guild_id) + len(places))
            return [_known(await watched_pictures.put_place(tx, guild_id, watch, place_id)) for place_id in places]

    async def add_upload(self, guild_id: GuildId, watch: Watch, picture: AskedPicture, small_copy: bytes) -> int:
        """Watches for an uploaded picture. Returns its id. Raises TellPerson where there is no room for it."""
        async with self._db.transaction() as tx:
            _check_room(await watched_pictures.count(tx, guild_id) + 1)
            return _known(await watched_pictures.put_upload(tx, guild_id, watch, picture, small_copy))

    async def remove(self, guild_id: GuildId, watch_id: int) -> None:
        """Raises TellPerson where the server has no such one."""
        async with self._db.transaction() as tx:
            if not await watched_pictures.remove(tx, guild_id, watch_id):
                raise TellPerson("watch-unknown", number=watch_id)

    async def channels(self, guild_id: GuildId) -> frozenset[ChannelId]:
        """Those that are told when something is found."""
        return frozenset(watched.watch.channel_id for watched in await self.listed(guild_id))

    async def look(self, guild_id: GuildId, audiences: Audiences) -> bool:
        """Deals with the oldest new pictures of the server. False where there are none.

        `audiences`: for each channel that is told those that everybody who reads it may read. Nothing else is looked at
        for it, nor measured. Raises RetryLater where it has to be done again.
        """
        pictures = await self.new.oldest(guild_id)
        if not pictures:
            return False
        searcher = await self._searcher.of(guild_id)
        stored = await self._embedded_by(guild_id, searcher.model_id)
        watching = [await self._current(guild_id, watched, searcher) for watched in stored]
        async with self._db.reader() as connection:
            ids = {picture.picture_id for picture in pictures}
            facts = await picture_facts.facts(connection, searcher.model_id, ids)
        calibrations = {
            channel_id: await searcher.calibration(guild_id, visible) for channel_id, visible in audiences.items()
        }
        candidates = await asyncio.to_thread(_candidates, watching, pictures, facts, audiences)
        pixels = await self._compared(guild_id, candidates)
        matches = []
        for number, found in enumerate(candidates):
            watch, told = found.watched.watch, pixels.get(number, "unknown")
            band = band_of(found.pair, told, calibrations[watch.channel_id], alike=watch.alike)
            if band is not None:
                copy = None if isinstance(told, str) else told
                matches.append(WatchedMatch(found.watched.watch_id, found.new.place, band, copy))
        async with self._db.transaction() as tx:
            await watched_pictures.add_matches(tx, matches)
            await self.new.done(tx, pictures)
        return True

    async def channels_to_tell(self) -> list[tuple[GuildId, ChannelId]]:
        """Those with something to tell."""
        async with self._db.reader() as connection:
            return await watched_pictures.channels_to_tell(connection)

    async def take(self, guild_id: GuildId, channel_id: ChannelId) -> list[WatchedMatch]:
        """What the channel is to be told now. The same again until `told` says that it is done."""
        async with self._db.transaction() as tx:
            return await watched_pictures.take(tx, guild_id, channel_id, MOST_TOLD)

    async def told(self, guild_id: GuildId, channel_id: ChannelId) -> None:
        """What `take` gave is told, or is nothing that may be told there now."""
        async with self._db.transaction() as tx:
            await watched_pictures.told(tx, guild_id, channel_id)

    async def _embedded_by(self, guild_id: GuildId, model_id: ModelId | None) -> list[WatchedPicture]:
        async with self._db.reader() as connection:
            return await watched_pictures.of_guild(connection, guild_id, model_id)

    async def _current(self, guild_id: GuildId, watched: WatchedPicture, searcher: Searcher) -> WatchedPicture:
        """The same, an uploaded picture embedded by the model that answers now, from its small copy."""
        if watched.place is not None or watched.picture is None or watched.picture.model_id == searcher.model_id:
            return watched
        try:
            decoded = await self._decoder.decode(watched.small_copy)
        except ReadersBusy as error:
            raise RetryLater(f"watched picture {watched.watch_id} could not be opened now: {error}") from error
        except Rejected as error:
            log.warning("watched picture %d cannot be opened any more: %s", watched.watch_id, error)
            return replace(watched, picture=None)
        query = await searcher.prepare(Query(guild_id, Filter(frozenset()), frames=decoded.frames[:1]))
        picture = replace(watched.picture, model_id=searcher.model_id, vector=query.vectors[0])
        async with self._db.transaction() as tx:
            await watched_pictures.renew(tx, watched.watch_id, picture)
        return replace(watched, picture=picture)

    async def _compared(self, guild_id: GuildId, candidates: Sequence[_Candidate]) -> dict[int, Pixels]:
        """What the pixels of the closest doubtful candidates say, by their position."""
        doubtful = [number for number, candidate in enumerate(candidates) if candidate.pair.in_doubt]
        doubtful.sort(key=lambda number: -candidates[number].pair.score)
        told: dict[int, Pixels] = {}
        for number in doubtful[:MOST_COMPARED]:
            candidate = candidates[number]
            own = await self._file_of(guild_id, candidate.watched)
            other = None if own is None else await self._had(guild_id, candidate.new.place)
            if own is not None and other is not None:
                with suppress(ReadersBusy, Rejected):
                    told[number] = await self._decoder.compare(own, other) or "another"
        return told

    async def _file_of(self, guild_id: GuildId, watched: WatchedPicture) -> bytes | None:
        return watched.small_copy if watched.place is None else await self._had(guild_id, watched.place)

    async def _had(self, guild_id: GuildId, place: Place) -> bytes | None:
        """A file of the place's picture; None where it cannot be had."""
        data = await self._files.nearby(guild_id, place.place_id)
        if data is None:
            with suppress(AfterimageError, TimeoutError):
                async with asyncio.timeout(FETCH_S):
                    data = await self._files.download(guild_id, place.place_id)
        return data


def _candidates(
    watching: Sequence[WatchedPicture],
    pictures: Sequence[NewPicture],
    facts: Mapping[PictureId, PictureFacts],
    audiences: Audiences,
) -> list[_Candidate]:
    return [
        _Candidate(watched, new, Pair.of(watched.picture, facts[new.picture_id]))
        for watched in watching
        for new in pictures
        if watched.picture is not None and new.picture_id in facts and _counts(watched, new, audiences)
    ]


def _counts(watched: WatchedPicture, new: NewPicture, audiences: Audiences) -> bool:
    """Whether this watch looks at the new place: posted later, in another message, in a channel of its readers."""
    watch = watched.watch
    if new.place.message_id <= watch.after_id or new.place.channel_id not in audiences.get(watch.channel_id, ()):
        return False
    return watched.place is None or watched.place.message_id != new.place.message_id


def _check_room(wanted: int) -> None:
    if wanted > MOST_A_SERVER:
        raise TellPerson("watch-too-many", most=MOST_A_SERVER)


def _known(watch_id: int | None) -> int:
    if watch_id is None:
        raise TellPerson("watch-opted-out")
    return watch_id
