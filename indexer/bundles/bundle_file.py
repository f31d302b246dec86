"""A bundle is one file as indexer/backup/checked_tar.py describes it:

manifest.json      what it holds, of which bot, and which models made its embeddings
content.sqlite3    the rows: see content.py
SHA256SUMS         of both
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from indexer.archives.expansion import FREE_BYTES, MOST_EXPANSION
from indexer.backup import checked_tar
from indexer.backup.checked_tar import Kind, Tell
from indexer.backup.manifest import Part
from indexer.bundles import content, content_check
from indexer.database.stoppable_thread import Check
from indexer.errors import DiskFull, StorageError

FORMAT = 1
Moment = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]  # Unix milliseconds before the year 10000
Snowflake = Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
CONTENT = "content.sqlite3"
BUNDLE = "afterimage bundle"
KIND = Kind("bundle", "the rows")


class BundledGuild(msgspec.Struct, frozen=True):
    """A server: how much of it the bundle holds."""

    id: int
    name: str
    channels: int
    messages: int
    pictures: int


class BundledModel(msgspec.Struct, frozen=True):
    """A model, and how many pictures have an embedding of it. `fingerprint` tells weights of one name apart."""

    name: str
    pretrained: str
    dimension: int
    fingerprint: str
    embeddings: int


class BundlePart(msgspec.Struct, frozen=True):
    name: str
    byte_count: int
    sha256: str


class BundleManifest(msgspec.Struct, frozen=True):
    """`created_ms` (Unix milliseconds) is the moment that it shows. `application_id`: of the bot that it was made by;
    None: of none. `channels`: those that were asked for; None: all of its servers. `counts`: rows of each table.
    """

    kind: str
    format: int
    version: str
    created_ms: Moment
    application_id: Snowflake | None
    guilds: tuple[BundledGuild, ...]
    channels: tuple[int, ...] | None
    models: tuple[BundledModel, ...]
    counts: dict[str, int]
    parts: tuple[BundlePart, ...]

    @property
    def created(self) -> str:
        """The moment as ISO 8601, UTC."""
        return datetime.fromtimestamp(self.created_ms / 1000, UTC).isoformat(timespec="seconds")

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Ids are strings: they have more digits than a number of JSON keeps everywhere."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        found["guilds"] = [{**guild, "id": str(guild["id"])} for guild in found["guilds"]]
        if self.application_id is not None:
            found["application_id"] = str(self.application_id)
        if self.channels is not None:
            found["channels"] = [str(channel_id) for channel_id in self.channels]
        return {**found, "created": self.created}


class _Head(msgspec.Struct):
    """What every version of a bundle says of itself. A backup has no kind."""

    format: int
    kind: str = ""


_heads = msgspec.json.Decoder(_Head)
_manifests = msgspec.json.Decoder(BundleManifest)


def write(path: Path, manifest: BundleManifest, rows: Path, check: Check, tell: Tell) -> None:
    """Writes a new file that only this user may read, and returns when it is on the disk. Blocks. Raises OSError."""
    (part,) = manifest.parts
    head = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    checked_tar.write(path, head, [(_part(part), rows)], manifest.created_ms // 1000, check, tell)


def is_bundle(path: Path) -> bool:
    """Whether this file says that it is a bundle. Blocks."""
    if not path.is_file():
        return False
    try:
        return checked_tar.read_manifest(path, KIND, lambda head: _kind(head) == BUNDLE)
    except StorageError:
        return False


def read_manifest(path: Path) -> BundleManifest:
    """The manifest alone. Blocks. Raises StorageError where it cannot be read, or is of a newer format."""
    return checked_tar.read_manifest(path, KIND, parse)


def extract(path: Path, rows: Path, check: Check, tell: Tell) -> BundleManifest:
    """Writes the rows into the new file `rows`, when every checksum was compared, and looks through them. Blocks.

    Raises StorageError where the file is not whole, not ours or forged; DiskFull where there is no room.
    """
    part = checked_tar.read_manifest(path, KIND, lambda head: _require_part(parse(head)))
    size = path.stat().st_size
    if part.byte_count > max(FREE_BYTES, MOST_EXPANSION * size):
        raise StorageError(f"{path} expands far more than a bundle does. Nothing was changed.")
    if shutil.disk_usage(rows.parent).free < 2 * part.byte_count:  # once extracted, once stored
        raise DiskFull(
            f"The rows of {path} have {part.byte_count // 1_000_000:,} MB and need twice that on the disk of"
            f" {rows.parent.parent}. Make room there. Nothing was changed."
        )
    small = checked_tar.read(path, KIND, _parts_of, {CONTENT: rows}, check, tell)
    manifest = parse(small[checked_tar.MANIFEST])
    with checked_tar.explained(path, KIND):
        content_check.check(rows, check, tell)
        if content.counts_of(rows) != manifest.counts:
            raise StorageError("Its rows are not those that its manifest counts.")
    return manifest


def parse(head: bytes) -> BundleManifest:
    """Raises StorageError for what is no manifest of a bundle, or one of a newer format."""
    try:
        found = _heads.decode(head)
        if found.kind != BUNDLE:
            raise StorageError("It is no bundle: `afterimage restore` takes backups.")
        if found.format > FORMAT:
            raise StorageError("It was made by a newer version of Afterimage: import it with that one.")
        return _manifests.decode(head)
    except msgspec.MsgspecError as error:
        raise StorageError(f"Its manifest cannot be read ({error}).") from error


def _kind(head: bytes) -> str:
    try:
        return _heads.decode(head).kind
    except msgspec.MsgspecError:
        return ""


def _parts_of(head: bytes) -> Sequence[Part]:
    return [_part(_require_part(parse(head)))]


def _require_part(manifest: BundleManifest) -> BundlePart:
    if [part.name for part in manifest.parts] != [CONTENT]:
        raise StorageError("Its parts are not those of a bundle.")
    return manifest.parts[0]


def _part(part: BundlePart) -> Part:
    return Part(part.name, part.byte_count, part.sha256)
