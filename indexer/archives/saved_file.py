"""Reads a file of an archive again, by the path that is stored with its picture. The archive itself is not opened."""

from __future__ import annotations

from pathlib import Path

from indexer.archives.documents import UNREADABLE
from indexer.archives.expansion import Refused
from indexer.archives.folders import DiskFolder, ZipFolder


def saved_file(path: str, most: int) -> bytes | None:
    """The bytes of the file, or of the member of a .zip file. Blocks.

    None where it is gone, is a link that leads elsewhere, cannot be read, or has more than `most` bytes.
    """
    file = Path(path)
    try:
        outer = next(parent for parent in (file, *file.parents) if parent.is_file())
        if outer == file:
            with DiskFolder(file.parent).open((file.name,)) as opened:
                data = opened.read(most + 1)
        else:
            with ZipFolder(outer).open(file.relative_to(outer).parts) as member:
                data = member.read(most + 1)
    except (*UNREADABLE, Refused, KeyError, StopIteration):
        return None
    return data if len(data) <= most else None
