"""Searches that members save to ask them again: bounded for each member and each server."""

from __future__ import annotations

import unicodedata
from typing import Final

from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.records.ids import GuildId, UserId
from indexer.records.saved_searches import AskedPicture, Notice, SavedSearch
from indexer.store import saved_notices, saved_searches

MOST_A_MEMBER: Final = 10  # in one server
MOST_A_SERVER: Final = 10_000  # 2 MB of words, and 16 MB where each has a picture (768 dimensions)
# Of a server's saved searches, those that tell of new pictures: each new picture is held against all of them.
MOST_TOLD: Final = 1_000
NAME_CHARACTERS: Final = 32


class SavedSearches:
    """Of one data folder. Its methods raise RetryLater where the database is not free in time."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of_member(self, user_id: UserId, guild_id: GuildId | None = None) -> list[SavedSearch]:
        """By server and name; in one server or (None) in all."""
        async with self._db.reader() as connection:
            return await saved_searches.of_member(connection, user_id, guild_id)

    async def get(self, user_id: UserId, guild_id: GuildId, name: str) -> SavedSearch:
        """Raises TellPerson where the member has saved none with this name in the server."""
        wanted = saved_name(name)
        for saved in await self.of_member(user_id, guild_id):
            if saved.name == wanted:
                return saved
        raise TellPerson("saved-unknown", name=wanted)

    async def save(
        self,
        user_id: UserId,
        guild_id: GuildId,
        name: str,
        question: str,
        picture: AskedPicture | None = None,
        notice: Notice | None = None,
    ) -> str:
        """Saves the search, in place of one with the same name. Returns the name as it is stored.

        Raises TellPerson where the member has saved as many as there may be, or asked to be forgotten.
        """
        name = saved_name(name)
        async with self._db.transaction() as tx:
            own, all_members = await saved_searches.counts(tx, user_id, guild_id, name)
            if own >= MOST_A_MEMBER:
                raise TellPerson("saved-too-many", most=MOST_A_MEMBER)
            if all_members >= MOST_A_SERVER:
                raise TellPerson("saved-server-full", most=MOST_A_SERVER)
            await saved_searches.remove(tx, user_id, guild_id, name)
            saved_id = await saved_searches.put(tx, user_id, guild_id, name, question, picture)
            if saved_id is None:
                raise TellPerson("saved-opted-out")
            if notice is not None:
                if await saved_notices.count(tx, guild_id) >= MOST_TOLD:
                    raise TellPerson("saved-too-many-told", most=MOST_TOLD)
                await saved_notices.put(tx, saved_id, guild_id, notice)
        return name

    async def remove(self, user_id: UserId, guild_id: GuildId, name: str) -> str:
        """Returns the name as it was stored. Raises TellPerson where there is no such search."""
        name = saved_name(name)
        async with self._db.transaction() as tx:
            if not await saved_searches.remove(tx, user_id, guild_id, name):
                raise TellPerson("saved-unknown", name=name)
        return name


def saved_name(text: str) -> str:
    """The name as it is stored: NFC, case folded, single spaces. Raises TellPerson for what is empty or too long."""
    name = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    if not name or len(name) > NAME_CHARACTERS or not name.isprintable():
        raise TellPerson("saved-name", most=NAME_CHARACTERS)
    return name
