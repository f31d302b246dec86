"""Every setting of the indexer: frozen dataclasses with defaults and units. bot/config.py fills them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which CLIP, on what."""

    name: str = "ViT-B-32-SigLIP2-256"  # an open_clip architecture, or the stem of `config_file`
    pretrained: str = "webli"  # an open_clip tag, or the path of a checkpoint
    config_file: Path | None = None  # a custom open_clip model config (JSON)
    cache_dir: Path | None = None  # where downloaded weights lie; None: the hub's own default
    device: str = "auto"  # auto | cpu | cuda | mps
    precision: str = "auto"  # auto | float32 | bfloat16 (float16 on cuda under auto)
    batch_size: int = 8  # pictures a batch; small, so that a query waits for one batch only
    threads: int = 0  # CPU threads for the model; 0: torch's own choice


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What may be downloaded."""

    max_download_bytes: int = 32 * 1024 * 1024  # bytes
    timeout_s: float = 30.0  # seconds for one file, connect to last byte
    concurrency: int = 8  # downloads at once
    extra_hosts: tuple[str, ...] = ()  # hosts beside Discord's own that may be contacted, exact names
    use_media_proxy: bool = True  # ask Discord's media proxy for a copy just above the model's input
    insecure_hosts: tuple[str, ...] = ()  # "host:port" reached over http on loopback: the sandbox only


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """The limits of a decode worker."""

    workers: int = 0  # processes; 0: min(cores, 4)
    max_pixels: int = 100_000_000  # width × height
    timeout_s: float = 20.0  # seconds for one picture
    memory_bytes: int = 2 * 1024**3  # address space of a worker beyond what it starts with


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """How history is read."""

    start: str = "manual"  # manual | auto
    messages: str = "pictures"  # pictures: only messages with pictures are stored | all: every message's text too
    concurrency: int = 4  # channels at once, over all guilds
    stickers: bool = False  # index stickers too


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The vector index."""

    engine: str = "auto"  # auto: mapped segments where faiss can be imported | direct: scan SQLite
    seal_rows: int = 8192  # rows of the tail that are sealed into a segment
    threads: int = 0  # scan threads; 0: min(cores, 4)
    purge_after_s: float = 86_400.0  # seconds until deleted vectors have left sealed files


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What a member may ask for."""

    default_count: int = 5
    max_count: int = 50


@dataclass(frozen=True, slots=True)
class Settings:
    data_dir: Path = Path("data")
    model: ModelSettings = field(default_factory=ModelSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    crawl: CrawlSettings = field(default_factory=CrawlSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
