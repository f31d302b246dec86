"""What is taken of an export under these settings."""

from __future__ import annotations

from indexer.archives.export_index import Options
from indexer.settings import Settings


def export_options(settings: Settings) -> Options:
    return Options(
        keep_all=settings.crawl.keep == "all",
        stickers=settings.crawl.stickers,
        bots=settings.crawl.bots,
        max_file_bytes=settings.fetch.max_download_bytes,
        spool_folder=settings.data_dir,
    )
