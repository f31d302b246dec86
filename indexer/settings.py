"""Every setting of the indexer: frozen dataclasses with defaults. bot/config/loader.py fills them.

`About` beside a field has its documentation and its limits. The loader checks the limits, `config.example.toml` is
rendered from them, and `afterimage check-config` shows them. `low` and `high` are inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

MOST_FRAMES = 8  # of an animation, that are embedded
Keep = Literal["pictures", "all"]  # which messages are stored: see CrawlSettings.messages


@dataclass(frozen=True, slots=True)
class About:
    """What a setting means (one or two sentences), its unit, and which values it may have."""

    text: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which CLIP model runs, and on which device."""

    name: Annotated[str, About("An open_clip architecture, or the stem of `config_file`.")] = "ViT-B-32-SigLIP2-256"
    pretrained: Annotated[str, About("An open_clip tag, or the path of a checkpoint.")] = "webli"
    config_file: Annotated[Path | None, About("A custom open_clip model config (JSON); empty: none.")] = None
    resize_mode: Annotated[
        str,
        About(
            "How a picture becomes the model's square; auto: as open_clip knows it of the weights.",
            choices=("auto", "shortest", "squash", "longest"),
        ),
    ] = "auto"
    cache_dir: Annotated[
        Path | None, About("Where downloaded weights lie; empty: the hub's own default, or HF_HOME.")
    ] = None
    device: Annotated[
        str, About("Where the model runs; auto takes the best there is.", choices=("auto", "cpu", "cuda", "mps"))
    ] = "auto"
    precision: Annotated[
        str,
        About(
            "auto: bfloat16 where the processor has it and the result agrees with float32 (float16 on cuda). int8:"
            " by openvino, calibrated on the first pictures that are indexed, and used once it has passed on others.",
            choices=("auto", "float32", "bfloat16", "int8"),
        ),
    ] = "auto"
    batch_size: Annotated[
        int, About("Pictures a batch; small, so that a query waits for one batch only.", "pictures", low=1, high=1024)
    ] = 8
    runtime: Annotated[
        str,
        About(
            "What runs the model. openvino: on the processor, from an export that is made once; torch: on a GPU, or on"
            " the processor where no export can be made. auto: whichever fits the device.",
            choices=("auto", "openvino", "torch"),
        ),
    ] = "auto"
    folder: Annotated[
        Path | None,
        About(
            "A folder with an exported model, which then needs neither torch nor a download; `name`, `pretrained` and"
            " `config_file` are not asked. Empty: an export is made of the model that they name."
        ),
    ] = None
    export_dir: Annotated[
        Path | None, About("Where exports of models are kept; empty: the folder `models` of the data folder.")
    ] = None
    streams: Annotated[
        int,
        About("Batches at once on the processor, by openvino; 0: as a trial finds best.", "batches", low=0, high=8),
    ] = 0
    threads: Annotated[
        int, About("CPU threads for the model; 0: the runtime's own choice.", "threads", low=0, high=512)
    ] = 0
    idle_s: Annotated[
        float,
        About(
            "After how long without a question or a picture the model's process goes, and its memory with it; the next"
            " question brings it back. 0: never.",
            "seconds",
            low=0,
        ),
    ] = 900.0

    @property
    def local_folder(self) -> Path | None:
        """The folder that `name` names by open_clip's prefix: weights and configuration are read from there."""
        prefix = "local-dir:"
        return Path(self.name.removeprefix(prefix)) if self.name.startswith(prefix) else None


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What may be downloaded."""

    max_download_bytes: Annotated[
        int, About("The largest file that is downloaded, for history and for uploads.", "bytes", low=1024)
    ] = 32 * 1024 * 1024
    max_video_bytes: Annotated[
        int,
        About(
            "The largest video that is downloaded to find it by its frames, not by Discord's still picture of it alone."
            " Needs the extra `video`, and `decode.frames` above 1. 0: none is.",
            "bytes",
            low=0,
        ),
    ] = 25_000_000
    timeout_s: Annotated[
        float, About("The longest wait for one file, connect to last byte.", "seconds", low=1, high=600)
    ] = 30.0
    concurrency: Annotated[int, About("Downloads at once.", "downloads", low=1, high=256)] = 8
    extra_hosts: Annotated[
        tuple[str, ...], About("Hosts beside Discord's own that may be contacted, as exact names.")
    ] = ()
    use_media_proxy: Annotated[
        bool, About("Ask Discord's media proxy for a copy just above the model's input, not for the original.")
    ] = True
    insecure_hosts: Annotated[
        tuple[str, ...], About('"host:port" on loopback that is reached over plain http: for the sandbox only.')
    ] = ()


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """The limits of the processes that open pictures."""

    workers: Annotated[
        int,
        About(
            "Processes that open what is indexed; 0: as many as cores, at most 4. Two more are kept for questions.",
            "processes",
            low=0,
            high=256,
        ),
    ] = 0
    max_pixels: Annotated[int, About("The largest picture that is opened, width × height.", "pixels", low=1)] = (
        100_000_000
    )
    timeout_s: Annotated[
        float,
        About(
            "The longest processor time for one picture; for a question at most 3 seconds.",
            "seconds",
            low=0.1,
            high=600,
        ),
    ] = 5.0
    memory_bytes: Annotated[
        int,
        About(
            "Address space of a process beyond what it starts with; 0: so much that all of them together stay within a"
            " quarter of the machine's memory.",
            "bytes",
            low=0,
        ),
    ] = 0
    frames: Annotated[
        int,
        About(
            "Frames by which an animation is found: those that together look most like all of it. 1: only the one that"
            " shows most.",
            "frames",
            low=1,
            high=MOST_FRAMES,
        ),
    ] = 3


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """How history is read."""

    start: Annotated[
        str,
        About(
            "manual: nothing is read until someone with Manage Server gives /reindex start; auto: at once.",
            choices=("manual", "auto"),
        ),
    ] = "manual"
    messages: Annotated[
        str,
        About(
            "pictures: only messages that show pictures are stored; all: every message's text too, for word search.",
            choices=("pictures", "all"),
        ),
    ] = "pictures"
    concurrency: Annotated[int, About("Channels read at once, over all servers.", "channels", low=1, high=64)] = 4
    stickers: Annotated[bool, About("Index stickers too.")] = False
    bots: Annotated[
        bool,
        About(
            "Index what other bots and webhooks post; false also removes what was indexed of them. This bot's own"
            " messages are never indexed."
        ),
    ] = True
    use_search: Annotated[
        bool,
        About(
            "Find pictures by Discord's own search in channels where few messages show any: several times fewer"
            " requests, checked against samples of the history."
        ),
    ] = True
    sweep_per_minute: Annotated[
        float,
        About(
            "Pages of history looked at again to find what was deleted or edited while the bot was away; 0: never.",
            "requests a minute",
            low=0,
            high=300,
        ),
    ] = 6.0
    sweep_again_days: Annotated[float, About("How long a message counts as checked.", "days", low=0.01, high=365)] = 7.0

    @property
    def keep(self) -> Keep:
        return "all" if self.messages == "all" else "pictures"


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The vector index."""

    engine: Annotated[
        str,
        About(
            "auto: memory-mapped segments where faiss can be imported; direct: always scan SQLite.",
            choices=("auto", "direct"),
        ),
    ] = "auto"
    seal_rows: Annotated[
        int, About("Vectors held in memory before they are sealed into a segment.", "vectors", low=16)
    ] = 8192
    threads: Annotated[int, About("Threads of one search; 0: as many as cores, at most 4.", "threads", low=0)] = 0
    purge_after_s: Annotated[
        float, About("The longest time until deleted vectors have left the files.", "seconds", low=0)
    ] = 86_400.0


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How many hits a search gives, and how much words count."""

    default_count: Annotated[int, About("Hits when a member does not say how many.", "hits", low=1, high=100)] = 5
    max_count: Annotated[int, About("The most hits a member may ask for.", "hits", low=1, high=100)] = 50
    words_weight: Annotated[
        float, About("How much what a message says counts against what its picture shows; 0: not.", low=0, high=10)
    ] = 1.0
    compare_downloads: Annotated[
        int,
        About(
            "Small copies a minute that are downloaded in the background, to tell by their pixels which posted pictures"
            " are copies of one another. 0: only what is on this machine is compared.",
            "pictures",
            low=0,
            high=600,
        ),
    ] = 6


@dataclass(frozen=True, slots=True)
class RerankSettings:
    """A second, slower model that looks at the best hits once more and orders them anew."""

    kind: Annotated[
        str,
        About(
            "What the second model is. off: there is none. open_clip: any model of open_clip, best a larger one than"
            " the first. blip2, blip: image-text matching by transformers; blip is the one that a processor can bear.",
            choices=("off", "open_clip", "blip2", "blip"),
        ),
    ] = "off"
    name: Annotated[
        str,
        About(
            "An open_clip architecture, or the stem of `config_file`; of blip2 and blip a repository of the hub, or a"
            " folder. Empty: ViT-L-16-SigLIP2-256, Salesforce/blip2-itm-vit-g, Salesforce/blip-itm-base-coco."
        ),
    ] = ""
    pretrained: Annotated[str, About("Of open_clip: a tag, or the path of a checkpoint.")] = "webli"
    config_file: Annotated[Path | None, About("A custom open_clip model config (JSON); empty: none.")] = None
    folder: Annotated[
        Path | None,
        About("Of open_clip: a folder with an exported model, which needs neither torch nor a download; empty: none."),
    ] = None
    precision: Annotated[
        str,
        About(
            "auto: bfloat16 where the processor has it and the result agrees with float32 (float16 on cuda).",
            choices=("auto", "float32", "bfloat16"),
        ),
    ] = "auto"
    candidates: Annotated[
        int, About("How many of the first stage's hits the second model looks at.", "pictures", low=10, high=200)
    ] = 100
    keep: Annotated[
        int,
        About(
            "How many of them lead the answer in the new order; what follows keeps the first stage's.",
            "hits",
            low=1,
            high=50,
        ),
    ] = 10
    fusion: Annotated[
        str,
        About(
            "replace: the second model orders alone. weighted: both scores, each calibrated over the candidates."
            " rank: both ranks.",
            choices=("replace", "weighted", "rank"),
        ),
    ] = "weighted"
    weight: Annotated[
        float, About("What the second model counts in `weighted` and `rank`; 0: not, 1: alone.", "share", low=0, high=1)
    ] = 0.5
    budget_s: Annotated[
        float,
        About(
            "The longest wait for the second model; after it the first stage's order stands.",
            "seconds",
            low=0.1,
            high=15,
        ),
    ] = 2.0
    batch_size: Annotated[
        int, About("Pictures at once; halved by itself where memory is short.", "pictures", low=1, high=32)
    ] = 8
    downloads: Annotated[
        int,
        About("Small copies that one question may download for the second model to see.", "pictures", low=0, high=100),
    ] = 10
    cache_bytes: Annotated[
        int,
        About("The most room for what the second model made of pictures; the oldest go.", "bytes", low=10_000_000),
    ] = 500_000_000
    idle_s: Annotated[
        float,
        About("After how long without a question the second model goes, and its memory with it.", "seconds", low=1),
    ] = 300.0

    @property
    def enabled(self) -> bool:
        return self.kind != "off"


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """The disk."""

    min_free_bytes: Annotated[
        int,
        About(
            "Indexing rests while the disk has less room than this, and goes on by itself; questions are answered and"
            " deletions carried out meanwhile. 0: the disk may be filled.",
            "bytes",
            low=0,
        ),
    ] = 200_000_000


@dataclass(frozen=True, slots=True)
class ThumbnailSettings:
    """Small copies of indexed pictures that are kept on the disk: for reports, previews and the console."""

    keep: Annotated[
        str,
        About(
            "Of which pictures a copy is kept (WebP, 256 pixels). imported: of archives and folders of pictures; all:"
            " also of what Discord shows; off: of none, and those there are go at the next start.",
            choices=("off", "imported", "all"),
        ),
    ] = "imported"
    max_bytes: Annotated[
        int,
        About("The most room that the copies take; where it is not enough, the oldest go.", "bytes", low=10_000_000),
    ] = 1_000_000_000


@dataclass(frozen=True, slots=True)
class OcrSettings:
    """Words inside pictures: screenshots, memes, scans."""

    enabled: Annotated[
        bool,
        About(
            "Read the words in every picture, so that a search finds them: while nobody asks, on one processor core"
            " with the lowest priority. Needs `pip install 'afterimage[ocr]'`."
        ),
    ] = False
    languages: Annotated[
        tuple[str, ...],
        About(
            "The languages that the pictures are in, as codes (en, de, ja, zh): the start fails where the model does"
            " not read one of them. Empty: whatever it reads. The one that comes along knows 45 languages in Latin"
            " letters, Chinese and Japanese, but no Cyrillic, Arabic or Korean."
        ),
    ] = ()
    models: Annotated[
        Path | None,
        About(
            "A folder with another recognition model of PaddleOCR, as rec.onnx (and det.onnx, keys.txt), for another"
            " script. Empty: the models that come with rapidocr."
        ),
    ] = None
    min_confidence: Annotated[
        float,
        About(
            "A line that the model is less sure of is left out: 0 is a guess, 1 certain.", "certainty", low=0, high=1
        ),
    ] = 0.6
    max_pixels: Annotated[
        int,
        About("A larger picture is shrunk to this before it is read.", "pixels", low=250_000, high=4_000_000),
    ] = 2_000_000


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """The daily backup that the running bot makes by itself."""

    keep: Annotated[
        int,
        About(
            "How many daily backups stay; one is made where something has changed, and the oldest goes. What is"
            " deleted stays in them for at most so many days and two more. 0: none is made.",
            "backups",
            low=0,
            high=365,
        ),
    ] = 3
    folder: Annotated[
        Path | None,
        About(
            "Where daily backups lie: best a folder on another disk, which must be there. Empty: `backups` in the data"
            " folder."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. A field that is a dataclass is a table of the configuration file; other fields are at its top."""

    data_dir: Annotated[Path, About("The folder for everything the bot keeps; a running bot locks it.")] = Path("data")
    model: ModelSettings = field(default_factory=ModelSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    decode: DecodeSettings = field(default_factory=DecodeSettings)
    crawl: CrawlSettings = field(default_factory=CrawlSettings)
    index: IndexSettings = field(default_factory=IndexSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    rerank: RerankSettings = field(default_factory=RerankSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    thumbnails: ThumbnailSettings = field(default_factory=ThumbnailSettings)
    ocr: OcrSettings = field(default_factory=OcrSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)

    def with_exports(self, model: ModelSettings) -> ModelSettings:
        """The same model, with the folder that its exports are kept in."""
        return replace(model, export_dir=(model.export_dir or self.data_dir / "models").expanduser())
