"""The reader of words that the settings ask for."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from indexer.picture_texts.ocr.lines import reading_of
from indexer.picture_texts.ocr.models import Models, find_models
from indexer.picture_texts.ocr.reader_process import Readers, ReaderSettings, open_readers
from indexer.picture_texts.reading import PictureReader, Reading
from indexer.records.picture_texts import TextKind
from indexer.settings import OcrSettings, Settings

# Of the square root of max_pixels, on the shorter side. A copy has 1.3 times what is asked for
# (indexer/pictures/hosts.py), so one of 16 : 9 has about max_pixels. The process shrinks what is larger.
_SHORTER_SIDE = 0.57


class OcrReader:
    """Reads the words of a picture. Belongs to one event loop."""

    kind: Final = TextKind.OCR

    def __init__(self, readers: Readers, models: Models, settings: OcrSettings) -> None:
        self._readers = readers
        self._min_confidence = settings.min_confidence
        self.name = f"{models.name}, {settings.max_pixels} pixels"
        self.least_px = round(math.sqrt(settings.max_pixels) * _SHORTER_SIDE)
        self.halt, self.go_on, self.rest = readers.halt, readers.go_on, readers.rest

    async def read(self, data: bytes) -> Reading:
        """The words that the models are sure enough of. Raises as Readers.read."""
        return reading_of(await self._readers.read(data), self._min_confidence)


def ocr_reader(settings: Settings) -> Callable[[], AbstractAsyncContextManager[PictureReader]]:
    """Opens the reader, whose process ends with the block. Raises ConfigError where its models are not there."""
    models = find_models(settings.ocr.models, settings.ocr.languages)
    of_process = ReaderSettings(models, settings.ocr.max_pixels, settings.decode.max_pixels)

    @asynccontextmanager
    async def opened() -> AsyncIterator[PictureReader]:
        async with open_readers(of_process) as readers:
            yield OcrReader(readers, models, settings.ocr)

    return opened
