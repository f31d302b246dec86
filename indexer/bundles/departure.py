"""A note in a data folder that a server is whole in another one, while it is deleted here.

    departed-81384788765712384.json    {"guild_id": …, "name": "Meadow", "folder": "/srv/b"}

The note is on the disk before the first row goes, and goes after the last one. So after a kill in between the rows that
are left here are never taken for the server: they would seem to say that the others were deleted.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import StorageError
from indexer.platforms.files import sync_file, sync_folder
from indexer.records.ids import GuildId

_PREFIX, _SUFFIX = "departed-", ".json"


@dataclass(frozen=True, slots=True)
class Departure:
    """The server that is whole in the data folder `folder`."""

    guild_id: GuildId
    name: str
    folder: Path


def note(data_dir: Path, departure: Departure) -> None:
    """Returns when the note is on the disk. Blocks. Raises OSError."""
    path = _path(data_dir, departure.guild_id)
    draft = path.with_name(f".{path.name}.part")
    written = {"guild_id": departure.guild_id, "name": departure.name, "folder": str(departure.folder)}
    handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(written, file)
    sync_file(draft)
    draft.replace(path)
    sync_folder(data_dir)


def done(data_dir: Path, guild_id: GuildId) -> None:
    """The server's rows are gone here. Blocks."""
    _path(data_dir, guild_id).unlink(missing_ok=True)
    sync_folder(data_dir)


def unfinished(data_dir: Path) -> list[Departure]:
    """Servers whose rows here are being deleted, or were when a process was killed. Blocks. Raises StorageError."""
    found = []
    for path in sorted(data_dir.glob(f"{_PREFIX}*{_SUFFIX}")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            found.append(Departure(GuildId(int(values["guild_id"])), str(values["name"]), Path(values["folder"])))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StorageError(
                f"{path} cannot be read ({error}). It says where a server went whose rows here were being deleted:"
                " restore it, or delete it where that server is whole elsewhere."
            ) from error
    return found


def of(data_dir: Path, guild_id: GuildId) -> Departure | None:
    """The one of this server. Blocks. Raises as `unfinished`."""
    return next((found for found in unfinished(data_dir) if found.guild_id == guild_id), None)


def _path(data_dir: Path, guild_id: GuildId) -> Path:
    return data_dir / f"{_PREFIX}{guild_id}{_SUFFIX}"
