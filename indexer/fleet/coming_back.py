"""Whether a folder comes back from the storage: on a machine that takes over from one that was lost."""

from __future__ import annotations

from indexer.database.database import FILE_NAME
from indexer.fleet.backups import StoredBackups
from indexer.fleet.object_storage import open_storage
from indexer.settings import Settings


async def comes_back(settings: Settings) -> bool:
    """Whether there is no database here, and in the storage a backup of this name. Raises RetryLater, ConfigError."""
    if not settings.fleet.storage or (settings.data_dir / FILE_NAME).exists():
        return False
    async with open_storage(settings.fleet.storage) as storage:
        return bool(await StoredBackups(storage, settings.fleet.name).stored())
