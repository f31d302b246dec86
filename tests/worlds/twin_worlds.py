"""Two worlds that differ only in what one member may not see, written through the real storage.

The visible parts are the same, in the same order. The hidden parts are around and between them, and differ between the
two worlds: other channels, a private thread, another server, authors who opted out, deleted messages, pictures that
wait or failed, questions of other members, and segments sealed at other times.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiosqlite
import numpy as np

from indexer.database.database import Database, open_database
from indexer.errors import Reason
from indexer.features.kept_features import KeptFeatures
from indexer.pictures.decoder import Decoder
from indexer.query.query import Query
from indexer.records.colours import samples
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PlaceId, UserId, ms_snowflake
from indexer.records.messages import NO_FLAGS, Channel, ChannelKind, Guild, Message, PictureRef, PlaceFlag, Source
from indexer.records.picture_texts import TextKind
from indexer.records.pictures import DecodedPicture, PixelSpec
from indexer.search.candidate_features import CandidateFeatures
from indexer.search.dual_reranker import DualReranker
from indexer.search.rerank import Rerank
from indexer.search.search import Searcher
from indexer.search.second_model import SecondModel
from indexer.settings import IndexSettings, RerankSettings, SearchSettings, Settings
from indexer.store import (
    channels,
    embeddings,
    guilds,
    messages,
    opt_outs,
    picture_texts,
    pictures,
    place_lookup,
    places,
    spans,
    tags,
)
from indexer.supervisor import Faults
from indexer.vectors.index import VectorIndex
from tests.worlds.library import ConceptEncoder, decoded
from tests.worlds.migrated import migrated
from tests.worlds.second_stage import OrderedEncoder, png_of
from tests.worlds.waiting import DEADLINE_S

GUILD, ELSEWHERE = GuildId(100), GuildId(110)
MEMES, PETS, THREAD = ChannelId(201), ChannelId(202), ChannelId(204)
SECRET, PRIVATE, THEIRS = ChannelId(203), ChannelId(205), ChannelId(210)
VISIBLE = frozenset({MEMES, PETS, THREAD})
HIDDEN = (SECRET, PRIVATE, THEIRS)
ASKER, ANNA, BEN, CARL, GONE = UserId(301), UserId(302), UserId(303), UserId(304), UserId(305)
NAMES = {ASKER: "asker", ANNA: "anna", BEN: "ben", CARL: "carl", GONE: "gone"}
START_MS, DAY_MS = 1_700_000_000_000, 86_400_000
NOW_MS = START_MS + 100 * DAY_MS

WORDS = (
    *("the", "and", "cat", "dog", "rain", "castle", "rocket", "birthday", "party", "code", "is", "kafka", "k1", "k22"),
    *("Zeppelin", "Café", "IMG", "猫", "東京", "東京タワー", "猫と犬", "の", "日本語のテキスト"),
)
SHOWN = ("cat", "dog", "cat rain", "castle", "rocket night", "dog rain", "book", "tree sea", "cat sofa", "ship sea")
TAGS = ("kept", "funny", "rainy day")
FLAGS = (NO_FLAGS, NO_FLAGS, NO_FLAGS, PlaceFlag.SPOILER, PlaceFlag.ANIMATED, PlaceFlag.EMBEDDED)


@dataclass(frozen=True)
class Post:
    """A message. `fate` is the fate of its pictures: ready, waiting, or failed."""

    message: Message
    shown: tuple[DecodedPicture, ...]
    fate: str = "ready"


@dataclass(frozen=True)
class Delete:
    message_id: MessageId


@dataclass(frozen=True)
class Forget:
    author: UserId


@dataclass(frozen=True)
class Read:
    """A stretch of a channel's history is marked as read, or the channel as closed to the bot."""

    channel_id: ChannelId
    low: int
    high: int


@dataclass(frozen=True)
class Tag:
    """Whoever runs the bot gives a tag to the pictures of a message."""

    message_id: MessageId
    tag: str


@dataclass(frozen=True)
class Seal:
    everything: bool


@dataclass(frozen=True)
class Ask:
    """A question of another member, who may see other channels."""

    query: Query


Event = Post | Delete | Forget | Read | Tag | Seal | Ask


def text_of(picture: DecodedPicture) -> str:
    """The text that a reader would find in the picture, depending on its content alone.
    Half of the pictures have none.
    """
    rng = random.Random(picture.sha256)
    return sentence(rng, 5) if rng.random() < 0.5 else ""


@dataclass
class Twin:
    """One of the two worlds, open."""

    db: Database
    index: VectorIndex
    searcher: Searcher
    model_id: ModelId


def sentence(rng: random.Random, most: int = 8) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, most)))


def a_picture(rng: random.Random) -> DecodedPicture:
    picture = an_unpainted_picture(rng)
    red, green, blue = picture.sha256[:3]  # the same content has the same colours, wherever it is posted
    return replace(picture, colours=samples(np.array([(red, green, blue)], np.uint8)))


