"""The second stage of searches, as it is configured: opened by the running service and by a search that only reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from indexer.database.database import Database
from indexer.encode.encoder import open_encoder
from indexer.features.kept_features import KeptFeatures
from indexer.pictures.decoder import Decoder, open_decoder
from indexer.ports import Reranker
from indexer.search.candidate_features import CandidateFeatures, PictureFiles
from indexer.search.dual_reranker import DualReranker
from indexer.search.joint_reranker import JointReranker
from indexer.search.rerank import Rerank
from indexer.search.second_model import OpenReranker, SecondModel
from indexer.settings import Settings
from indexer.supervisor import Faults

DEFAULTS: Final = {
    "open_clip": "ViT-L-16-SigLIP2-256",
    "blip2": "Salesforce/blip2-itm-vit-g",
    "blip": "Salesforce/blip-itm-base-coco",
}
MATCHING = "indexer.encode.matching_worker"
READERS = 1  # of indexing, which the second model's readers do not do; two more are for questions


@asynccontextmanager
async def open_reranking(
    db: Database,
    settings: Settings,
    kept: KeptFeatures,
    files: Callable[[Decoder], PictureFiles],
    faults: Faults,
    open_reranker: OpenReranker | None = None,
) -> AsyncIterator[Rerank]:
    """The stage, whose model is opened by its first question and goes with the block. `open_reranker` stands in for the
    configured one. `files` gets the readers that are open beside the model.
    """
    open_readers = partial(open_decoder, replace(settings.decode, workers=READERS, frames=1))
    model = SecondModel(open_reranker or (lambda: _configured(settings)), open_readers, settings.rerank.idle_s, faults)
    try:
        yield Rerank(db, settings.rerank, model, CandidateFeatures(kept, files), faults)
    finally:
        await model.close()


@asynccontextmanager
async def _configured(settings: Settings) -> AsyncIterator[Reranker]:
    """The model in a process of its own, on the runtime and device of the first. Raises ModelUnavailable."""
    chosen = settings.rerank
    model = replace(
        settings.model,
        name=chosen.name or DEFAULTS[chosen.kind],
        pretrained=chosen.pretrained,
        config_file=chosen.config_file,
        folder=chosen.folder,
        precision=chosen.precision,
        batch_size=chosen.batch_size,
        resize_mode="auto",
        streams=0,
        idle_s=0.0,  # SecondModel lets it go
    )
    model = settings.with_exports(model)
    if chosen.kind == "open_clip":
        async with open_encoder(model) as encoder:
            yield DualReranker(encoder, lambda: encoder.pid)
    else:
        async with open_encoder(model, worker=MATCHING) as matcher:
            yield JointReranker(matcher)
