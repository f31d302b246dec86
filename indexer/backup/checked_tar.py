"""A tar file whose parts are known before they are read: written and read as a stream, each part by its checksum.

    manifest.json      says which parts follow, with the size and the SHA-256 of each
    …                  the parts
    SHA256SUMS         of all of them, as `sha256sum --check` reads it: proves that the file is whole

Compressed with zstd where its name ends in .zst. A backup is such a file, and a bundle is one.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TypeVar, cast

import zstandard

from indexer.backup.manifest import Part
from indexer.database.stoppable_thread import Check
from indexer.errors import DiskFull, StorageError
from indexer.platforms.files import BINARY

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"

CHUNK = 4 * 1024 * 1024
HEADER_BYTES = 64 * 1024  # the most that a header may have beside its block; tarfile reads it into memory
SMALL_BYTES = 64 * 1024 * 1024  # the most that a part may have that is read into memory
COMPRESSED = ".zst"
LEVEL = 3  # zstd's own default
READ = "MB read"
_ZSTD = b"\x28\xb5\x2f\xfd"

T = TypeVar("T")
Tell = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """How sentences speak of such a file: its `name` ("backup"), and its `content` that needs room ("the database")."""

    name: str
    content: str


def part_of(name: str, path: Path, check: Check) -> Part:
    """The manifest's line for this file. Blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            check()
            digest.update(data)
    return Part(name, path.stat().st_size, digest.hexdigest())


def part_of_bytes(name: str, data: bytes) -> Part:
    return Part(name, len(data), hashlib.sha256(data).hexdigest())


def write(
    path: Path, head: bytes, parts: Sequence[tuple[Part, Path | bytes]], seconds: int, check: Check, tell: Tell
) -> None:
    """Writes a new file that only this user may read, and returns when it is on the disk. Blocks. Raises OSError.

    `head` is the manifest. `seconds` (Unix) becomes the time of every part.
    """
    sums = _sums(part_of_bytes(MANIFEST, head), *(part for part, _ in parts))
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | BINARY, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with (
            _compressed(raw, path.name) as stream,
            tarfile.open(fileobj=stream, mode="w|", bufsize=CHUNK) as tar,
        ):
            _add(tar, MANIFEST, len(head), io.BytesIO(head), seconds)
            for part, source in parts:
                if isinstance(source, bytes):
                    _add(tar, part.name, len(source), io.BytesIO(source), seconds)
                else:
                    with source.open("rb") as file:
                        followed = _Followed(file, part.byte_count, check, tell)
                        _add(tar, part.name, part.byte_count, followed, seconds)
            _add(tar, SUMS, len(sums), io.BytesIO(sums), seconds)
        raw.flush()
        os.fsync(raw.fileno())


def read(
    path: Path,
    kind: Kind,
    parts_of: Callable[[bytes], Sequence[Part]],
    targets: Mapping[str, Path | None],
    check: Check,
    tell: Tell,
) -> dict[str, bytes]:
    """Reads the whole file and compares every checksum. Returns the small parts. Blocks.

    `parts_of` reads the manifest, and raises StorageError where it cannot. `targets` names the parts that are files:
    each is written where it says (None: it is only read). Raises StorageError where the file is not whole or none of
    this `kind`, DiskFull where there is no room.
    """
    with explained(path, kind), path.open("rb") as raw:
        size = path.stat().st_size
        stream = _Followed(raw, size, check, tell)
        with (
            _expanded(stream, raw) as expanded,
            tarfile.open(fileobj=expanded, mode="r|", bufsize=CHUNK, tarinfo=_Member) as tar,
        ):
            return _parts(tar, parts_of, targets, check)


def read_manifest(path: Path, kind: Kind, parse: Callable[[bytes], T]) -> T:
    """The manifest alone; the rest is not looked at. Blocks. Raises StorageError where it cannot be read."""
    with (
        explained(path, kind),
        path.open("rb") as raw,
        _expanded(raw, raw) as expanded,
        tarfile.open(fileobj=expanded, mode="r|", tarinfo=_Member) as tar,
    ):
        member = tar.next()
        if member is None or member.name != MANIFEST:
            raise StorageError("It has no manifest.")
        return parse(_small(tar, member))


@contextmanager
def explained(path: Path, kind: Kind) -> Iterator[None]:
    """Turns what goes wrong while `path` is read into an error that says what to do."""
    try:
        yield
    except StorageError as error:
        raise StorageError(f"{path} cannot be used as a {kind.name}. {error} Nothing was changed.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no room for {kind.content} of {path}. Make room on the disk.") from error
        raise StorageError(f"{path} cannot be read ({error.strerror or error}). Nothing was changed.") from error
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise StorageError(
            f"{path} is damaged, or no {kind.name} of Afterimage ({error}). Nothing was changed."
        ) from error


def take(file: IO[bytes], size: int, extract_to: Path | None, check: Check, tell: Tell = lambda *_: None) -> str:
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


class _Member(tarfile.TarInfo):
    """A plain file; one of more than 8 GiB has a small header of its own. tarfile would read other headers whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        small = member.type == tarfile.XHDTYPE and member.size <= HEADER_BYTES
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) and not small:
            raise StorageError("It has a part that is no plain file: another program made it.")
        return member


def _parts(
    tar: tarfile.TarFile,
    parts_of: Callable[[bytes], Sequence[Part]],
    targets: Mapping[str, Path | None],
    check: Check,
) -> dict[str, bytes]:
    """Raises StorageError, saying what is wrong, where a part is missing, too much or not as it was written."""
    head = _small(tar, _next(tar, MANIFEST))
    seen = [part_of_bytes(MANIFEST, head)]
    small = {MANIFEST: head}
    for part in parts_of(head):
        member = _next(tar, part.name)
        if part.name in targets:
            if member.size != part.byte_count:
                raise StorageError(f"Its part {part.name} has not the size that was written.")
            file = tar.extractfile(member)
            assert file is not None, "_next takes only files"
            found = Part(part.name, member.size, take(file, member.size, targets[part.name], check))
        else:
            small[part.name] = _small(tar, member)
            found = part_of_bytes(part.name, small[part.name])
        if found != part:
            raise StorageError(f"Its part {part.name} has not the bytes that were written.")
        seen.append(found)
    if _small(tar, _next(tar, SUMS)) != _sums(*seen):
        raise StorageError("Its manifest has not the bytes that were written.")
    return small


def _next(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    member = tar.next()
    if member is None or member.name != name or not member.isreg():
        raise StorageError(f"Its part {name} is missing: the file ends early, or another program made it.")
    return member


def _small(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > SMALL_BYTES:
        raise StorageError(f"Its part {member.name} is larger than any of ours.")
    file = tar.extractfile(member)
    if file is None:
        raise StorageError(f"Its part {member.name} is no file.")
    return file.read()


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
def _expanded(stream: IO[bytes] | _Followed, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """`stream` reads `raw`, which stands at its start."""
    begin = raw.read(len(_ZSTD))
    raw.seek(0)
    if begin != _ZSTD:
        yield cast("IO[bytes]", stream)
        return
    with zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", stream), closefd=False) as expanded:
        yield cast("IO[bytes]", expanded)


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
