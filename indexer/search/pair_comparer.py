"""Compares the pixels of posted pictures that may be copies of one another, before anybody asks, and remembers it.

It works in rounds of a minute, while no history is read: so many pairs, and so many downloads, in a round. Workers of
indexing open the pictures, with their low priority. What was found out is stored pair by pair, so a restart goes on
where it was. A pair whose pixels cannot be had is tried again a day later, and counts as not compared until then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import aiosqlite

from indexer.database.database import Database
from indexer.errors import AfterimageError, ReadersBusy, Rejected
from indexer.lru import LruCache
from indexer.pictures.decoder import Decoder
from indexer.records.copies import RULE, Copy, Pair, pair_of
from indexer.records.hits import Filter, Place
from indexer.records.ids import ChannelId, GuildId, ModelId, PictureId, PlaceId
from indexer.search import picture_facts
from indexer.search.copies import Comparable, comparable
from indexer.search.pairs_in_doubt import Scored, in_doubt, nearest
from indexer.search.picture_facts import Version
from indexer.search.reposts import batches, newest
from indexer.store import channels, guilds, verdicts
from indexer.vectors.index import VectorIndex

NAME: Final = "comparing pairs"  # of this work among the faults
FIRST_S = 120.0  # after the start; then a round begins every ROUND_S seconds
ROUND_S = 60.0
# In one round: pairs that are compared (some 0.1 s of one core each, at a low priority), and pictures whose vectors
# are held against all others (128 against 20,000 of 512 dimensions take some 0.3 s).
PAIRS, LOOKED_AT, ROWS = 120, 1_024, 128
FETCH_S = 20.0  # seconds that one picture may take to come
AGAIN_S = 86_400.0  # seconds after which a picture that could not be had is asked for again
# Small files of the pictures that were compared last: each is compared with several. 4 MB at most.
FILES, FILE_BYTES, FILE_S = 64, 65_536, 300.0
AWAY = 8_192

Shown = Mapping[PictureId, tuple[Place, ...]]


class PostedFiles(Protocol):
    """Gives files of stored pictures, small ones where there are any. Both return None where there is none."""

    async def nearby(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        """From this machine."""
        ...

    async def download(self, guild_id: GuildId, place_id: PlaceId) -> bytes | None:
        """From Discord, behind whatever members wait for. Raises AfterimageError."""
        ...


class _Spent(Exception):
    """This round may not do more."""


@dataclass(slots=True)
class _Budget:
    """What a round may still do."""

    downloads: int
    pairs: int
    looked_at: int

    def take(self, what: Literal["downloads", "pairs", "looked_at"], count: int) -> None:
        """Raises _Spent where there are not so many left."""
        left = getattr(self, what)
        if left < count:
            raise _Spent
        setattr(self, what, left - count)


@dataclass(slots=True)
class _Looked:
    """At which pictures of a guild was looked, with this model, until when that counts; `version` once it was all."""

    model_id: ModelId
    until: float
    pictures: set[PictureId] = field(default_factory=set)
    version: Version | None = None


class PairComparer:
    """Belongs to one event loop. `idle`: whether no history is read. `downloads` are those of one round."""

    def __init__(
        self,
        db: Database,
        index: VectorIndex,
        model_id: ModelId,
        files: PostedFiles,
        decoder: Decoder,
        idle: Callable[[], bool],
        downloads: int,
    ) -> None:
        self._db = db
        self._index = index
        self._model_id = model_id
        self._files = files
        self._decoder = decoder
        self._idle = idle
        self._downloads = downloads
        self._rounds = 0
        self._looked: dict[GuildId, _Looked] = {}
        self._away: LruCache[tuple[GuildId, PictureId], bool] = LruCache(AWAY, AGAIN_S)
        self._small: LruCache[tuple[GuildId, PictureId], bytes] = LruCache(FILES, FILE_S)

    async def keep(self) -> None:
        """A round a minute, until cancelled. Raises what a round was stopped by: it runs under the supervisor."""
        await asyncio.sleep(FIRST_S)
        async with self._db.transaction() as tx:
            await verdicts.delete(tx, but_rule=RULE)
        while True:
            if self._idle() and not self._db.room.low:
                await self.round()
            await asyncio.sleep(ROUND_S)

    async def round(self) -> None:
        """One round: each guild in turn, as far as the budget goes. The next round begins with the next guild."""
        budget = _Budget(self._downloads, PAIRS, LOOKED_AT)
        async with self._db.reader() as connection:
            known = [guild.id for guild in await guilds.known(connection)]
        self._looked = {guild_id: looked for guild_id, looked in self._looked.items() if guild_id in known}
        first = self._rounds % max(len(known), 1)
        self._rounds += 1
        for guild_id in (*known[first:], *known[:first]):
            with suppress(_Spent):
                await self._look(guild_id, budget)

    async def _look(self, guild_id: GuildId, budget: _Budget) -> None:
        """Compares what is in doubt in this guild. Raises _Spent."""
        model_id = await asyncio.to_thread(self._index.serving_model, guild_id, self._model_id)
        looked = self._looked.get(guild_id)
        if looked is None or looked.model_id != model_id or time.monotonic() >= looked.until:
            looked = self._looked[guild_id] = _Looked(model_id, time.monotonic() + AGAIN_S)
        async with self._db.reader() as connection:
            version = await picture_facts.version(connection, guild_id)
            if version == looked.version:
                return
            everything = Filter(frozenset(channel.id for channel in await channels.of_guild(connection, guild_id)))
            ids, _ = await newest(connection, guild_id, everything)
            looked.pictures &= set(ids)
            missing = [picture_id for picture_id in ids if picture_id not in looked.pictures]
            shown_in: dict[PictureId, set[ChannelId]] = {}
            for some in batches(ids) if missing else ():
                shown_in |= await picture_facts.channels(connection, guild_id, some)
        for at in range(0, len(missing), ROWS):
            rows = missing[at : at + ROWS]
            budget.take("looked_at", len(rows))
            near = await self._nearest(model_id, rows, ids, shown_in)
            async with self._db.reader() as connection:
                shown = await _places(connection, guild_id, near, everything)
                known = dict(await verdicts.of_any(connection, guild_id, RULE, rows))
            for picture_id in rows:
                for _, other_id in near.get(picture_id, ()):
                    pair = pair_of(picture_id, other_id)
                    if pair not in known and (told := await self._told(guild_id, pair, shown, budget)) is not None:
                        known[pair] = told[0]
                looked.pictures.add(picture_id)
        looked.version = version

    async def _nearest(
        self,
        model_id: ModelId,
        rows: Sequence[PictureId],
        ids: Sequence[PictureId],
        shown_in: Mapping[PictureId, Collection[ChannelId]],
    ) -> dict[PictureId, list[Scored]]:
        """For each of `rows` the pictures of `ids` that it is compared with."""
        own = await self._vectors(model_id, rows)
        found: dict[PictureId, list[Scored]] = {}
        for some in batches(ids):
            others = await self._vectors(model_id, some)
            for picture_id, scored in (await asyncio.to_thread(in_doubt, *own, *others)).items():
                found[picture_id] = nearest([*found.get(picture_id, ()), *scored], shown_in)
        return found

    async def _vectors(self, model_id: ModelId, ids: Sequence[PictureId]) -> tuple[list[PictureId], Comparable]:
        async with self._db.reader() as connection:
            facts = await picture_facts.facts(connection, model_id, ids)
        return list(facts), comparable(list(facts.values()))

    async def _told(self, guild_id: GuildId, pair: Pair, shown: Shown, budget: _Budget) -> tuple[Copy | None] | None:
        """Compares a pair and stores what it gave; None where one of the pictures cannot be had. Raises _Spent."""
        budget.take("pairs", 1)
        files = []
        for picture_id in pair:
            data = self._small.get((guild_id, picture_id)) or await self._file(guild_id, picture_id, shown, budget)
            if data is None:
                return None
            files.append(data)
        try:
            copy = await self._decoder.compare(*files)
        except Rejected:
            return None
        except ReadersBusy as error:
            raise _Spent from error
        async with self._db.transaction() as tx:
            await verdicts.put(tx, guild_id, RULE, pair, copy)
        return (copy,)

    async def _file(self, guild_id: GuildId, picture_id: PictureId, shown: Shown, budget: _Budget) -> bytes | None:
        """A file of the picture; None where it cannot be had. Raises _Spent where it must be downloaded, later."""
        place_ids = [place.place_id for place in shown.get(picture_id, ())]
        if not place_ids or self._away.get((guild_id, picture_id)) is not None:
            return None
        data = await self._files.nearby(guild_id, place_ids[0])
        if data is None and self._downloads:
            budget.take("downloads", 1)
            with suppress(AfterimageError, TimeoutError):
                async with asyncio.timeout(FETCH_S):
                    data = await self._files.download(guild_id, place_ids[0])
        if data is None:
            self._away.put((guild_id, picture_id), True)
        elif len(data) <= FILE_BYTES:
            self._small.put((guild_id, picture_id), data)
        return data


async def _places(
    connection: aiosqlite.Connection, guild_id: GuildId, near: Mapping[PictureId, Sequence[Scored]], filter: Filter
) -> Shown:
    """Where the pictures of all these pairs are shown, newest first."""
    ids = sorted({*near, *(picture_id for found in near.values() for _, picture_id in found)})
    shown: dict[PictureId, tuple[Place, ...]] = {}
    for some in batches(ids):
        shown |= await picture_facts.places(connection, guild_id, some, filter)
    return shown
