"""A note in the data folder while its database is exchanged for another one: nobody may open the folder meanwhile.

    {"command": "afterimage restore …", "aside": "replaced-…"}    what to give again, and where the old files are

The note is on the disk before the first file is moved, and goes after the last one. So after a kill in between nobody
takes the folder for a new one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.errors import StorageError
from indexer.platforms.files import sync_file, sync_folder

FILE_NAME = "exchange.unfinished"


@dataclass(frozen=True, slots=True)
class Exchange:
    """`command` finishes it. `aside` is the folder, below the data folder, that the former files are moved into."""

    command: str
    aside: str


def note(folder: Path, exchange: Exchange) -> None:
    """Returns when the note is on the disk. Blocks. Raises OSError."""
    draft = folder / f".{FILE_NAME}.part"
    os.close(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600))
    draft.write_text(json.dumps(asdict(exchange)), encoding="utf-8")
    sync_file(draft)
    draft.replace(folder / FILE_NAME)
    sync_folder(folder)


def done(folder: Path) -> None:
    """Removes the note. Blocks. Raises OSError."""
    sync_folder(folder)
    (folder / FILE_NAME).unlink()
    sync_folder(folder)


def read(folder: Path) -> Exchange | None:
    """The exchange that was begun in this folder and not finished; None: there is none. Blocks."""
    try:
        found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return Exchange(str(found["command"]), str(found["aside"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return Exchange("afterimage restore FILE", "")


def reason(folder: Path) -> str | None:
    """A sentence that says what to do; None where the folder may be opened. Blocks."""
    exchange = read(folder)
    if exchange is None:
        return None
    aside = f" The files from before lie in {folder / exchange.aside}." if exchange.aside else ""
    return f"In {folder} an exchange of the database was interrupted: give `{exchange.command}` again.{aside}"


def refuse(folder: Path) -> None:
    """Raises StorageError where an exchange was begun and not finished. Blocks."""
    if (sentence := reason(folder)) is not None:
        raise StorageError(sentence)
