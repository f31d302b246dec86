"""What handlers work with: the open service, the configuration, and what the bot says of itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.config.tables import Config
from bot.observability.health import Beat
from bot.web.api.admission import Admission
from bot.web.probes import Check
from indexer.imports.archive_folder import ArchiveFolder
from indexer.lru import LruCache
from indexer.records.api_keys import KeyId
from indexer.records.hits import Filter
from indexer.records.ids import GuildId
from indexer.search.reposts import Compared
from indexer.service import Service

if TYPE_CHECKING:
    from indexer.bundle_exports import BundleExports
    from indexer.imports.archive_imports import ArchiveImports
    from indexer.imports.archive_uploads import ArchiveUploads

COMPARISONS = 16  # of /duplicates, kept for their next pages: up to 160 KB each
COMPARED_S = 120.0  # seconds; a picture that came since is compared after that


@dataclass(frozen=True, slots=True)
class Archives:
    """The folder that may be imported from, and what comes out of it and into it. `uploads` None: they are off."""

    folder: ArchiveFolder
    imports: ArchiveImports
    uploads: ArchiveUploads | None


Comparison = tuple[GuildId, Filter, float]


@dataclass(slots=True)
class Parts:
    """`ending` is set when the service is about to close: streams end then.

    `opens`: messages are Discord's, so that links to them open. `streams`: how many each key has open.
    """

    service: Service
    config: Config
    version: str
    started_ms: int
    beat: Callable[[], Beat]
    checks: Callable[[], Sequence[Check]]
    opens: bool
    bundles: BundleExports
    admission: Admission
    archives: Archives | None = None
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    streams: Counter[KeyId] = field(default_factory=Counter)
    comparisons: LruCache[Comparison, Compared] = field(default_factory=lambda: LruCache(COMPARISONS, COMPARED_S))
