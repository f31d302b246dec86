"""Archives that come over HTTP, in parts: each is written to its place in a draft, which becomes a file at the end.

Drafts lie in a hidden folder beside the archives, so that the last step is one rename. They end after EXPIRES_S without
a part, when the service closes, and at its next start.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from indexer.database.database import Database, to_the_end
from indexer.errors import DiskFull, RetryLater, TellPerson
from indexer.imports.archive_folder import is_plain_name
from indexer.platforms.files import BINARY, sync_folder, write_at
from indexer.store import audit

PART_BYTES = 8 * 1024 * 1024
RECEIVED_AT_ONCE = 2  # parts in memory
UPLOADS = 8  # at once
EXPIRES_S = 24 * 3600.0
LOOK_S = 600.0  # between two looks for what has expired
DRAFTS = ".afterimage-uploads"
DISK_AGAIN_S = 60.0


@dataclass(slots=True, eq=False)
class Upload:
    """A file that comes. `parts` has those that are there: their numbers, from 0, and the CRC-32 of each."""

    id: int
    name: str
    byte_count: int
    draft: Path
    handle: int
    touched_s: float
    parts: dict[int, int] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def part_count(self) -> int:
        return -(-self.byte_count // PART_BYTES)

    def size_of(self, number: int) -> int:
        return min(PART_BYTES, self.byte_count - number * PART_BYTES)


class ArchiveUploads:
    """At most `most_bytes` at once. `min_free_bytes` of the disk stay free. Belongs to one event loop."""

    def __init__(
        self,
        db: Database,
        folder: Path,
        most_bytes: int,
        min_free_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_bytes = most_bytes
        self._db = db
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._uploads: dict[int, Upload] = {}
        self._beginning = asyncio.Lock()
        self._receiving = 0

    def known(self) -> list[Upload]:
        return list(self._uploads.values())

    def get(self, upload_id: int) -> Upload:
        """Raises TellPerson where there is none, or where it has expired."""
        upload = self._uploads.get(upload_id)
        if upload is None:
            raise TellPerson("upload-unknown")
        return upload

    async def begin(self, name: str, byte_count: int) -> Upload:
        """Raises TellPerson for a name that cannot be or is there already, where there is no room, and where the folder
        cannot be written into.
        """
        if not is_plain_name(name):
            raise TellPerson("upload-name")
        async with self._beginning:
            await self.expire()
            await self._check_room(byte_count)
            if await asyncio.to_thread(os.path.lexists, self._folder / name):
                raise TellPerson("upload-exists", name=name)
            return await to_the_end(self._drafted(name, byte_count))

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """While a part is read into memory. Raises RetryLater where RECEIVED_AT_ONCE others are."""
        if self._receiving >= RECEIVED_AT_ONCE:
            raise RetryLater(f"{RECEIVED_AT_ONCE} other parts are being received")
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def put(self, upload: Upload, number: int, checksum: int, data: bytes) -> None:
        """Stores part `number`, whose CRC-32 is `checksum`. It may come again.

        Raises TellPerson where it is not the part that it should be, DiskFull.
        """
        if not 0 <= number < upload.part_count or len(data) != upload.size_of(number):
            raise TellPerson("upload-part", part=number, parts=upload.part_count)
        if await asyncio.to_thread(zlib.crc32, data) != checksum:
            raise TellPerson("upload-checksum", part=number)
        async with upload.lock:
            self._check_there(upload)
            upload.parts.pop(number, None)  # a write that fails leaves neither the former part nor this one
            try:
                await to_the_end(asyncio.to_thread(_write, upload.handle, data, number * PART_BYTES))
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise DiskFull(f"No room for a part in {self._folder}.", retry_after=DISK_AGAIN_S) from error
            upload.parts[number] = checksum
            upload.touched_s = self._clock()

    async def finish(self, upload: Upload, checksums: list[int]) -> None:
        """The file gets its name. `checksums`: the CRC-32 of each part of the file that the sender has.

        Raises TellPerson where a part is missing or is another one, or a file has this name by now.
        """
        async with upload.lock:
            self._check_there(upload)
            if missing := upload.part_count - len(upload.parts):
                raise TellPerson("upload-incomplete", parts=missing)
            for number in range(max(upload.part_count, len(checksums))):
                if checksums[number : number + 1] != [upload.parts.get(number)]:
                    raise TellPerson("upload-other", part=number)
            await to_the_end(self._named(upload))

    async def cancel(self, upload: Upload) -> None:
        """Raises TellPerson where it has ended by now."""
        async with upload.lock:
            self._check_there(upload)
            await self._end(upload)
        await self._note("upload.cancel", upload)

    async def expire(self) -> None:
        """Ends uploads of which nothing has come for EXPIRES_S seconds."""
        for upload in self.known():
            if self._clock() - upload.touched_s >= EXPIRES_S:
                with suppress(TellPerson):  # it has ended meanwhile
                    await self.cancel(upload)

    async def watch(self) -> None:
        """Looks for what has expired, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.expire()

    async def clean(self) -> None:
        """Deletes every draft: at the start those of a process that was killed, at the end one's own."""
        for upload in self.known():
            async with upload.lock:
                await self._end(upload)
        await asyncio.to_thread(shutil.rmtree, self._folder / DRAFTS, ignore_errors=True)

    async def _drafted(self, name: str, byte_count: int) -> Upload:
        upload_id = secrets.randbelow(2**62) + 1
        draft = self._folder / DRAFTS / str(upload_id)
        try:
            handle = await asyncio.to_thread(_new_draft, draft)
        except OSError as error:
            raise TellPerson("upload-folder", error=error.strerror or str(error)) from error
        upload = self._uploads[upload_id] = Upload(upload_id, name, byte_count, draft, handle, self._clock())
        await self._note("upload.begin", upload)
        return upload

    async def _named(self, upload: Upload) -> None:
        try:
            await asyncio.to_thread(_give_name, upload, self._folder / upload.name)
        except FileExistsError as error:
            raise TellPerson("upload-exists", name=upload.name) from error
        await self._end(upload)
        await self._note("upload.finish", upload)

    def _check_there(self, upload: Upload) -> None:
        """Raises TellPerson where it has ended."""
        if self._uploads.get(upload.id) is not upload:
            raise TellPerson("upload-unknown")

    async def _end(self, upload: Upload) -> None:
        if self._uploads.pop(upload.id, None) is not None:
            await to_the_end(asyncio.to_thread(_delete, upload))

    async def _check_room(self, byte_count: int) -> None:
        coming = sum(upload.byte_count for upload in self.known())
        if not 0 < byte_count <= self.most_bytes - coming or len(self._uploads) >= UPLOADS:
            raise TellPerson("upload-too-large", most=self.most_bytes)
        missing = sum(
            upload.size_of(number) for upload in self.known() for number in range(upload.part_count)
            if number not in upload.parts
        )  # fmt: skip
        try:
            free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        except OSError as error:
            raise TellPerson("archive-not-in-folder", path="") from error
        if free - missing - byte_count < self._min_free_bytes:
            raise TellPerson("upload-no-room")

    async def _note(self, action: str, upload: Upload) -> None:
        async with self._db.transaction() as tx:
            await audit.add(tx, action, detail={"upload": upload.id, "bytes": upload.byte_count})


def _new_draft(draft: Path) -> int:
    """A handle of the empty file. Raises OSError, also where the folder of drafts is a link, which may lead out."""
    draft.parent.mkdir(mode=0o700, exist_ok=True)
    if draft.parent.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(draft.parent))
    return os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, 0o600)


def _write(handle: int, data: bytes, offset: int) -> None:
    written = 0
    while written < len(data):
        written += write_at(handle, data[written:], offset + written)


def _give_name(upload: Upload, target: Path) -> None:
    """Never over a file that is there. Raises FileExistsError."""
    os.fsync(upload.handle)
    if os.name == "nt":
        os.close(upload.handle)
        upload.handle = -1
        upload.draft.rename(target)  # which refuses to replace a file there
        return
    try:
        os.link(upload.draft, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        upload.draft.rename(target)
    sync_folder(target.parent)


def _delete(upload: Upload) -> None:
    if upload.handle >= 0:
        os.close(upload.handle)
        upload.handle = -1
    with suppress(FileNotFoundError):
        upload.draft.unlink()
