"""Whether files of the hub's cache hold what the hub says: its client names each by its checksum, and reads none again.

blobs/<SHA-256>                     a large file (weights)
blobs/<git's SHA-1 of a blob>       a small one
snapshots/<commit>/<name>           a link to one of them
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")


def why_damaged(path: Path) -> str:
    """What is wrong with a file of the cache; "" where it is right, or where its name tells no checksum (a system
    without links). Reads all of it. Raises OSError."""
    blob = path.resolve(strict=True)
    wanted = blob.name
    if _SHA256.fullmatch(wanted):
        with blob.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    elif _GIT_BLOB.fullmatch(wanted):
        data = blob.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return ""
    return "" if found == wanted else f"{path} holds other bytes than the hub has: its checksum is {found[:12]}…"
