"""A backup is one file as checked_tar.py describes it:

    manifest.json      see manifest.py
    database.sqlite3   the whole database; nothing that was deleted is left in it
    removals.json      deletions that were written down and not carried out yet; ids only
    SHA256SUMS         of the three

A plain SQLite file, as an upgrade leaves one beside the database, is read as a backup too; it has no manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.backup import checked_tar, manifest
from indexer.backup.checked_tar import Kind, Tell, part_of_bytes
from indexer.backup.manifest import Manifest, Part
from indexer.database.stoppable_thread import Check
from indexer.errors import StorageError

DATABASE, REMOVALS = "database.sqlite3", "removals.json"

KIND = Kind("backup", "the database")
_SQLITE = b"SQLite format 3\0"

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of a backup that is whole. `manifest` is None of a plain SQLite file."""

    manifest: Manifest | None
    removals: tuple[Record, ...]


def is_sqlite(path: Path) -> bool:
    """Whether this is a plain SQLite file. Blocks. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def removals_part(removals: Sequence[Record]) -> tuple[Part, bytes]:
    data = json.dumps(list(removals)).encode() + b"\n"
    return part_of_bytes(REMOVALS, data), data


def write(path: Path, manifest: Manifest, database: Path, removals: bytes, check: Check, tell: Tell) -> None:
    """Writes a new file that only this user may read, and returns when it is on the disk. Blocks. Raises OSError."""
    sources: dict[str, Path | bytes] = {DATABASE: database, REMOVALS: removals}
    parts = [(part, sources[part.name]) for part in manifest.parts]
    checked_tar.write(path, manifest.to_json(), parts, manifest.created_ms // 1000, check, tell)


def read(path: Path, extract_to: Path | None, check: Check, tell: Tell) -> Contents:
    """Reads the whole file and compares every checksum. Blocks.

    `extract_to`: a new file for the database; None: it is only read. Raises StorageError where the file is not whole or
    no backup, DiskFull where there is no room for the database.
    """
    with checked_tar.explained(path, KIND):
        plain = is_sqlite(path)
        if plain:
            with path.open("rb") as raw:
                checked_tar.take(raw, path.stat().st_size, extract_to, check, tell)
    if plain:
        return Contents(None, ())
    small = checked_tar.read(path, KIND, _parts_of, {DATABASE: extract_to}, check, tell)
    return Contents(manifest.parse(small[checked_tar.MANIFEST]), tuple(json.loads(small.get(REMOVALS, b"[]"))))


def read_manifest(path: Path) -> Manifest:
    """The manifest alone; the rest is not looked at. Blocks. Raises StorageError where it cannot be read."""
    return checked_tar.read_manifest(path, KIND, manifest.parse)


def _parts_of(head: bytes) -> Sequence[Part]:
    parts = manifest.parse(head).parts
    for part in parts:
        if part.name not in (DATABASE, REMOVALS):
            raise StorageError(f"Its part {part.name} is unknown to this version.")
    if DATABASE not in {part.name for part in parts}:
        raise StorageError("It has no database.")
    return parts