def an_unpainted_picture(rng: random.Random) -> DecodedPicture:
    what = rng.choice(SHOWN)
    if rng.random() < 0.4:
        return decoded(what)
    # The same subject in another file: its hash differs by a few bits, or by many.
    number = rng.randrange(4)
    bits = (0b1, 0b111, 0xFFFF_0000, 0xFF00_FF00_FF00)[number]
    return decoded(f"{what} #{number}", perceptual_hash=decoded(what).perceptual_hash ^ bits)


def a_post(
    rng: random.Random, number: int, channel: ChannelId, authors: Sequence[UserId], message_id: MessageId | None = None
) -> Post:
    """`number` makes the message's id different from all others; visible messages have even numbers."""
    if message_id is None:
        message_id = MessageId(ms_snowflake(START_MS + rng.randrange(90 * DAY_MS)) + number)
    shown = tuple(a_picture(rng) for _ in range(rng.choice((1, 1, 1, 2, 3))))
    link = f"https://cdn.example/{channel}/{message_id}"
    refs = tuple(
        PictureRef(
            ordinal,
            Source.ATTACHMENT,
            f"{link}/{ordinal}.png",
            f"{link}/{ordinal}.png?ex=1",
            file_name=rng.choice(("IMG_1.png", "cat.png", "kafka.jpg")),
            alt_text=sentence(rng, 2),
            flags=rng.choice(FLAGS),
        )
        for ordinal in range(len(shown))
    )
    author = rng.choice(authors)
    guild_id = ELSEWHERE if channel == THEIRS else GUILD
    fate = rng.choice(("ready",) * 8 + ("waiting", "failed"))
    message = Message(message_id, channel, guild_id, author, NAMES[author], sentence(rng), None, refs)
    return Post(message, shown, fate)


