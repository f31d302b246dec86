"""A guild's index made by hand, through the real storage, and an encoder whose results are easy to predict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from indexer.database.database import Database
from indexer.ports import Priority
from indexer.query.query import Query
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PictureId, UserId, ms_snowflake
from indexer.records.messages import NO_FLAGS, Channel, ChannelKind, Guild, Message, PictureRef, PlaceFlag, Source
from indexer.records.pictures import (
    DecodedPicture,
    EmbeddedFrame,
    ModelSpec,
    Moment,
    Pixels,
    PixelSpec,
    Vectors,
)
from indexer.search.baseline_sentences import BASELINE_SENTENCES
from indexer.search.search import Searcher
from indexer.settings import IndexSettings, SearchSettings
from indexer.store import channels, embeddings, frames, guilds, messages, picture_texts, pictures, places
from indexer.vectors.index import VectorIndex

DIMENSION = 256
GUILD = GuildId(100)
MEMES, PETS, SECRET = ChannelId(201), ChannelId(202), ChannelId(203)
ANNA, BEN = UserId(301), UserId(302)
DAY_MS = 86_400_000
START_MS = 1_700_000_000_000


class ConceptEncoder:
    """Each word is a random direction. A text is the sum of its words; a frame is the sum of the words named in its
    pixels.

    As in a real model, words and pictures are apart: each of the two has an offset of its own.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, Priority]] = []

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec("concepts", "by-hand", DIMENSION, "00")

    @property
    def pixel_spec(self) -> PixelSpec:
        return PixelSpec(size=32)

    @property
    def awake(self) -> bool:
        return True

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        self.asked += [("pixels", priority)] * len(frames)
        return np.stack([seen(_told(frame)) for frame in frames])

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        self.asked += [(text, priority) for text in texts]
        return np.stack([_unit(_meaning(text) + 0.5 * _direction("(words)")) for text in texts])


def _told(frame: Pixels) -> str:
    """The words in a frame's pixels. A frame that was cropped or scaled contains none."""
    try:
        return frame.tobytes().rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return "(cut)"


def _direction(word: str) -> Vectors:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return _unit(np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32))


def _meaning(text: str) -> Vectors:
    total = np.zeros(DIMENSION, np.float32)
    for word in text.lower().split():
        total += _direction(word)
    return total


def _unit(vector: Vectors) -> Vectors:
    unit: Vectors = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def seen(what: str) -> Vectors:
    """The vector of a picture that shows these words."""
    return _unit(_meaning(what) + _direction("(pictures)"))


def frame(what: str) -> Pixels:
    """A frame that the encoder takes for a picture of these words."""
    raw = what.encode().ljust(32 * 32 * 3, b"\0")
    return np.frombuffer(raw, np.uint8).reshape(32, 32, 3)


def decoded(what: str, *, perceptual_hash: int | None = None, colours: bytes = b"") -> DecodedPicture:
    digest = hashlib.sha256(what.encode()).digest()
    if perceptual_hash is None:
        perceptual_hash = int.from_bytes(digest[:8], "big")
    return DecodedPicture(digest, (frame(what.split(" #")[0]),), 640, 480, "PNG", 1, 1000, perceptual_hash, colours)


def animated(*scenes: str) -> DecodedPicture:
    """An animation of these scenes, each of 7 seconds. The second one stands for it."""
    stills = [decoded(what) for what in scenes]
    order = [1, *(at for at in range(len(scenes)) if at != 1)]
    moments = tuple(Moment(7_000 * at, stills[at].perceptual_hash) for at in order)
    first = stills[1]
    return replace(first, frames=tuple(stills[at].frames[0] for at in order), frame_count=90, moments=moments)


def flipped(bits: int, rng: Random, count: int) -> int:
    """The hash with `count` of its 64 bits turned over."""
    for at in rng.sample(range(64), count):
        bits ^= 1 << at
    return bits


