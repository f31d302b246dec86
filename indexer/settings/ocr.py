"""`[ocr]`: words inside pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from indexer.settings.about import About


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
