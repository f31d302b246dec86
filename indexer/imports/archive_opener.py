"""Opens an archive: one that a person names, or one that was imported before, by its origin's kind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from indexer.archives.documents import Problems
from indexer.archives.export import KIND, open_export
from indexer.archives.export_options import export_options
from indexer.archives.picture_folder import PictureFolder, open_folder
from indexer.archives.picture_index import Told
from indexer.archives.picture_walk import shown
from indexer.archives.survey import Survey
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.errors import ArchiveClosed, StorageError, TellPerson
from indexer.ports import Archive, History
from indexer.records.collections import COLLECTION_KIND, Collection
from indexer.records.ids import GuildId
from indexer.records.messages import Origin
from indexer.settings import Settings
from indexer.store import collections


class Surveyed(Protocol):
    """An archive of which it is known what it holds."""

    @property
    def location(self) -> Path: ...
    @property
    def survey(self) -> Survey: ...


class Importable(Archive, Protocol):
    """An open archive that can become an origin. `kind` names its parser; `version` changes with its content."""

    @property
    def kind(self) -> str: ...
    @property
    def location(self) -> Path: ...
    @property
    def media_folders(self) -> Sequence[Path]: ...
    @property
    def version(self) -> str: ...
    @property
    def survey(self) -> Survey: ...
    @property
    def problems(self) -> Problems: ...

    def to_read(self, guild_id: GuildId) -> int:
        """How many messages a run reads."""
        ...

    def to_fetch(self, guild_id: GuildId) -> int:
        """How many pictures these show."""
        ...


async def open_archive(settings: Settings, db: Database, origin: Origin) -> History:
    """Opens an archive that was imported before. Raises ArchiveClosed where it is not there any more."""
    location = Path(origin.location)
    if not await asyncio.to_thread(location.exists):
        raise ArchiveClosed(location)
    if origin.kind == COLLECTION_KIND:
        return await open_collection(settings, db, location, None)
    if origin.kind != KIND:
        raise ArchiveClosed(location)
    folders = [Path(folder) for folder in origin.media_folders]
    return await asyncio.to_thread(open_export, location, export_options(settings), folders)


async def open_collection(
    settings: Settings, db: Database | None, location: Path, name: str | None, told: Told | None = None
) -> PictureFolder:
    """Opens a folder of pictures as a collection. `name` None: the name that it has, or the folder's own.

    `db` None: nothing is stored yet, so every file is new. Raises TellPerson where it is no folder, or where its path
    is no text.
    """
    folder = await asyncio.to_thread(_folder, location)
    if db is None:
        collection = Collection.empty(collections.wanted_number(str(folder)), name or folder.name)
    else:
        async with db.reader() as connection:
            stored = await collections.read(connection, str(folder))
            collection = stored or await collections.new(connection, str(folder), name or folder.name)
    if name is not None:
        collection = replace(collection, name=name)
    most = settings.fetch.max_download_bytes
    return await asyncio.to_thread(open_folder, folder, collection, most, settings.data_dir, told)


async def survey_collection(settings: Settings, location: Path, name: str | None, told: Told | None) -> PictureFolder:
    """The same beside a process that writes, or where there is no index: for `--dry-run`."""
    if not (settings.data_dir / FILE_NAME).exists():
        return await open_collection(settings, None, location, name, told)
    async with open_database(settings.data_dir, write=False) as db:
        return await open_collection(settings, db, location, name, told)


async def is_collection(settings: Settings, location: Path) -> bool:
    """Whether this folder was imported as a collection before."""
    if not (settings.data_dir / FILE_NAME).exists():
        return False
    folder = await asyncio.to_thread(os.path.realpath, location)
    try:
        async with open_database(settings.data_dir, write=False) as db, db.reader() as connection:
            return await collections.name_of(connection, folder) is not None
    except StorageError:  # an index of an earlier version: it had no collections
        return False


def _folder(location: Path) -> Path:
    folder = Path(os.path.realpath(location))
    if not folder.is_dir():
        raise TellPerson("cli-no-folder", path=str(location))
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise TellPerson("cli-path-no-text", path=shown(os.fsencode(folder))) from error
    return folder
