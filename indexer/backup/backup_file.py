"""A backup is one tar file, compressed with zstd where its name ends in .zst:

    manifest.json      see manifest.py
    database.sqlite3   the whole database; nothing that was deleted is left in it
    removals.json      deletions that were written down and not carried out yet; ids only
    SHA256SUMS         of the three, as `sha256sum --check` reads it

The last part proves that the file is whole. A plain SQLite file, as an upgrade leaves one beside the database, is read
as a backup too; it has no manifest.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from indexer.backup.manifest import Manifest, Part, parse
from indexer.database.stoppable_thread import Check
from indexer.errors import DiskFull, StorageError
from indexer.platforms.files import BINARY

MANIFEST, DATABASE, REMOVALS, SUMS = "manifest.json", "database.sqlite3", "removals.json", "SHA256SUMS"

CHUNK = 4 * 1024 * 1024
SMALL_BYTES = 64 * 1024 * 1024  # the most that a part other than the database may have
COMPRESSED = ".zst"
LEVEL = 3  # zstd's own default
READ = "MB read"
_ZSTD, _SQLITE = b"\x28\xb5\x2f\xfd", b"SQLite format 3\0"

Tell = Callable[[str, int, int | None], None]
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


def part_of(name: str, path: Path, check: Check) -> Part:
    """The manifest's line for this file. Blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            check()
            digest.update(data)
    return Part(name, path.stat().st_size, digest.hexdigest())


def removals_part(removals: Sequence[Record]) -> tuple[Part, bytes]:
    data = json.dumps(list(removals)).encode() + b"\n"
    return Part(REMOVALS, len(data), hashlib.sha256(data).hexdigest()), data


def write(path: Path, manifest: Manifest, database: Path, removals: bytes, check: Check, tell: Tell) -> None:
    """Writes a new file that only this user may read, and returns when it is on the disk. Blocks. Raises OSError."""
    head = manifest.to_json()
    sums = _sums(Part(MANIFEST, len(head), hashlib.sha256(head).hexdigest()), *manifest.parts)
    size, seconds = database.stat().st_size, manifest.created_ms // 1000
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with (
            _compressed(raw, path.name) as stream,
            tarfile.open(fileobj=stream, mode="w|", bufsize=CHUNK) as tar,
            database.open("rb") as file,
        ):
            _add(tar, MANIFEST, len(head), io.BytesIO(head), seconds)
            _add(tar, DATABASE, size, _Followed(file, size, check, tell), seconds)
            _add(tar, REMOVALS, len(removals), io.BytesIO(removals), seconds)
            _add(tar, SUMS, len(sums), io.BytesIO(sums), seconds)
        raw.flush()
        os.fsync(raw.fileno())


def read(path: Path, extract_to: Path | None, check: Check, tell: Tell) -> Contents:
    """Reads the whole file and compares every checksum. Blocks.

    `extract_to`: a new file for the database; None: it is only read. Raises StorageError where the file is not whole or
    no backup, DiskFull where there is no room for the database.
    """
    try:
        with path.open("rb") as raw:
            begin = raw.read(len(_SQLITE))
            raw.seek(0)
            if begin == _SQLITE:
                _take(raw, path.stat().st_size, extract_to, check, tell)
                return Contents(None, ())
            size = path.stat().st_size
            stream = _Followed(raw, size, check, tell)
            with _expanded(stream, begin) as expanded, tarfile.open(fileobj=expanded, mode="r|", bufsize=CHUNK) as tar:
                return _parts(tar, path, extract_to, check)
    except StorageError as error:
        raise StorageError(f"{path} is not a whole backup. {error} Nothing was changed.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no room for the database of {path}. Make room on the disk.") from error
        raise StorageError(f"{path} cannot be read ({error.strerror or error}). Nothing was changed.") from error
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise StorageError(f"{path} is damaged, or no backup of Afterimage ({error}). Nothing was changed.") from error


