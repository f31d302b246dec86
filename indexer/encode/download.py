"""A model's files from the hub, by a process of its own: who asks needs neither the hub's client nor torch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import AfterimageError
from indexer.platforms.processes import command, environment_without_settings
from indexer.platforms.told_to_end import ended
from indexer.settings import ModelSettings

PROCESS = "indexer.encode.hub_download"

_LINE_BYTES = 1024 * 1024
_END_S = 5.0


class NotDownloaded(AfterimageError):
    """The model's files are not all here, or not what the hub has: says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """`files` of the model in the cache; `damaged` says of each wrong one what is wrong."""

    files: tuple[Path, ...]
    damaged: tuple[str, ...]


async def download(settings: ModelSettings, tell: Callable[[str], None], *, offline: bool = False) -> Downloaded:
    """Has every file of the model in the cache, each with the hub's checksum. Minutes; goes on where an earlier try
    ended. `offline`: only looks at what is there, and damaged files are told instead of raised.

    Raises NotDownloaded, also for a model that is not the hub's. Cancelled, it stops at once, and what came stays for
    the next time.
    """
    here = _on_this_machine(settings)
    if here is not None:
        raise NotDownloaded(
            f"This model is read from {here}, and nothing of it from the hub. To download or verify another one, name"
            " it (`afterimage model list`)."
        )
    arguments = {
        "name": settings.name,
        "pretrained": settings.pretrained,
        "cache_dir": str(settings.cache_dir) if settings.cache_dir else None,
        "offline": offline,
    }
    process = await asyncio.create_subprocess_exec(
        *command(json.dumps(arguments), PROCESS),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment_without_settings(), limit=_LINE_BYTES,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    last_words = asyncio.create_task(process.stderr.read(), name="a download's standard error")
    try:
        # No deadline: a download takes as long as it takes, and one that stalls ends by itself.
        while line := await process.stdout.readline():
            said = json.loads(line)
            if "progress" in said:
                tell(said["progress"])
            elif "done" in said:
                done = said["done"]
                return Downloaded(tuple(map(Path, done["files"])), tuple(done["damaged"]))
            elif "error" in said:
                raise NotDownloaded(said["error"])
        status = await process.wait()
        words = (await last_words).decode("utf-8", "replace").strip().splitlines()
        raise NotDownloaded(f"The download ended with status {status}: {words[-1] if words else 'it said nothing'}")
    finally:
        process.stdin.close()
        await ended(process, _END_S)
        last_words.cancel()


def _on_this_machine(settings: ModelSettings) -> Path | None:
    """The folder or file that the model is read from; None where that is the hub's cache."""
    checkpoint = Path(settings.pretrained).expanduser() if settings.pretrained else None
    file = checkpoint if checkpoint is not None and checkpoint.is_file() else None
    return settings.folder or settings.local_folder or file
