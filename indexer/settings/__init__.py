"""Every setting of the indexer: frozen dataclasses with defaults, one file a table of the configuration file.

bot/config/loader.py fills them. `About` beside a field has its documentation and its limits. The loader checks the
limits, `config.example.toml` is rendered from them, and `afterimage check-config` shows them. `low` and `high` are
inclusive. Imports nothing of the indexer; start at settings.py.
"""

from indexer.settings.about import About as About
from indexer.settings.backup import BackupSettings as BackupSettings
from indexer.settings.captions import CaptionSettings as CaptionSettings
from indexer.settings.crawl import CrawlSettings as CrawlSettings
from indexer.settings.crawl import Keep as Keep
from indexer.settings.decode import MOST_FRAMES as MOST_FRAMES
from indexer.settings.decode import DecodeSettings as DecodeSettings
from indexer.settings.fetch import FetchSettings as FetchSettings
from indexer.settings.fleet import FleetSettings as FleetSettings
from indexer.settings.index import IndexSettings as IndexSettings
from indexer.settings.model import ModelSettings as ModelSettings
from indexer.settings.ocr import OcrSettings as OcrSettings
from indexer.settings.ray import RaySettings as RaySettings
from indexer.settings.rerank import RerankSettings as RerankSettings
from indexer.settings.search import SearchSettings as SearchSettings
from indexer.settings.settings import Settings as Settings
from indexer.settings.storage import StorageSettings as StorageSettings
from indexer.settings.thumbnails import ThumbnailSettings as ThumbnailSettings
