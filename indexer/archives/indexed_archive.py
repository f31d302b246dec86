"""What an archive that was read once answers from its index: its guilds, its problems, the rows of a channel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from indexer.archives.documents import Problems
from indexer.archives.rows import Rows
from indexer.archives.survey import Survey
from indexer.errors import ArchiveClosed
from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import Guild

PAGE_SIZE: Final = 2_000  # messages


class ArchiveIndex(Protocol):
    """What was found when the archive was read."""

    @property
    def rows(self) -> Mapping[ChannelId, Rows]: ...

    @property
    def survey(self) -> Survey: ...

    @property
    def problems(self) -> Problems: ...


Index = TypeVar("Index", bound=ArchiveIndex)


class IndexedArchive(Generic[Index]):
    """The part of a History that needs no file any more."""

    def __init__(self, location: Path, index: Index) -> None:
        self.location = location
        self.index = index

    @property
    def page_size(self) -> int:
        return PAGE_SIZE

    @property
    def survey(self) -> Survey:
        return self.index.survey

    @property
    def problems(self) -> Problems:
        return self.index.problems

    async def guild(self, guild_id: GuildId) -> Guild:
        """Raises ArchiveClosed where the archive has no such guild."""
        guild = self.survey.guilds.get(guild_id)
        if guild is None:
            raise ArchiveClosed(self.location)
        return guild

    def _rows(self, channel_id: ChannelId) -> Rows:
        rows = self.index.rows.get(channel_id)
        if rows is None:
            raise ArchiveClosed(self.location)
        return rows
