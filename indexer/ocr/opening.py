"""Opens what reads words, in the bot or in a command. Where `ocr.enabled` is false, nothing of it is imported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from indexer.backoff import Backoff
from indexer.database.database import Database
from indexer.hit_pictures import HitPictures
from indexer.ocr.requests import NAME, OcrRequests
from indexer.questions import Questions
from indexer.settings import Settings

if TYPE_CHECKING:
    from indexer.ocr.lane import OcrLane
    from indexer.ocr.models import Models

Work = tuple[str, Callable[[], Awaitable[None]], Backoff | None]


def required_models(settings: Settings) -> Models | None:
    """The models that `ocr` names; None where it is off. Raises ConfigError where they are not there."""
    if not settings.ocr.enabled:
        return None
    from indexer.ocr.models import find_models

    return find_models(settings.ocr.models, settings.ocr.languages)


@asynccontextmanager
async def open_ocr(
    models: Models | None,
    settings: Settings,
    db: Database,
    pictures: HitPictures,
    questions: Questions,
    requests: OcrRequests,
    *,
    connected: bool,
) -> AsyncIterator[list[Work]]:
    """The background work that reads words, by name, for the supervisor: to be cancelled before the block ends.

    `connected`: this process can have pictures from Discord.
    """
    if models is None:
        yield []
        return
    from indexer.ocr.lane import RESTARTS

    async with _lane(models, settings, db, pictures, questions, requests, archives_only=not connected) as lane:
        yield [(NAME, lane.run, RESTARTS), ("making room for questions", lane.make_room, None)]


async def read_archives(settings: Settings, requests: OcrRequests, told: Callable[[Mapping[str, int]], None]) -> None:
    """Reads every picture of which an archive has a file, and returns. `told` gets the counts after each picture.

    Raises ConfigError where the reader is not there, RetryLater where it cannot be started or files cannot be had.
    """
    from indexer.ocr.models import find_models

    models = find_models(settings.ocr.models, settings.ocr.languages)
    pictures = HitPictures(settings.fetch.max_download_bytes)
    async with _lane(models, settings, requests.db, pictures, Questions(), requests, archives_only=True) as lane:
        await lane.begin()
        while (picture_id := await lane.next_picture()) is not None:
            await lane.read(picture_id)
            told(await requests.counts())


@asynccontextmanager
async def _lane(
    models: Models,
    settings: Settings,
    db: Database,
    pictures: HitPictures,
    questions: Questions,
    requests: OcrRequests,
    *,
    archives_only: bool,
) -> AsyncIterator[OcrLane]:
    from indexer.ocr.files import Files
    from indexer.ocr.lane import OcrLane
    from indexer.ocr.reader_process import ReaderSettings, open_readers

    ocr = settings.ocr
    async with open_readers(ReaderSettings(models, ocr.max_pixels, settings.decode.max_pixels)) as readers:
        yield OcrLane(
            db,
            readers,
            Files(pictures, ocr.max_pixels),
            questions,
            requests,
            reader=f"{models.name}, {ocr.max_pixels} pixels",
            min_confidence=ocr.min_confidence,
            archives_only=archives_only,
        )
