"""`delete`, `undelete` and `delete-collection`: what whoever has the data folder takes out of the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.control.confirmed import require_confirmed_in
from bot.control.handler import Handler, Tell, Values
from bot.control.operations import tell_safety
from bot.control.progress_lines import progress_lines
from bot.control.question import filter_of, where, wish_of
from bot.control.selection import Selecting
from indexer.deletions import Deletions
from indexer.errors import RetryLater, TellPerson
from indexer.query.grammar import Wish
from indexer.records.hits import Filter
from indexer.records.ids import GuildId
from indexer.reports.reports import Reports


class Store(Protocol):
    """What deletes: the running service, and a data folder that a command has opened."""

    @property
    def deletions(self) -> Deletions: ...

    @property
    def reports(self) -> Reports: ...

    async def forget_guild(self, guild_id: GuildId) -> None: ...

    async def made_safe(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Deleting:
    """The operations on this store."""

    store: Store
    selecting: Selecting

    def handlers(self) -> dict[str, Handler]:
        return {"delete": self.delete, "undelete": self.undelete, "delete-collection": self.delete_collection}

    async def delete(self, values: Values, tell: Tell) -> Values:
        """`words` and `guild` as for `search`, `dry_run`, `confirmed` (the messages of a dry run) → `messages` and
        `pictures` that are meant, how many messages were `deleted`.

        Raises TellPerson where nothing is named, CountChanged, RetryLater.
        """
        selection = await self.selecting.asked(values, tell)
        deletions = self.store.deletions
        meant = await deletions.meant(selection.guild_id, selection.filter, selection.messages)
        deleted = 0
        if not values.get("dry_run"):
            require_confirmed_in(values, len(meant.message_ids))
            told = progress_lines(tell, "messages deleted", len(meant.message_ids))
            deleted = await deletions.delete(selection.guild_id, meant, told)
            await tell_safety(self.store.made_safe(), tell)
        return {"messages": len(meant.message_ids), "pictures": meant.pictures, "deleted": deleted}

    async def undelete(self, values: Values, tell: Tell) -> Values:
        """`words` (in:, after: and before: alone) and `guild` → how many `messages` may come back."""
        wish = wish_of(str(values.get("words", "")), {})
        require_undeletable(wish)
        place = await where(self.store.reports, values.get("guild"))
        filter_ = await filter_of(self.store.reports, place, wish)
        count = await self.store.deletions.take_back(filter_.channels, place.guild_id, *filter_.message_ids)
        await tell_safety(self.store.made_safe(), tell)
        return {"messages": count}

    async def delete_collection(self, values: Values, tell: Tell) -> Values:
        """`guild`, of a folder of pictures or of a server that archives alone know; `dry_run` and `confirmed` as for
        `delete` → its name as `server`, `messages`, `pictures`, `deleted`.

        Raises TellPerson for a server that the bot is in, CountChanged, RetryLater where the bot deletes it later.
        """
        place = await where(self.store.reports, values.get("guild"))
        if not await self.store.reports.archived_only(place.guild_id):
            raise TellPerson("delete-not-imported")
        names = {guild.id: guild.name for guild in await self.store.reports.guilds()}
        meant = await self.store.deletions.meant(place.guild_id, Filter(frozenset(place.names)))
        deleted = 0
        if not values.get("dry_run"):
            require_confirmed_in(values, len(meant.message_ids))
            tell(f"deleting {len(meant.message_ids):,} messages")
            await self.store.forget_guild(place.guild_id)
            if await self.store.reports.archived_only(place.guild_id):
                raise RetryLater("The database is busy. It is written down, and the bot deletes it as soon as it can.")
            await tell_safety(self.store.made_safe(), tell)
            deleted = len(meant.message_ids)
        return {
            "server": names[place.guild_id],
            "messages": len(meant.message_ids),
            "pictures": meant.pictures,
            "deleted": deleted,
        }


def require_undeletable(wish: Wish) -> None:
    """Raises TellPerson where more is asked than channels and times: nothing else is known of what was deleted."""
    known = Wish(
        channels=wish.channels, not_channels=wish.not_channels, after_ms=wish.after_ms, before_ms=wish.before_ms
    )
    if wish != known:
        raise TellPerson("undelete-filters")
