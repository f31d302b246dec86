"""Which archive an origin is, and how it is opened again: by its kind."""

from __future__ import annotations

import asyncio
from pathlib import Path

from indexer.archives.export import KIND, open_export
from indexer.archives.export_index import Options
from indexer.errors import ChannelClosed
from indexer.ports import History
from indexer.records.messages import Origin
from indexer.settings import Settings


def export_options(settings: Settings) -> Options:
    """What is taken of an export under these settings."""
    return Options(
        keep_all=settings.crawl.keep == "all",
        stickers=settings.crawl.stickers,
        bots=settings.crawl.bots,
        max_file_bytes=settings.fetch.max_download_bytes,
        spool_folder=settings.data_dir,
    )


async def open_archive(settings: Settings, origin: Origin) -> History:
    """Opens an archive that was imported before. Raises ChannelClosed where it is not there any more."""
    location = Path(origin.location)
    if origin.kind != KIND or not await asyncio.to_thread(location.exists):
        raise ChannelClosed("closed-archive", archive=origin.location)
    folders = [Path(folder) for folder in origin.media_folders]
    return await asyncio.to_thread(open_export, location, export_options(settings), folders)
