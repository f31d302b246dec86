"""`[captions]`: a sentence about each picture, by a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class CaptionSettings:
    """A sentence about each picture, made by a model."""

    enabled: Annotated[
        bool,
        About(
            "Have a model describe every picture in an English sentence, so that words find what a picture shows: while"
            " nobody asks, with the lowest priority. Needs torch and transformers (`pip install"
            " 'afterimage[captions]'` where the installation has no torch)."
        ),
    ] = False
    name: Annotated[
        str,
        About(
            "A BLIP model for captions: a repository of the hub, or a folder with its configuration, weights and"
            " tokenizer. Another name describes all pictures anew."
        ),
    ] = "Salesforce/blip-image-captioning-base"
    precision: Annotated[
        str,
        About(
            "auto: bfloat16 where the processor has it (float16 on cuda), for what looks at the picture.",
            choices=("auto", "float32", "bfloat16"),
        ),
    ] = "auto"
