"""Small files in a storage that outlives this machine: a folder on another disk, or an object store by fsspec.

Everything rests on one thing that a storage must do: of several who create the same name, one alone succeeds. A folder
does it by a hard link, S3 by `If-None-Match`, Google's and Azure's stores by conditions of their own. `open_storage`
tries it before anything relies on it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from indexer.errors import ConfigError, RetryLater
from indexer.platforms.files import sync_file, sync_folder

T = TypeVar("T")

THREADS = 4  # calls at once; a storage that hangs holds these, and none of the bot's other threads
DEADLINE_S = 30.0  # for one call with a small file
PROBE = "create-only"  # the name that `open_storage` tries it with


class Objects(Protocol):
    """Whole files by name, with / between its parts. Every method blocks, and raises what its kind raises."""

    def create(self, name: str, data: bytes) -> bool:
        """False where the name is taken: then nothing has changed."""

    def read(self, name: str) -> bytes | None:
        """None where there is none."""

    def names(self, folder: str) -> list[str]:
        """What lies directly in the folder, in order."""

    def upload(self, name: str, path: Path) -> None:
        """Puts the file under the name, in place of what was there."""

    def download(self, name: str, path: Path) -> None:
        """Writes it into a new file."""

    def delete(self, name: str) -> None:
        """Does nothing where there is none."""


class Folder:
    """Objects as files below a folder. What is created is on the disk, and whole."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, name: str, data: bytes) -> bool:
        path = self._path(name)
        draft = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            draft.write_bytes(data)
            sync_file(draft)
            try:
                os.link(draft, path)  # refuses a name that is taken, and shows whole files only
            except FileExistsError:
                return False
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
        return True

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in (self._root / folder).iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []

    def upload(self, name: str, path: Path) -> None:
        target = self._path(name)
        draft = target.with_name(f".{uuid.uuid4().hex}.part")
        try:
            shutil.copyfile(path, draft)
            sync_file(draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(target.parent)

    def download(self, name: str, path: Path) -> None:
        shutil.copyfile(self._root / name, path)

    def delete(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        """Makes the folders below the root, and never the root itself: it may be a disk that is not mounted now."""
        path = self._root / name
        if not self._root.is_dir():
            raise FileNotFoundError(f"{self._root} is no folder; make it, or mount the disk that it is on")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


class ObjectStore:
    """Objects in whatever fsspec has an address for."""

    def __init__(self, address: str) -> None:
        """Raises ConfigError where what the address needs is not installed, or where it is none."""
        try:
            import fsspec  # an extra

            files, root = fsspec.core.url_to_fs(address, skip_instance_cache=True, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"fleet.storage: {address} cannot be used ({error}). Install afterimage[fleet] and what the address"
                " needs beside it: s3fs for s3://, gcsfs for gs://, adlfs for az://."
            ) from error
        self._files: Any = files
        self._root = str(root).rstrip("/")

    def create(self, name: str, data: bytes) -> bool:
        try:
            self._files.pipe_file(f"{self._root}/{name}", data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if not _taken(error):
                raise
            return False
        return True

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        try:
            found = self._files.ls(f"{self._root}/{folder}", detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(path).rsplit("/", 1)[-1] for path in found)

    def upload(self, name: str, path: Path) -> None:
        self._files.put_file(str(path), f"{self._root}/{name}")

    def download(self, name: str, path: Path) -> None:
        self._files.get_file(f"{self._root}/{name}", str(path))

    def delete(self, name: str) -> None:
        try:
            self._files.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return


class Storage:
    """The same from an event loop: each call in a thread of its own pool, with a deadline.

    Raises RetryLater, saying which call failed and why, for whatever the storage raises.
    """

    def __init__(self, address: str, objects: Objects, threads: ThreadPoolExecutor) -> None:
        self.address = address
        self._objects = objects
        self._threads = threads

    async def create(self, name: str, data: bytes) -> bool:
        return await self._call(name, DEADLINE_S, lambda: self._objects.create(name, data))

    async def read(self, name: str) -> bytes | None:
        return await self._call(name, DEADLINE_S, lambda: self._objects.read(name))

    async def names(self, folder: str) -> list[str]:
        return await self._call(folder, DEADLINE_S, lambda: self._objects.names(folder))

    async def delete(self, name: str) -> None:
        await self._call(name, DEADLINE_S, lambda: self._objects.delete(name))

    async def upload(self, name: str, path: Path) -> None:
        """No deadline: a large file on a slow line takes as long as it takes."""
        await self._call(name, None, lambda: self._objects.upload(name, path))

    async def download(self, name: str, path: Path) -> None:
        await self._call(name, None, lambda: self._objects.download(name, path))

    async def _call(self, name: str, deadline_s: float | None, work: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise RetryLater(f"{self.address}: nothing came of {name} within {deadline_s:.0f} s.") from None
        except Exception as error:  # libraries of object stores have errors of their own, without a common root
            raise RetryLater(f"{self.address}: {name} failed ({type(error).__name__}: {error}).") from error


def objects_at(address: str) -> Objects:
    """Raises ConfigError where what the address needs is not installed."""
    scheme = urlsplit(address).scheme
    return (
        ObjectStore(address) if "://" in address and scheme != "file" else Folder(Path(address.removeprefix("file://")))
    )


@asynccontextmanager
async def open_storage(address: str) -> AsyncIterator[Storage]:
    """Until the block ends. Nothing is asked of the storage yet. Raises ConfigError."""
    threads = ThreadPoolExecutor(THREADS, "storage")
    try:
        yield Storage(address, await asyncio.to_thread(objects_at, address), threads)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


async def require_create_only(storage: Storage) -> None:
    """Tries that a name is created once only. Raises ConfigError where it is not, RetryLater."""
    await storage.create(PROBE, b"")
    if await storage.create(PROBE, b""):
        raise ConfigError(
            f"fleet.storage: {storage.address} lets one write over what another has created, so it cannot keep an"
            " order. Use a store that honours If-None-Match, as S3, MinIO and Google's and Azure's stores do."
        )


def _taken(error: OSError) -> bool:
    """S3 says 412 (the name is taken) or 409 (somebody creates it now); s3fs makes plain OSErrors of both."""
    text = f"{error} {error.__cause__}"
    return "PreconditionFailed" in text or "ConditionalRequestConflict" in text
