"""Opens what archives over HTTP need, where the configuration names a folder for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.config.tables import Config
from bot.web.api.parts import Archives
from indexer.imports.archive_folder import ArchiveFolder
from indexer.service import Service
from indexer.supervisor import supervised

EXPIRING = "expiring uploads"  # the name of this work among the faults


@asynccontextmanager
async def open_archives(config: Config, service: Service) -> AsyncIterator[Archives | None]:
    """Until the block ends: then no archive is looked through any more, and drafts of uploads are deleted."""
    root = config.web.archives
    if root is None:
        yield None
        return
    # Imported only then: what reads archives takes a twelfth of a start.
    from indexer.imports.archive_imports import ArchiveImports, open_uploads

    folder = ArchiveFolder(root)
    async with asyncio.TaskGroup() as tasks:
        imports = ArchiveImports(service, folder, tasks)
        uploads, expiring = None, None
        if config.web.upload_bytes:
            uploads = open_uploads(service, root, config.web.upload_bytes)
            await uploads.clean()
            expiring = tasks.create_task(supervised(EXPIRING, uploads.watch, service.faults), name=EXPIRING)
        try:
            yield Archives(folder, imports, uploads)
        finally:
            await imports.end()
            if uploads is not None and expiring is not None:
                expiring.cancel()
                await uploads.clean()
