"""What a search asks with and what it answers: filter, candidates, hits."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from indexer.records.colours import Colour
from indexer.records.copies import Copy
from indexer.records.exif import ExifFilter
from indexer.records.ids import (
    ChannelId,
    GuildId,
    MessageId,
    PictureId,
    PlaceId,
    UserId,
    first_message_at,
    snowflake_ms,
)
from indexer.records.messages import NO_FLAGS, PlaceFlag, Source

NO_END = 2**63 - 1  # no message has this id or a larger one


@dataclass(frozen=True, slots=True)
class Filter:
    """Which places may be hits. `channels` is always explicit: the channels that the asking member may read.

    Times are Unix milliseconds: after_ms ≤ time < before_ms. A place matches when it has all flags of `require` and
    none of `exclude`. `not_authors` are members who want to be forgotten and whose messages are not all deleted yet.
    `exif` is what the files of a collection must say; no other picture passes it. A place must have all of `tags` and
    none of `not_tags`, and its picture must show all of `colours`. `text`: words were read in the picture (True), or
    none were (False); None: either.
    """

    channels: frozenset[ChannelId]
    authors: frozenset[UserId] | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    require: PlaceFlag = NO_FLAGS
    exclude: PlaceFlag = NO_FLAGS
    not_message: MessageId | None = None
    not_authors: frozenset[UserId] = frozenset()
    exif: ExifFilter | None = None
    tags: frozenset[str] = frozenset()
    not_tags: frozenset[str] = frozenset()
    colours: tuple[Colour, ...] = ()
    text: bool | None = None

    @property
    def message_ids(self) -> tuple[int, int]:
        """The times as message ids: low ≤ id < high."""
        low = 0 if self.after_ms is None else first_message_at(self.after_ms, self.channels)
        high = NO_END if self.before_ms is None else min(first_message_at(self.before_ms, self.channels), NO_END)
        return low, high


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a picture is shown. Orders by message, so `max()` is the newest."""

    message_id: MessageId
    place_id: PlaceId
    channel_id: ChannelId
    author_id: UserId
    flags: PlaceFlag = NO_FLAGS


@dataclass(frozen=True, slots=True)
class Candidate:
    """One picture that the index found: its cosine and every place of it inside the filter, newest first.

    Candidates are in the order of descending `score`, then newest message first, then as the message shows them.
    """

    picture_id: PictureId
    score: float
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class PlaceDetail:
    """Everything that a hit shows of a place. `width` and `height` are those of the posted file (pixels), 0 if unknown.

    `path`: where an archive has the file, empty where there is only the link. `tags`: of this place, in the order of
    the alphabet.
    """

    source: Source
    flags: PlaceFlag
    place_id: PlaceId
    picture_id: PictureId | None
    guild_id: GuildId
    channel_id: ChannelId
    message_id: MessageId
    author_id: UserId
    author_name: str
    content: str
    link: str
    file_name: str
    alt_text: str
    width: int
    height: int
    path: str = ""
    tags: tuple[str, ...] = ()


class Band(StrEnum):
    """How close a hit is, in words, closest first. Bands are measured on the guild's own pictures.

    SAID: the message contains the words of the query, but the picture alone is not close enough. LISTED: only filters
    found the hit; nothing was compared, so its score has no meaning.
    """

    SAME = "same-picture"
    EDITED = "edited-copy"
    VERY_SIMILAR = "very-similar"
    RELATED = "related"
    SAID = "said"
    FAR = "far"
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class Parts:
    """The values that decided a hit's rank. Ranks count from 1. None: that part of the search did not find the hit."""

    cosine: float | None = None
    vector_rank: int | None = None
    bm25: float | None = None
    words_rank: int | None = None
    hash_distance: int | None = None  # differing bits of 64 between the perceptual hashes
    standing: float | None = None  # standard deviations above what this query scores on a picture taken at random
    copy: float | None = None  # how likely it is a copy, from cosine and hash; 1 and above: certainly
    pixels: Literal["copy", "another", "unknown"] | None = None  # what comparing them gave; unknown: they were not had
    colour: float | None = None  # share of the picture that has the asked colour, 0–1; of several the smallest
    picture_bm25: float | None = None  # of `bm25`, what words that stand in the picture itself add; None: nothing
    caption_bm25: float | None = None  # the same of its caption, which a model has made
    first_rank: int | None = None  # before the second model ordered, of what it was to look at
    second: float | None = None  # its score; several parts of a question: their calibrated sum
    second_rank: int | None = None  # by that score alone
    seen: Literal["scored", "unseen"] | None = None  # unseen: the picture was not to be had in time


class Floor(StrEnum):
    """Which way of searching answered."""

    INDEX = "index"  # mapped segments and memtable
    DIRECT = "direct"  # scan of the embeddings in SQLite
    LIVE = "live"  # newest messages, embedded while the member waits


class RerankOutcome(StrEnum):
    """What became of the second stage. After all but DONE and PARTLY the order is the first stage's."""

    DONE = "done"
    PARTLY = "partly"  # some candidates could not be had, or not in time
    UNSEEN = "unseen"  # none could
    LOADING = "loading"  # the second model is being loaded
    WEIGHTS = "weights"  # its weights are not there
    MEMORY = "memory"  # it had no memory for a single picture
    DEADLINE = "deadline"  # it scored nothing in time
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reranked:
    """`candidates` were to be scored by the second model (its name is `model`, empty before it was loaded), `scored`
    were."""

    model: str
    outcome: RerankOutcome
    candidates: int
    scored: int

    @property
    def fell_back(self) -> bool:
        """Whether the order is the first stage's."""
        return self.outcome not in (RerankOutcome.DONE, RerankOutcome.PARTLY)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: a picture and the message that fits the query best (the newest one, or the one whose words match).

    `other_places` are the other places of the same picture that the filter allows, newest first. `copies` are the
    places of edited copies, by the rule of /duplicates. `copied`: by its pixels it is the picture that was asked with,
    and this was done to one of the two; None: that was not found, or not looked for. `path` is where an archive has the
    file; empty if none has it. `tags` are those of `place` alone. `at_ms`: when the frame of an animation is shown that
    is nearest to the question (milliseconds from its start); None for pictures that were embedded by one frame.
    """

    picture_id: PictureId
    score: float
    place: Place
    link: str
    source: Source
    file_name: str
    alt_text: str
    excerpt: str
    author_name: str
    width: int
    height: int
    other_places: tuple[Place, ...] = ()
    copies: tuple[Place, ...] = ()
    band: Band = Band.RELATED
    path: str = ""
    tags: tuple[str, ...] = ()
    parts: Parts = field(default_factory=Parts)
    copied: Copy | None = None
    at_ms: int | None = None

    @property
    def first_place(self) -> Place:
        """The first place of the picture or of a copy of it, among those that the filter allows."""
        return min((self.place, *self.other_places, *self.copies))

    @property
    def times(self) -> int:
        """How many messages show the picture or a copy of it."""
        return len({place.message_id for place in (self.place, *self.other_places, *self.copies)})

    @property
    def created_ms(self) -> int:
        return snowflake_ms(self.place.message_id)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits of one query, best first. `searched` counts the places inside the filter. `floor` answered the query.

    `coming`: pictures are still being compared with the one that was asked with; a moment later the same search may say
    that one of them is a copy. `reranked`: what the second model did; None: there is none, or nothing to order.
    """

    hits: tuple[Hit, ...]
    searched: int
    floor: Floor
    stage_ms: dict[str, float] = field(default_factory=dict)
    coming: bool = False
    reranked: Reranked | None = None