class Library:
    """Posts messages with pictures and searches them."""

    def __init__(self, db: Database, folder: Path, engine: str = "auto") -> None:
        self.db = db
        self.encoder = ConceptEncoder()
        self.index = VectorIndex(db.path, folder, IndexSettings(engine=engine))
        self.model_id = ModelId(0)
        self.searcher: Searcher
        self._last = 0

    async def open(self) -> None:
        async with self.db.transaction() as tx:
            await guilds.upsert(tx, Guild(GUILD, "guild"))
            self.model_id = await embeddings.model_id(tx, self.encoder.spec)
            await channels.upsert(
                tx,
                [
                    Channel(channel_id, GUILD, ChannelKind.TEXT, name)
                    for channel_id, name in ((MEMES, "memes"), (PETS, "pets"), (SECRET, "secret"))
                ],
            )
        self.searcher = Searcher(self.db, self.index, self.encoder, self.model_id, SearchSettings())

    async def post(
        self,
        *shown: str | DecodedPicture,
        say: str = "",
        channel: ChannelId = MEMES,
        author: UserId = ANNA,
        day: float | None = None,
        flags: PlaceFlag = NO_FLAGS,
        names: Sequence[str] = (),
        alt: str = "",
    ) -> MessageId:
        """A message that shows these pictures.
        Days count from START_MS; each message is later than the previous one.
        """
        self._last += 1
        at_ms = START_MS + self._last * 1000 if day is None else START_MS + round(day * DAY_MS)
        message_id = MessageId(ms_snowflake(at_ms) + self._last)
        decoded_pictures = [picture if isinstance(picture, DecodedPicture) else decoded(picture) for picture in shown]
        refs = tuple(
            PictureRef(
                ordinal,
                Source.ATTACHMENT,
                f"https://cdn.discordapp.com/attachments/{channel}/{message_id}/{ordinal}.png",
                f"https://cdn.discordapp.com/attachments/{channel}/{message_id}/{ordinal}.png?ex=1",
                file_name=names[ordinal] if ordinal < len(names) else f"{ordinal}.png",
                alt_text=alt,
                flags=flags,
            )
            for ordinal in range(len(shown))
        )
        message = Message(message_id, channel, GUILD, author, f"user-{author}", say, None, refs)
        async with self.db.transaction() as tx:
            stored = await messages.store(tx, [message], keep="all", seen_ms=0)
            for place, picture in zip(stored.new_places, decoded_pictures, strict=True):
                picture_id = await pictures.add(tx, picture)
                await places.attach(tx, place.id, picture_id)
                vector, *others = await self.encoder.encode_pixels(picture.frames)
                await embeddings.add(tx, self.model_id, [(picture_id, vector)])
                if picture.moments:
                    first, *moments = picture.moments
                    further = tuple(map(EmbeddedFrame, moments, others))
                    await frames.put(tx, self.model_id, [frames.Animation(picture_id, first.at_ms, 3, further)])
        return message_id

    async def says(self, message_id: MessageId, body: str, kind: str = "ocr") -> None:
        """Stores this text for the first picture of the message."""
        picture_id = await self.picture_of(message_id)
        async with self.db.transaction() as tx:
            assert await picture_texts.put(tx, picture_id, kind, body)

    async def picture_of(self, message_id: MessageId) -> PictureId:
        async with self.db.reader() as connection:
            ((picture_id,),) = await connection.execute_fetchall(
                "SELECT picture_id FROM places WHERE message_id = ? AND ordinal = 0", (message_id,)
            )
        return PictureId(picture_id)

    async def noise(self, count: int, channel: ChannelId = PETS) -> None:
        """Pictures of things that no test searches for, so that the guild has a distribution of scores."""
        for number in range(count):
            thing = BASELINE_SENTENCES[-1 - number % 60]
            await self.post(f"{thing} clutter{number}", channel=channel)


def everywhere(**narrowed: object) -> Filter:
    return Filter(frozenset({MEMES, PETS}), **narrowed)  # type: ignore[arg-type]  # the test names the fields


def ask(words: str = "", *pictures_shown: str, **more: object) -> Query:
    """A query over the two public channels."""
    allowed = more.pop("filter", everywhere())
    assert isinstance(allowed, Filter)
    query = Query.for_pictures(GUILD, allowed, tuple(decoded(what) for what in pictures_shown), words)
    return replace(query, **more)  # type: ignore[arg-type]  # the test names the fields
