"""Opens what reads pictures, in the bot or in a command. Of what is switched off nothing is imported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from indexer.backoff import Backoff
from indexer.database.database import Database
from indexer.hit_pictures import HitPictures
from indexer.picture_texts.requests import TextRequests
from indexer.questions import Questions
from indexer.records.picture_texts import TextKind
from indexer.settings import Settings
from indexer.supervisor import Faults

if TYPE_CHECKING:
    from indexer.picture_texts.reading import PictureReader

NAME = "texts of pictures"  # of this work among the faults

Work = tuple[str, Callable[[], Awaitable[None]], Backoff | None]
OpenReader = Callable[[], "AbstractAsyncContextManager[PictureReader]"]


def wanted_readers(settings: Settings) -> list[OpenReader]:
    """A way to open each reader that is switched on. Raises ConfigError where what it needs is not there."""
    wanted = [(TextKind.OCR, settings.ocr.enabled), (TextKind.CAPTION, settings.captions.enabled)]
    return [_reader(settings, kind) for kind, enabled in wanted if enabled]


def _reader(settings: Settings, kind: TextKind) -> OpenReader:
    if kind is TextKind.OCR:
        from indexer.picture_texts.ocr.reader import ocr_reader

        return ocr_reader(settings)
    from indexer.picture_texts.captions.captioner import captioner

    return captioner(settings)


@asynccontextmanager
async def open_lane(
    readers: Sequence[OpenReader],
    db: Database,
    pictures: HitPictures,
    questions: Questions,
    changed: asyncio.Event,
    faults: Faults,
    *,
    connected: bool,
) -> AsyncIterator[list[Work]]:
    """The background work that reads pictures, by name, for the supervisor: to be cancelled before the block ends.

    `changed` is set when somebody has wished for something. `connected`: this process can have pictures from Discord.
    """
    if not readers:
        yield []
        return
    from indexer.picture_texts.files import Files
    from indexer.picture_texts.lane import RESTARTS, PictureTextLane

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(open_reader()) for open_reader in readers]
        lane = PictureTextLane(db, opened, Files(pictures), questions, changed, faults, archives_only=not connected)
        yield [(NAME, lane.run, RESTARTS), ("making room for questions", lane.make_room, None)]


async def read_archives(settings: Settings, requests: TextRequests, told: Callable[[Mapping[str, int]], None]) -> None:
    """Makes these texts of every picture of which an archive has a file, and returns. `told` gets the counts after each
    picture.

    Raises ConfigError where the reader is not there, RetryLater where it cannot be started or files cannot be had.
    """
    from indexer.picture_texts.files import Files
    from indexer.picture_texts.lane import PictureTextLane

    files = Files(HitPictures(settings.fetch.max_download_bytes))
    async with _reader(settings, requests.kind)() as reader:
        lane = PictureTextLane(
            requests.db, [reader], files, Questions(), requests.changed, Faults(), archives_only=True
        )
        await lane.begin()
        while (picture_id := await lane.next_picture()) is not None:
            await lane.read(picture_id)
            told(await requests.counts())
