"""Tags of pictures: given and taken back in steps, and counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from indexer.database.database import Database
from indexer.records.hits import Filter
from indexer.records.ids import GuildId, PlaceId
from indexer.store import audit, place_lookup, places, tags
from indexer.store.tags import TagCount

STEP = 500  # places in one transaction: some 20 ms with two tags


@dataclass(frozen=True, slots=True)
class TagsChanged:
    """Of `places`, so many `changed`; `full` ones stay as they are because they would have too many tags."""

    places: int
    changed: int
    full: int


@dataclass(frozen=True, slots=True)
class Target:
    """Pictures that a person names by one of `place_lookup.COLUMNS`: `place_id`, one picture in one message;
    `message_id`, all pictures of a message; `path`, the file of an archive.
    """

    column: str
    value: int | str


class Tags:
    """Of one data folder that is open for writing. Names of tags are those that `tag_name` returns."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def change(
        self,
        guild_id: GuildId,
        place_ids: Sequence[PlaceId],
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        told: Callable[[int], None] | None = None,
    ) -> TagsChanged:
        """Takes `remove` from these places of the guild and gives them `add`. `told` hears how many are done.

        After a kill give it again: what is done stays done. Raises RetryLater where the database is busy.
        """
        changed = full = 0
        for start in range(0, len(place_ids), STEP):
            some = place_ids[start : start + STEP]
            async with self._db.transaction(durable=start + STEP >= len(place_ids)) as tx:
                taken = await tags.remove(tx, some, remove) if remove else set()
                given, too_many = await tags.add(tx, some, add) if add else (set(), 0)
                if not start:
                    detail = {"places": len(place_ids), "added": len(add), "removed": len(remove)}
                    await audit.add(tx, "tags.change", guild_id=guild_id, detail=detail)
            changed += len(taken | given)
            full += too_many
            if told is not None:
                told(start + len(some))
        return TagsChanged(len(place_ids), changed, full)

    async def counted(self, guild_id: GuildId | None = None) -> list[TagCount]:
        """Every tag of one guild or (None) of all, the one with most places first."""
        async with self._db.reader() as connection:
            return await tags.counted(connection, guild_id)

    async def of_places(self, place_ids: Collection[PlaceId]) -> dict[PlaceId, tuple[str, ...]]:
        """The tags of each of these places that is there."""
        async with self._db.reader() as connection:
            return await tags.of_places(connection, place_ids)

    async def of_picture(self, guild_id: GuildId, place_id: PlaceId) -> tuple[str, ...] | None:
        """The tags of a picture that can be searched in this guild; None where there is no such picture."""
        async with self._db.reader() as connection:
            if await places.place_in(connection, guild_id, place_id) is None:
                return None
            return (await tags.of_places(connection, [place_id]))[place_id]

    async def inside(self, guild_id: GuildId, filter: Filter) -> Sequence[PlaceId]:
        """Every place inside the filter."""
        async with self._db.reader() as connection:
            return await place_lookup.inside(connection, guild_id, filter)

    async def named(self, targets: Sequence[Target]) -> tuple[dict[GuildId, list[PlaceId]], list[Target]]:
        """The places that are meant, by guild; and the targets that mean none."""
        found: dict[GuildId, set[PlaceId]] = {}
        known: set[Target] = set()
        async with self._db.reader() as connection:
            for column in place_lookup.COLUMNS:
                values = [target.value for target in targets if target.column == column]
                for guild_id, place_id, value in await place_lookup.named(connection, column, values) if values else ():
                    found.setdefault(guild_id, set()).add(place_id)
                    known.add(Target(column, value))
        missing = [target for target in targets if target not in known]
        return {guild_id: sorted(place_ids) for guild_id, place_ids in found.items()}, missing
