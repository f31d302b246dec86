"""A library whose searches have a second stage: a second model that sees more than the first, and files to see."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.database.database import Database, open_database
from indexer.errors import NoMemory
from indexer.features.kept_features import KeptFeatures
from indexer.pictures.decoder import Decoder
from indexer.ports import Priority, Reranker
from indexer.records.ids import GuildId, MessageId, PlaceId
from indexer.records.pictures import DecodedPicture, ModelSpec, Pixels, Vectors
from indexer.reranking import open_reranking
from indexer.search.candidate_features import PictureFiles
from indexer.search.dual_reranker import DualReranker
from indexer.search.rerank import Rerank
from indexer.search.search import Searcher
from indexer.search.second_model import OpenReranker
from indexer.settings import DecodeSettings, RerankSettings, SearchSettings, Settings
from indexer.supervisor import Faults
from tests.worlds.library import DIMENSION, ConceptEncoder, Library, frame, seen
from tests.worlds.migrated import migrated
from tests.worlds.waiting import DEADLINE_S


class OrderedEncoder(ConceptEncoder):
    """It knows the order of words too, as pairs of neighbours, which the first model does not.

    There is memory for `memory` pictures at once. `gate`: pictures wait for it. `error` is raised instead of an answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pictures = 0
        self.memory = 1_000
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec("second", "by-hand", DIMENSION, "01")

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        if len(frames) > self.memory:
            raise NoMemory("too many at once")
        self.pictures += len(frames)
        told = [frame_.tobytes().rstrip(b"\0").decode() for frame_ in frames]
        return np.stack([seen(_with_pairs(what)) for what in told])

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        return await super().encode_words([_with_pairs(text) for text in texts], priority)


def _with_pairs(what: str) -> str:
    words = what.split()
    return " ".join([*words, *(f"{left}~{right}" for left, right in pairwise(words))])


def png_of(what: str) -> bytes:
    """A file of which a reader makes `frame(what)`."""
    file = io.BytesIO()
    Image.fromarray(frame(what)).save(file, "PNG")
    return file.getvalue()


class TwoStages(Library):
    """Each place has a file that shows what was posted, but for those in `away` (message ids). `asked`: the places that
    files were asked of; those that only Discord has (`remote`) count as `downloaded`.
    """

    def __init__(self, db: Database, folder: Path) -> None:
        super().__init__(db, folder)
        self.second = OrderedEncoder()
        self.faults = Faults()
        self.files: dict[MessageId, bytes] = {}
        self.away: set[MessageId] = set()
        self.remote: set[MessageId] = set()
        self.asked: list[PlaceId] = []
        self.downloaded = 0
        self.stage: Rerank

    async def show(self, what: str, **more: object) -> MessageId:
        """Posts a picture and its file."""
        message_id = await self.post(what, **more)  # type: ignore[arg-type]  # the test names them
        self.files[message_id] = png_of(what.split(" #")[0])
        return message_id

    async def nearby(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        self.asked.append(place_id)
        message_id = await self._message(place_id)
        return None if message_id in self.away | self.remote else self.files.get(message_id)

    async def file(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        message_id = await self._message(place_id)
        if message_id in self.remote:
            self.downloaded += 1
        return None if message_id in self.away else self.files.get(message_id)

    async def _message(self, place_id: PlaceId) -> MessageId:
        async with self.db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT message_id FROM places WHERE place_id = ?", (place_id,))
        ((message_id,),) = rows
        return MessageId(message_id)

    @asynccontextmanager
    async def open_second(self) -> AsyncIterator[Reranker]:
        yield DualReranker(self.second)

    def opened(self, what: DecodedPicture) -> bytes:
        """The small copy of a picture that is asked with."""
        return png_of(what.frames[0].tobytes().rstrip(b"\0").decode())


@asynccontextmanager
async def two_stages(
    folder: Path, settings: RerankSettings | None = None, open_reranker: OpenReranker | None = None
) -> AsyncIterator[TwoStages]:
    """Open, with nothing posted. Time is no matter unless `settings` say so."""
    chosen = settings or RerankSettings(budget_s=DEADLINE_S)
    everything = Settings(data_dir=folder, decode=DecodeSettings(workers=1), rerank=replace(chosen, kind="open_clip"))
    async with open_database(migrated(folder)) as db:
        library = TwoStages(db, folder / "segments")
        await library.open()
        async with searching(library, everything, open_reranker):
            yield library
        library.index.close()


@asynccontextmanager
async def searching(
    library: TwoStages, settings: Settings, open_reranker: OpenReranker | None = None
) -> AsyncIterator[None]:
    """The library's searcher, as a bot has it between two starts."""
    kept = KeptFeatures(library.db, settings)

    def files(_: Decoder) -> PictureFiles:
        return library

    opener = open_reranker or library.open_second
    async with kept, open_reranking(library.db, settings, kept, files, library.faults, opener) as stage:
        library.stage = stage
        library.searcher = Searcher(
            library.db, library.index, library.encoder, library.model_id, SearchSettings(), None, stage
        )
        yield
