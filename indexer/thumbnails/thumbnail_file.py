"""The file of thumbnails: from a picture's SHA-256 to a WebP."""

from __future__ import annotations

from pathlib import Path

from indexer.database.derived_file import DerivedFile, Shape

FILE_NAME = "thumbnails.sqlite3"
FORMAT = 1  # raise it with every change of the table, or of how thumbnails are made: files of another one are deleted


def thumbnail_file(folder: Path, max_bytes: int, *, write: bool = True) -> DerivedFile:
    """That of a data folder."""
    return DerivedFile(folder, Shape(FILE_NAME, "thumbnails", "webp", "thumbnails", FORMAT), max_bytes, write=write)
