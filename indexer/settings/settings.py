"""Every setting of the indexer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from indexer.settings.about import About
from indexer.settings.backup import BackupSettings
from indexer.settings.captions import CaptionSettings
from indexer.settings.crawl import CrawlSettings
from indexer.settings.decode import DecodeSettings
from indexer.settings.fetch import FetchSettings
from indexer.settings.fleet import FleetSettings
from indexer.settings.index import IndexSettings
from indexer.settings.model import ModelSettings
from indexer.settings.ocr import OcrSettings
from indexer.settings.ray import RaySettings
from indexer.settings.rerank import RerankSettings
from indexer.settings.search import SearchSettings
from indexer.settings.storage import StorageSettings
from indexer.settings.thumbnails import ThumbnailSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. A field that is a dataclass is a table of the configuration file; other fields are at its top."""

    data_dir: Annotated[Path, About("The folder for everything the bot keeps; a running bot locks it.")] = Path("data")
    model: ModelSettings = field(default_factory=ModelSettings)
    ray: RaySettings = field(default_factory=RaySettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    crawl: CrawlSettings = field(default_factory=CrawlSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    rerank: RerankSettings = field(default_factory=RerankSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    thumbnails: ThumbnailSettings = field(default_factory=ThumbnailSettings)
    ocr: OcrSettings = field(default_factory=OcrSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)

    def with_exports(self, model: ModelSettings) -> ModelSettings:
        """The same model as this machine runs it: with the folder that its exports are kept in, and without the
        cluster."""
        runtime = "auto" if model.runtime == "ray" else model.runtime
        folder = (model.export_dir or self.data_dir / "models").expanduser()
        return replace(model, runtime=runtime, export_dir=folder)
