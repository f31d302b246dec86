"""Models that we have looked at, by a short name: `model.name = "quality"` is one of them.

`recall` is the published share of COCO's captions whose own picture comes first among 5,000 (text → image, recall@1,
percent), by `source`; nothing of it was measured here. Imports nothing that loads a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SIGLIP2: Final = "SigLIP 2, arXiv 2502.14786, table 1"
_OPEN_CLIP: Final = "open_clip, docs/openclip_retrieval_results.csv"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """`architecture` and `tag` are open_clip's names. `bytes` is what the weights take in float32, as they are
    downloaded; `input_size` is in pixels."""

    name: str
    architecture: str
    tag: str
    licence: str
    dimension: int
    input_size: int
    bytes: int
    recall: float | None
    source: str
    good_for: str


DEMO: Final = "demo"

CATALOGUE: Final = {
    model.name: model
    for model in (
        ListedModel(
            "default", "ViT-B-32-SigLIP2-256", "webli", "Apache-2.0", 768, 256, 1_507_000_000, 47.2, _SIGLIP2,
            "many languages, fast on two cores",
        ),
        ListedModel(
            "english", "ViT-B-32-256", "datacomp_s34b_b86k", "MIT", 512, 256, 605_000_000, 39.9, _OPEN_CLIP,
            "English only: less than half the download and memory",
        ),
        ListedModel(
            "quality", "ViT-B-16-SigLIP2", "webli", "Apache-2.0", 768, 224, 1_501_000_000, 52.1, _SIGLIP2,
            "many languages, finds more; three times the work of default",
        ),
        ListedModel(
            "gpu", "ViT-L-16-SigLIP2-256", "webli", "Apache-2.0", 1024, 256, 3_526_000_000, 54.7, _SIGLIP2,
            "many languages, finds most; wants a graphics card",
        ),
        ListedModel(
            DEMO, "afterimage-demo", "", "MIT", 192, 64, 12_076_626, None, "",
            "the made-up server of the demo; it knows drawn pictures only",
        ),
    )
}  # fmt: skip


def listed(architecture: str, tag: str) -> ListedModel | None:
    """The catalogue's entry of a model that is configured by its own names."""
    return next((model for model in CATALOGUE.values() if (model.architecture, model.tag) == (architecture, tag)), None)