def read_manifest(path: Path) -> Manifest:
    """The manifest alone; the rest is not looked at. Blocks. Raises StorageError where it cannot be read."""
    try:
        with path.open("rb") as raw:
            begin = raw.read(len(_SQLITE))
            raw.seek(0)
            with _expanded(raw, begin) as expanded, tarfile.open(fileobj=expanded, mode="r|") as tar:
                member = tar.next()
                if member is None or member.name != MANIFEST:
                    raise StorageError(f"{path} has no manifest.")
                return parse(_small(tar, member))
    except (OSError, tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise StorageError(f"{path} cannot be read ({error}).") from error


def _parts(tar: tarfile.TarFile, path: Path, extract_to: Path | None, check: Check) -> Contents:
    """Raises StorageError, saying what is wrong, where a part is missing, too much or not as it was written."""
    head = _small(tar, _next(tar, MANIFEST))
    manifest = parse(head)
    seen = [Part(MANIFEST, len(head), hashlib.sha256(head).hexdigest())]
    removals = b"[]"
    for part in manifest.parts:
        if part.name not in (DATABASE, REMOVALS):
            raise StorageError(f"Its part {part.name} is unknown to this version.")
        member = _next(tar, part.name)
        if part.name == DATABASE:
            file = tar.extractfile(member)
            assert file is not None, "_next takes only files"
            digest = _take(file, member.size, extract_to, check)
        else:
            removals = _small(tar, member)
            digest = hashlib.sha256(removals).hexdigest()
        found = Part(part.name, member.size, digest)
        if found != part:
            raise StorageError(f"Its part {part.name} has not the bytes that were written.")
        seen.append(found)
    if DATABASE not in {part.name for part in seen}:
        raise StorageError("It has no database.")
    if _small(tar, _next(tar, SUMS)) != _sums(*seen):
        raise StorageError("Its manifest has not the bytes that were written.")
    return Contents(manifest, tuple(json.loads(removals)))


def _next(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    member = tar.next()
    if member is None or member.name != name or not member.isreg():
        raise StorageError(f"Its part {name} is missing: the file ends early, or another program made it.")
    return member


def _small(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > SMALL_BYTES:
        raise StorageError(f"Its part {member.name} is larger than any of ours.")
    file = tar.extractfile(member)
    assert file is not None, "the caller has looked that it is a file"
    return file.read()


def _take(file: IO[bytes], size: int, extract_to: Path | None, check: Check, tell: Tell = lambda *_: None) -> str:
    """Reads `size` bytes, writes them where `extract_to` says, and returns their SHA-256. Raises OSError."""
    digest = hashlib.sha256()
    left = size
    with ExitStack() as stack:
        target: IO[bytes] | None = None
        if extract_to is not None:
            handle = os.open(extract_to, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, 0o600)
            target = stack.enter_context(os.fdopen(handle, "wb"))
        while left:
            check()
            data = file.read(min(CHUNK, left))
            if not data:
                raise StorageError("It ends early.")
            left -= len(data)
            digest.update(data)
            if target is not None:
                target.write(data)
            tell(READ, size - left >> 20, size >> 20)
        if target is not None:
            target.flush()
            os.fsync(target.fileno())
    return digest.hexdigest()


def _sums(*parts: Part) -> bytes:
    return "".join(f"{part.sha256}  {part.name}\n" for part in parts).encode()


def _add(tar: tarfile.TarFile, name: str, size: int, file: IO[bytes] | _Followed, seconds: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, seconds
    tar.addfile(member, cast("IO[bytes]", file))


@contextmanager
def _compressed(raw: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    if not name.endswith(COMPRESSED):
        yield raw
        return
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with compressor.stream_writer(raw, closefd=False) as stream:
        yield cast("IO[bytes]", stream)


@contextmanager
def _expanded(raw: IO[bytes] | _Followed, begin: bytes) -> Iterator[IO[bytes]]:
    if not begin.startswith(_ZSTD):
        yield cast("IO[bytes]", raw)
        return
    with zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", raw), closefd=False) as stream:
        yield cast("IO[bytes]", stream)


class _Followed:
    """A file that is read from its start to its end: it may be stopped, and tells how far it is."""

    def __init__(self, file: IO[bytes], size: int, check: Check, tell: Tell) -> None:
        self._file, self._size, self._check, self._tell = file, size, check, tell
        self._done = 0

    def read(self, count: int = -1) -> bytes:
        self._check()
        data = self._file.read(count)
        self._done += len(data)
        self._tell(READ, self._done >> 20, self._size >> 20)
        return data
