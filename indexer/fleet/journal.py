"""The journal of promises in the storage: small records that never change, in one order for all folders.

    promises/journal.json            which journal it is
    promises/000000000001.json       the first record
    promises/000000000002.json       the second

A record's number is free until somebody creates it, and nobody creates a number before having read the one before. So
the order has no gaps, and whoever has read up to a number asks for the next one: nothing is listed, no clock is asked.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from indexer.errors import RetryLater, StorageError
from indexer.fleet.object_storage import THREADS, Storage

FORMAT = 1
EVERYBODY = frozenset({"opted-out", "returned"})  # hold in every folder; other kinds in the one that promised
OF_FOLDER = frozenset({"consented", "withdrawn", "forgotten", "deleted", "undeleted"})
_JOURNAL = "promises/journal.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A promise: ids only. `folder` promised it. `uid` is its own, so that a record is known again."""

    uid: str
    folder: str
    kind: str
    what: Mapping[str, Any]
    at_s: int


async def journal_id(storage: Storage) -> str:
    """Which journal the storage has; makes one where there is none. Raises RetryLater, StorageError."""
    await storage.create(_JOURNAL, json.dumps({"format": FORMAT, "journal": uuid.uuid4().hex}).encode())
    data = await storage.read(_JOURNAL)
    if data is None:
        raise RetryLater(f"{storage.address}: {_JOURNAL} was created, and cannot be read yet.")
    return str(_parsed(storage, _JOURNAL, data)["journal"])


async def append(storage: Storage, number: int, record: Record) -> bool:
    """False where the number is taken: then read it first. Raises RetryLater."""
    return await storage.create(_name(number), json.dumps({"format": FORMAT, **asdict(record)}).encode())


async def records(storage: Storage, after: int) -> AsyncIterator[tuple[int, Record]]:
    """Those that follow the number, up to the end. A few are asked for at once; nothing behind a missing one counts.

    Raises RetryLater, StorageError for a record of a newer version.
    """
    at_once = 1  # most times there is none
    while True:
        numbers = range(after + 1, after + 1 + at_once)
        found = await asyncio.gather(*(storage.read(_name(number)) for number in numbers))
        for number, data in zip(numbers, found, strict=True):
            if data is None:
                return
            yield number, _record(storage, number, data)
        after, at_once = numbers[-1], THREADS


def _record(storage: Storage, number: int, data: bytes) -> Record:
    parsed = _parsed(storage, _name(number), data)
    record = Record(*(parsed[name] for name in ("uid", "folder", "kind", "what", "at_s")))
    if record.kind not in EVERYBODY | OF_FOLDER:
        raise StorageError(
            f"{storage.address}: {_name(number)} is of a kind that this version does not know ({record.kind})."
            " Use the version that wrote it."
        )
    return record


def _parsed(storage: Storage, name: str, data: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(data)
        version = parsed["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{storage.address}: {name} is damaged, or nothing of ours ({error}).") from error
    if version != FORMAT:
        raise StorageError(f"{storage.address}: {name} has format {version}, and this version knows {FORMAT}.")
    return parsed


def _name(number: int) -> str:
    return f"promises/{number:012}.json"
