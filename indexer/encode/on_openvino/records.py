"""What was found out about files on this machine, kept beside the exports: at the next start it is not found out again.

<digest of a manifest>.files.json      length and times of an export's files, when they were read and right
<digest of a manifest>.trial.json      how the model runs best
<digest of a path>.checksum.json       a checkpoint's SHA-256
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

from indexer.platforms.files import replace_file
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)


def records_folder(settings: ModelSettings) -> Path | None:
    """Where they are kept; None: nowhere."""
    return settings.export_dir.expanduser() if settings.export_dir else None


def json_of(path: Path) -> Any:
    """What a JSON file says; None where there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_record(record: Path, said: object) -> None:
    """In one step. A record that cannot be written is one that is missing: what it says is found out again."""
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        replace_file(record, json.dumps(said).encode())
    except OSError as error:
        log.warning("%s could not be written (%s)", record, error.strerror)


def sha256_of(path: Path) -> str:
    """Reads the whole file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_once(path: Path, records: Path | None) -> str:
    """The same, and keeps it in `records`: while the file has not changed, it is not read again. Raises OSError.

    A checkpoint takes seconds to read, and the model's process asks for it at each of its starts.
    """
    as_found = length_and_times(path)
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    record = records / f"{name}.checksum.json" if records else None
    told = json_of(record) if record is not None else None
    if isinstance(told, dict) and told.get("found") == as_found and isinstance(told.get("sha256"), str):
        return str(told["sha256"])
    digest = sha256_of(path)
    if record is not None:
        write_record(record, {"path": str(path), "found": as_found, "sha256": digest})
    return digest


def length_and_times(path: Path) -> list[int]:
    """Tells a changed file from the one before without reading it; as JSON gives it back. Raises OSError."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