def visible_events(rng: random.Random) -> list[Event]:
    """The events that the member may see, with edits and deletions of their own."""
    events: list[Event] = []
    posted: list[Post] = []
    for number in range(rng.choice((0, 1, 6, 14, 18, 30))):
        channel = rng.choice((MEMES, MEMES, PETS, THREAD))
        post = a_post(rng, 2 * number, channel, (ASKER, ANNA, ANNA, BEN))
        posted.append(post)
        events.append(post)
        if rng.random() < 0.3:
            events.append(Tag(rng.choice(posted).message.id, rng.choice(TAGS)))
        if rng.random() < 0.1:
            before = rng.choice(posted)
            edited = replace(before.message, content=sentence(rng), edited_ms=START_MS + number)
            events.append(replace(before, message=edited))
        if rng.random() < 0.1:
            events.append(Delete(rng.choice(posted).message.id))
    for channel in VISIBLE:
        if rng.random() < 0.6:
            high = ms_snowflake(START_MS + rng.randrange(90 * DAY_MS))
            events.append(Read(channel, rng.choice((0, high // 2)), high))
    return events


def hidden_events(rng: random.Random) -> list[Event]:
    """The events that the member may not see: about as many as the visible ones."""
    events: list[Event] = []
    odd = iter(range(1, 1_000, 2))
    for _ in range(rng.choice((0, 3, 12, 30))):
        chosen = rng.random()
        if chosen < 0.6:
            post = a_post(rng, next(odd), rng.choice(HIDDEN), (ANNA, BEN, CARL))
            events += [post, Delete(post.message.id)] if rng.random() < 0.1 else [post]
            if rng.random() < 0.5:
                events.append(Tag(post.message.id, rng.choice(TAGS)))
        elif chosen < 0.7:  # in a visible channel, and deleted before anybody asks
            post = a_post(rng, next(odd), rng.choice((MEMES, PETS)), (CARL,))
            events += [post, Delete(post.message.id)]
        elif chosen < 0.8:
            events += [a_post(rng, next(odd), MEMES, (GONE,)), Forget(GONE)]
        elif chosen < 0.85:
            events.append(Read(rng.choice(HIDDEN), 0, ms_snowflake(START_MS + rng.randrange(90 * DAY_MS))))
        elif chosen < 0.93:
            events.append(Seal(rng.random() < 0.3))
        else:
            everything = VISIBLE | {SECRET, PRIVATE}
            seen = rng.choice((VISIBLE, everything, frozenset({SECRET})))
            query = Query(GUILD, Filter(seen), words=sentence(rng, 3) or "cat", visible=seen, asker=BEN)
            events.append(Ask(query))
    return events


def interleaved(rng: random.Random, visible: Sequence[Event], hidden: Sequence[Event]) -> list[Event]:
    """Both lists mixed; each keeps its own order."""
    turns = [False] * len(visible) + [True] * len(hidden)
    rng.shuffle(turns)
    first, second = iter(visible), iter(hidden)
    return [next(second) if turn else next(first) for turn in turns]


@asynccontextmanager
async def open_twin(
    folder: Path, events: Sequence[Event], engine: str, readers: Decoder | None = None
) -> AsyncIterator[Twin]:
    """A world in which all these events have happened, in this order.
    `folder` contains a schema already, or is empty. With `readers` a second model orders what is found.
    """
    encoder = ConceptEncoder()
    async with open_database(migrated(folder)) as db:
        index = VectorIndex(db.path, folder / "segments", IndexSettings(engine=engine))
        try:
            async with db.transaction() as tx:
                await _places_to_be(tx)
                model_id = await embeddings.model_id(tx, encoder.spec)
            second = None if readers is None else _second_stage(db, readers)
            searcher = Searcher(db, index, encoder, model_id, SearchSettings(), None, second)
            twin = Twin(db, index, searcher, model_id)
            for stretch in _stretches(events):
                await _happen(twin, encoder, stretch)
            yield twin
        finally:
            index.close()


class SomeFiles:
    """Of a third of the pictures a file is on this machine, of another third only Discord has one."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def nearby(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        return await self._file(place_id, (0,))

    async def file(self, guild_id: GuildId, place_id: PlaceId, least_px: int) -> bytes | None:
        return await self._file(place_id, (0, 1))

    async def _file(self, place_id: PlaceId, thirds: Sequence[int]) -> bytes | None:
        async with self._db.reader() as connection:
            ((sha256,),) = await connection.execute_fetchall(
                "SELECT sha256 FROM places JOIN pictures USING (picture_id) WHERE place_id = ?", (place_id,)
            )
        return png_of(" ".join(WORDS[byte % len(WORDS)] for byte in sha256[:3])) if sha256[0] % 3 in thirds else None


def _second_stage(db: Database, readers: Decoder) -> Rerank:
    """Each question may download one small copy, so that it shows which pictures were seen before."""

    @asynccontextmanager
    async def model() -> AsyncIterator[DualReranker]:
        yield DualReranker(OrderedEncoder())

    @asynccontextmanager
    async def shared(_: PixelSpec) -> AsyncIterator[Decoder]:
        yield readers

    settings = RerankSettings(kind="open_clip", fusion="replace", budget_s=DEADLINE_S, downloads=1)
    kept = KeptFeatures(db, Settings(data_dir=db.path.parent, rerank=settings))
    files = SomeFiles(db)
    faults = Faults()
    second = SecondModel(model, shared, 1.0, faults)
    return Rerank(db, settings, second, CandidateFeatures(kept, lambda _: files), faults)


async def _places_to_be(tx: aiosqlite.Connection) -> None:
    await guilds.upsert(tx, Guild(GUILD, "here"))
    await guilds.upsert(tx, Guild(ELSEWHERE, "elsewhere"))
    kinds = {THREAD: (ChannelKind.PUBLIC_THREAD, MEMES), PRIVATE: (ChannelKind.PRIVATE_THREAD, MEMES)}
    for channel in (*sorted(VISIBLE), *HIDDEN):
        kind, parent = kinds.get(channel, (ChannelKind.TEXT, None))
        guild_id = ELSEWHERE if channel == THEIRS else GUILD
        await channels.upsert(tx, [Channel(channel, guild_id, kind, f"channel-{channel}", parent)])


def _stretches(events: Sequence[Event]) -> list[list[Event]]:
    """The events that one transaction can store together."""
    found: list[list[Event]] = [[]]
    for event in events:
        if isinstance(event, Seal | Ask):
            found += [[event], []]
        else:
            found[-1].append(event)
    return [stretch for stretch in found if stretch]


async def _happen(twin: Twin, encoder: ConceptEncoder, stretch: Sequence[Event]) -> None:
    match stretch[0]:
        case Seal(everything):
            seal: Callable[[Database], Awaitable[None]] = twin.index.compact if everything else twin.index.maintain
            await seal(twin.db)
            return
        case Ask(query):
            await twin.searcher.search(query)
            return
    async with twin.db.transaction() as tx:
        for event in stretch:
            match event:
                case Post():
                    await _post(tx, twin.model_id, encoder, event)
                case Delete(message_id):
                    await messages.delete(tx, [message_id])
                case Forget(author):
                    await opt_outs.add(tx, author, GUILD)
                    await messages.delete_some(tx, 10_000, author_id=author, guild_id=GUILD)
                case Tag(message_id, tag):
                    shown = await place_lookup.named(tx, "message_id", [message_id])
                    await tags.add(tx, [place_id for _, place_id, _ in shown], [tag])
                case Read(channel_id, low, high):
                    await spans.cover(tx, channel_id, low, high)


async def _post(tx: aiosqlite.Connection, model_id: ModelId, encoder: ConceptEncoder, post: Post) -> None:
    seen_ms = post.message.edited_ms or 0
    stored = await messages.store(tx, [post.message], keep="pictures", seen_ms=seen_ms)
    for place, picture in zip(stored.new_places, post.shown, strict=bool(stored.new_places)):
        if post.fate == "failed":
            await places.failed(tx, place.id, Reason.GONE)
        if post.fate != "ready":
            continue
        picture_id = await pictures.add(tx, picture)
        await places.attach(tx, place.id, picture_id)
        await picture_texts.put(tx, picture_id, TextKind.OCR, text_of(picture))
        if picture.sha256[0] % 2:
            await picture_texts.put(tx, picture_id, TextKind.CAPTION, f"a picture that says {text_of(picture)}")
        await embeddings.add(tx, model_id, [(picture_id, (await encoder.encode_pixels(picture.frames))[0])])
