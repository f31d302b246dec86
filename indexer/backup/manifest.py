"""What a backup says of itself: its version, schema and moment, what it holds, and the checksum of each part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from indexer.errors import StorageError

FORMAT = 1  # of the backup file; a version that changes it reads all earlier ones


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the backup. `sha256` in hexadecimal digits."""

    name: str
    byte_count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`created_ms` (Unix milliseconds) is the moment that the backup shows. `counts`: rows of each kind."""

    schema: int
    created_ms: int
    counts: Mapping[str, int]
    parts: tuple[Part, ...]
    version: str
    format: int = FORMAT

    @property
    def created(self) -> str:
        """The moment as ISO 8601, UTC."""
        return datetime.fromtimestamp(self.created_ms / 1000, UTC).isoformat(timespec="seconds")

    @property
    def counted(self) -> str:
        """What it holds, for a person."""
        names = {"guilds": "servers", "messages": "messages", "embeddings": "embeddings"}
        return ", ".join(f"{self.counts.get(table, 0):,} {name}" for table, name in names.items())

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON. `created` is there for people."""
        return {**asdict(self), "created": self.created}

    def to_json(self) -> bytes:
        return json.dumps(self.as_dict(), indent=2).encode() + b"\n"


def own_version() -> str:
    """The version of Afterimage that runs; empty where it was not installed."""
    try:
        return version("afterimage")
    except PackageNotFoundError:
        return ""


def parse(data: bytes) -> Manifest:
    """Raises StorageError for what is no manifest, or one of a newer format."""
    try:
        found = json.loads(data)
        if int(found["format"]) > FORMAT:
            raise StorageError("It was made by a newer version of Afterimage: restore it with that one.")
        return Manifest(
            schema=int(found["schema"]),
            created_ms=int(found["created_ms"]),
            counts={str(name): int(count) for name, count in found["counts"].items()},
            parts=tuple(Part(str(p["name"]), int(p["byte_count"]), str(p["sha256"])) for p in found["parts"]),
            version=str(found["version"]),
            format=int(found["format"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"Its manifest cannot be read ({error!r}).") from error
