"""An archive that was read to its end, and has not changed since, is not read again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from indexer.archives.documents import Problems, find
from indexer.archives.export import KIND
from indexer.archives.export_options import export_options
from indexer.archives.survey import Survey
from indexer.database.database import FILE_NAME, open_database
from indexer.errors import StorageError
from indexer.imports.archive_opener import Importable
from indexer.records.messages import Origin
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import origins


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An archive of which all is stored already, and what it brought."""

    location: Path
    survey: Survey
    problems: Problems


class _Brought(msgspec.Struct):
    """What is noted of an archive. `model` is the configured one: another one has to see the pictures."""

    model: str
    survey: Survey


_notes = msgspec.json.Decoder(_Brought)


async def note_brought(service: Service, archive: Importable, origin: Origin) -> None:
    """Notes that an archive was read to its end. One of which something could not be read is read again next time."""
    if archive.kind != KIND or archive.problems.count:
        return
    note = msgspec.json.encode(_Brought(_model(service.settings), archive.survey)).decode()
    async with service.db.transaction() as tx:
        await origins.set_brought(tx, origin.id, note)


async def unchanged(settings: Settings, location: Path, media_folders: Sequence[Path] = ()) -> Unchanged | None:
    """The archive, where it was read to its end under these settings, is the same by its documents' names, sizes and
    times, and all of it is still stored. None where it has to be read.
    """
    if not (settings.data_dir / FILE_NAME).exists():
        return None
    found = await asyncio.to_thread(find, location, media_folders)
    if not found.documents or found.problems.count:
        return None
    version = export_options(settings).version(found)
    try:
        async with open_database(settings.data_dir, write=False) as db, db.reader() as connection:
            note = await origins.brought(
                connection, KIND, str(location), version, [str(path) for path in media_folders]
            )
    except StorageError:  # an index of an earlier version, which notes nothing
        return None
    if note is None:
        return None
    brought = _notes.decode(note)
    return Unchanged(location, brought.survey, Problems()) if brought.model == _model(settings) else None


def _model(settings: Settings) -> str:
    model = settings.model
    return f"{model.name} {model.pretrained} {model.folder}"
