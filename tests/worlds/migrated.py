"""Data folders whose database has the newest schema already.

To migrate a new database takes 40 ms of a processor and waits for the disk a dozen times, and hundreds of tests begin
with one. So each process of tests migrates once and writes the bytes of that file for every other test. What migrating
does is the matter of tests/database/test_migrate.py.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from indexer.database import migrate
from indexer.database.database import FILE_NAME


def migrated(data_dir: Path) -> Path:
    """The folder, which is made where it is missing, with a database that is empty where there was none."""
    path = data_dir / FILE_NAME
    if not path.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(_empty())
    return data_dir


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        migrate.migrate(path)
        return path.read_bytes()
