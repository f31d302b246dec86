"""`tags-change` and `tags-list`: tags of pictures, for whoever has the data folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.control.confirmed import require_confirmed_in
from bot.control.handler import Handler, Tell, Values
from bot.control.progress_lines import progress_lines
from bot.control.question import where
from bot.control.selection import Selecting
from indexer.errors import TellPerson
from indexer.query.tag_names import tag_names
from indexer.records.ids import GuildId, PlaceId
from indexer.reports.reports import Reports
from indexer.tags import Tags, Target


class Store(Protocol):
    """What has tags: the running service, and a data folder that a command has opened."""

    @property
    def tags(self) -> Tags: ...

    @property
    def reports(self) -> Reports: ...


@dataclass(frozen=True, slots=True)
class Tagging:
    """The operations on this store."""

    store: Store
    selecting: Selecting

    def handlers(self) -> dict[str, Handler]:
        return {"tags-change": self.change, "tags-list": self.list}

    async def change(self, values: Values, tell: Tell) -> Values:
        """`add` and `remove`, lists of tags; `targets` ([kind, value] each), or `words` and `guild`; `dry_run`;
        `confirmed` (the pictures of a dry run) → `pictures` that are meant, how many `changed`, `full` ones that would
        have too many tags, `missing` targets.

        Raises TellPerson for what cannot be a tag, or where nothing is named; CountChanged.
        """
        add, remove = _names(values, "add"), _names(values, "remove")
        if not (add or remove):
            raise TellPerson("tag-none")
        places, missing = await self._meant(values, tell)
        count = sum(len(place_ids) for place_ids in places.values())
        changed = full = 0
        if not values.get("dry_run"):
            require_confirmed_in(values, count)
            for guild_id, place_ids in places.items():
                told = progress_lines(tell, "pictures", len(place_ids))
                done = await self.store.tags.change(guild_id, place_ids, add=add, remove=remove, told=told)
                changed, full = changed + done.changed, full + done.full
        return {"pictures": count, "changed": changed, "full": full, "missing": missing}

    async def list(self, values: Values, tell: Tell) -> Values:
        """`targets` → `pictures`, each with its `place`, `guild_id` and `tags`, and `missing`; else `guild` or null
        (all) → `tags`: `guild_id`, `server`, `tag`, and the number of its `pictures`."""
        if values.get("targets") is not None:
            places, missing = await self._meant(values, tell)
            found = await self.store.tags.of_places([place_id for ids in places.values() for place_id in ids])
            guild_of = {place_id: guild_id for guild_id, ids in places.items() for place_id in ids}
            pictures = [
                {"place": str(place_id), "guild_id": str(guild_of[place_id]), "tags": list(tags)}
                for place_id, tags in found.items()
            ]
            return {"pictures": pictures, "missing": missing}
        wanted = values.get("guild")
        guild_id = None if wanted is None else (await where(self.store.reports, wanted)).guild_id
        names = {guild.id: guild.name for guild in await self.store.reports.guilds()}
        return {
            "tags": [
                {
                    "guild_id": str(counted.guild_id),
                    "server": names.get(counted.guild_id, ""),
                    "tag": counted.tag,
                    "pictures": counted.places,
                }
                for counted in await self.store.tags.counted(guild_id)
            ]
        }

    async def _meant(self, values: Values, tell: Tell) -> tuple[Mapping[GuildId, Sequence[PlaceId]], Sequence[str]]:
        """The places by guild, and what means no picture."""
        if values.get("targets") is not None:
            places, missing = await self.store.tags.named(_targets(values))
            return places, [str(target.value) for target in missing]
        selection = await self.selecting.asked(values, tell)
        if selection.hits is None:
            return {selection.guild_id: await self.store.tags.inside(selection.guild_id, selection.filter)}, []
        return {selection.guild_id: selection.places}, []


def _names(values: Values, name: str) -> Sequence[str]:
    found: Any = values.get(name, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TellPerson("cli-needs", name=name)
    return tag_names(found)


def _targets(values: Values) -> list[Target]:
    """Raises TellPerson for what names no picture."""
    found: Any = values["targets"]
    targets = []
    for entry in found if isinstance(found, list) else [None]:
        match entry:
            case ["place_id" | "message_id" as column, int(number)] if 0 < number < 2**63:
                targets.append(Target(column, number))
            case ["path" as column, str(path)]:
                targets.append(Target(column, path))
            case _:
                raise TellPerson("cli-needs", name="targets")
    return targets
