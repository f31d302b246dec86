"""Does it pay to search what pictures show and what messages say together? On the demo guild's labelled questions.

Three kinds of question, in equal parts: one thing that is drawn in some pictures; two things drawn in one picture;
words that a message or a file name says and no picture shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.report import Report
from bot.history.message_parser import parse_message
from indexer.database.database import Database, open_database
from indexer.encode.encoder import open_encoder
from indexer.errors import Rejected
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.ports import Encoder
from indexer.query.query import Query
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, ModelId, PlaceId
from indexer.records.messages import Channel, ChannelKind, Guild
from indexer.records.pictures import DecodedPicture
from indexer.search.search import Searcher
from indexer.settings import IndexSettings, ModelSettings, SearchSettings
from indexer.store import channels, embeddings, guilds, messages, pictures, places
from indexer.text import text_search
from indexer.vectors.index import VectorIndex
from sandbox.demo import texts
from sandbox.demo.world import DemoWorld, build
from sandbox.drawing.concepts import ConceptId
from sandbox.drawing.scene import concept_ids
from sandbox.links import Links
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS
from sandbox.wire.messages import message as wire
from sandbox.world import Message

EACH = 120  # questions of a kind
TOP = 10


@dataclass(frozen=True, slots=True)
class Question:
    """`relevant` are the places that answer it."""

    words: str
    relevant: frozenset[PlaceId]


@dataclass(frozen=True, slots=True)
class Post:
    """A stored picture: what it shows (concept ids) and what its message says."""

    place_id: PlaceId
    shows: frozenset[ConceptId]
    says: str
    file_name: str


async def measure(report: Report, weights: Path = WEIGHTS) -> None:
    """Adds recall@10 and MRR of both together, of vectors alone and of words alone."""
    demo = build()
    with tempfile.TemporaryDirectory(prefix="bench-hybrid-") as folder:
        settings = ModelSettings(
            NAME, str(weights), config_file=CONFIG, resize_mode=RESIZE_MODE, device="cpu", precision="float32"
        )
        async with open_encoder(settings) as encoder, open_database(Path(folder)) as db:
            async with db.transaction() as tx:
                model_id = await embeddings.model_id(tx, encoder.spec)
            posts = await _fill(db, model_id, encoder, demo)
            asked = list(_questions(posts))
            index = VectorIndex(db.path, Path(folder) / "segments", IndexSettings())
            try:
                await _compare(report, db, index, encoder, model_id, demo, asked)
            finally:
                index.close()


async def _compare(
    report: Report,
    db: Database,
    index: VectorIndex,
    encoder: Encoder,
    model_id: ModelId,
    demo: DemoWorld,
    asked: list[Question],
) -> None:
    guild_id = GuildId(demo.guild.id)
    async with db.reader() as connection:
        everywhere = Filter(frozenset(channel.id for channel in await channels.of_guild(connection, guild_id)))
    found: dict[str, list[list[PlaceId]]] = {"hybrid": [], "vectors alone": [], "words alone": []}
    for name, settings in (("hybrid", SearchSettings()), ("vectors alone", SearchSettings(words_weight=0.0))):
        searcher = Searcher(db, index, encoder, model_id, settings)
        for question in asked:
            result = await searcher.search(Query(guild_id, everywhere, words=question.words, count=TOP))
            found[name].append([hit.place.place_id for hit in result.hits])
    for question in asked:
        async with db.reader() as connection:
            hits = await text_search.ranked(connection, guild_id, question.words, everywhere, TOP)
        found["words alone"].append([hit.place.place_id for hit in hits])
    report.row("labelled questions on the demo guild", len(asked), "")
    scores = {name: _scores(asked, lists) for name, lists in found.items()}
    for number, what in enumerate((f"recall@{TOP}", "MRR")):
        best = max(scores[name][number] for name in ("vectors alone", "words alone"))
        for name, values in scores.items():
            goal = "≥ each alone" if name == "hybrid" else ""
            report.row(f"{name}: {what}", values[number], "share", goal, values[number] >= best if goal else None)


def _scores(asked: list[Question], lists: list[list[PlaceId]]) -> tuple[float, float]:
    recalls, firsts = [], []
    for question, found in zip(asked, lists, strict=True):
        right = [place_id in question.relevant for place_id in found[:TOP]]
        recalls.append(sum(right) / min(TOP, len(question.relevant)))
        firsts.append(1 / (right.index(True) + 1) if any(right) else 0.0)
    return float(np.mean(recalls)), float(np.mean(firsts))


def _questions(posts: list[Post]) -> Iterator[Question]:
    rng = Random(11)

    def question(asked: str, fits: list[Post]) -> Question:
        return Question(asked, frozenset(post.place_id for post in fits))

    shown = sorted(set().union(*(post.shows for post in posts)))
    for concept in rng.sample(shown, min(EACH, len(shown))):
        yield question(concept, [post for post in posts if concept in post.shows])
    pairs = sorted({tuple(sorted(post.shows)[:2]) for post in posts if len(post.shows) >= 2})
    for pair in rng.sample(pairs, min(EACH, len(pairs))):
        yield question(" and ".join(pair), [post for post in posts if post.shows >= set(pair)])
    plain = sorted({post.says for post in posts} & set(texts.PLAIN) - {""})
    names = sorted({post.file_name for post in posts if any(sign.isdigit() for sign in post.file_name)})
    for said in plain:
        yield question(said, [post for post in posts if post.says == said])
    for name in rng.sample(names, min(EACH - len(plain), len(names))):
        yield question(name, [post for post in posts if post.file_name == name])


async def _fill(db: Database, model_id: ModelId, encoder: Encoder, demo: DemoWorld) -> list[Post]:
    """Stores every attached picture of the demo guild through the bot's own parser and decoder."""
    guild_id = GuildId(demo.guild.id)
    links = Links("https://cdn.discordapp.com", b"bench", demo.world.clock.now_ms, 86_400.0)
    rooms = {message.channel for message in _messages(demo)}
    async with db.transaction() as tx:
        await guilds.upsert(tx, Guild(guild_id, demo.guild.name))
        kept = [Channel(ChannelId(room.id), guild_id, ChannelKind.TEXT, room.name) for room in rooms]
        await channels.upsert(tx, kept)
    posts = []
    for shown in _messages(demo):
        message = parse_message(wire(shown, links), guild_id)
        files = [attachment.file for attachment in shown.attachments]
        decoded: list[DecodedPicture] = []
        try:
            decoded = [decode_picture(file.data, encoder.pixel_spec, Limits(100_000_000)) for file in files]
        except Rejected:
            continue
        if len(decoded) != len(message.pictures) or len(decoded) != len(demo.posted[shown.id]):
            continue
        vectors = await encoder.encode_pixels([picture.frames[0] for picture in decoded])
        async with db.transaction() as tx:
            stored = await messages.store(tx, [message], keep="pictures", seen_ms=0)
            for number, place in enumerate(stored.new_places):
                picture_id = await pictures.add(tx, decoded[number])
                await places.attach(tx, place.id, picture_id)
                await embeddings.add(tx, model_id, [(picture_id, vectors[number])])
                drawn = demo.posted[shown.id][number]
                name = message.pictures[number].file_name
                posts.append(Post(place.id, frozenset(concept_ids(drawn.scene)), message.content, name))
    return posts


def _messages(demo: DemoWorld) -> Iterator[Message]:
    for channel in (*demo.guild.channels.values(), *demo.guild.threads.values()):
        for message in channel.messages():
            if message.id in demo.posted:
                yield message
