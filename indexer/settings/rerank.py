"""`[rerank]`: the second model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from indexer.settings.about import About


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
