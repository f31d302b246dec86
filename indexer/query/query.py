"""What a search asks for, ready to run: pictures and words are given, names are ids, the channels are explicit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from indexer.query.grammar import Wish
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, ModelId, PictureId, PlaceId, UserId
from indexer.records.pictures import DecodedPicture, Pixels, Vectors


class Retrieval(StrEnum):
    """What gives the candidates: people ask both indexes, and the pictures' hashes beside them. What each index finds
    alone, without the hashes, is for measurements."""

    HYBRID = "hybrid"
    VECTORS = "vectors"
    WORDS = "words"


class Stages(StrEnum):
    """Whether the second model orders what was found: as configured, which is what people get.

    FIRST is without it: where nobody looks at the order, and for measurements. BOTH and SECOND, with it and by it
    alone, are for measurements; what was made for questions of others serves them, too.
    """

    CONFIGURED = "configured"
    FIRST = "first"
    BOTH = "both"
    SECOND = "second"


# Weight of the pictures against the words where a query has both: 0 = words only, 1 = pictures only.
BALANCED = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One search. `frames`, `vectors`, `like` and `words` say what to look for; without any, what passes the filter is
    listed, newest first.

    `frames` are pictures as the encoder takes them, `vectors` such pictures already embedded ([d], unit length).
    `crops` are the vectors of their center crops: nothing is searched with them, they tell copies from other pictures.
    `thumbnails` are small copies of the whole pictures that were asked with, as pixels, and `small_copies` the same as
    WebP, once the query is prepared: they are compared with what is found. `shown_at` are places of pictures of `like`,
    where a small copy of them can be had instead.
    `like` are pictures of the index; `not_pictures` are never hits. `digests` (SHA-256) and `hashes` (64-bit
    perceptual) name the pictures that were asked with, so that the very same picture can be told from a similar one.
    `visible` are all channels that the asker may see (None: those of the filter): what is far off is measured on their
    pictures. `asker` is whose question it is: nobody else's answer is remembered for it.
    `model_id` is the model that embedded `vectors` and `crops`; None: none did yet.
    `by` says which index gives the candidates, `stages` whether a second model orders them.
    `without` are words for what must not be in the picture or its text; `phrases` must stand in the message's text,
    file name or alt text. `min_score` is a cosine; `diversity` goes from 0 (closest first) to 1 (as different from each
    other as can be).
    """

    guild_id: GuildId
    filter: Filter
    frames: tuple[Pixels, ...] = ()
    words: str = ""
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    vectors: tuple[Vectors, ...] = ()
    crops: tuple[Vectors, ...] = ()
    like: tuple[PictureId, ...] = ()
    not_pictures: frozenset[PictureId] = frozenset()
    digests: frozenset[bytes] = frozenset()
    hashes: tuple[int, ...] = ()
    thumbnails: tuple[Pixels, ...] = ()
    small_copies: tuple[bytes, ...] = ()
    shown_at: tuple[PlaceId, ...] = ()
    count: int = 5
    min_score: float | None = None
    diversity: float = 0.0
    picture_weight: float = BALANCED
    model_id: ModelId | None = None
    visible: frozenset[ChannelId] | None = None
    asker: UserId | None = None
    by: Retrieval = Retrieval.HYBRID
    stages: Stages = Stages.CONFIGURED

    @classmethod
    def for_pictures(
        cls, guild_id: GuildId, filter: Filter, pictures: tuple[DecodedPicture, ...], words: str = "", count: int = 5
    ) -> Query:
        """A query with uploaded pictures, each by its representative frame."""
        return cls(
            guild_id,
            filter,
            frames=tuple(picture.frames[0] for picture in pictures),
            words=words,
            digests=frozenset(picture.sha256 for picture in pictures),
            hashes=tuple(picture.perceptual_hash for picture in pictures),
            thumbnails=tuple(picture.thumbnail for picture in pictures if picture.thumbnail is not None),
            count=count,
        )

    def asked_by(self, wish: Wish) -> Query:
        """The same query with everything of `wish` that does not name channels, authors or times."""
        return replace(
            self,
            words=wish.words,
            phrases=wish.phrases,
            without=wish.without,
            min_score=wish.min_score,
            picture_weight=self.picture_weight if wish.weight is None else wish.weight,
            diversity=self.diversity if wish.diversity is None else wish.diversity,
        )

    @property
    def has_pictures(self) -> bool:
        return bool(self.frames or self.vectors or self.like)

    @property
    def has_words(self) -> bool:
        return bool(self.words.strip() or self.phrases)

    @property
    def filters_only(self) -> bool:
        """Whether nothing is looked for: no picture, no words, and nothing that must not be in them."""
        return not (self.has_pictures or self.has_words or self.without)

    @property
    def seen(self) -> frozenset[ChannelId]:
        """All channels that the asker may see."""
        return self.filter.channels if self.visible is None else self.visible

    def within(self, filter: Filter, visible: frozenset[ChannelId]) -> Query:
        """The same question under another filter, of someone who may see `visible`."""
        return replace(self, filter=filter, visible=visible)

    def fingerprint(self) -> bytes:
        """32 bytes that are equal for equal questions, and (by SHA-256) for no others."""
        digest = hashlib.sha256()
        scope = self.filter
        plain = (
            self.guild_id,
            sorted(scope.channels),
            None if scope.authors is None else sorted(scope.authors),
            sorted(scope.not_authors),
            (scope.after_ms, scope.before_ms, int(scope.require), int(scope.exclude), scope.not_message, scope.exif),
            (sorted(scope.tags), sorted(scope.not_tags), scope.colours, scope.text),
            (self.words, self.phrases, self.without, self.like, sorted(self.digests), self.hashes),
            sorted(self.not_pictures),
            (self.count, self.min_score, self.diversity, self.picture_weight),
            (sorted(self.seen), self.asker, self.by.value, self.stages.value),
            [frame.shape for frame in self.frames],
            (len(self.vectors), len(self.crops)),
            (len(self.thumbnails) + len(self.small_copies), self.shown_at),
        )
        digest.update(repr(plain).encode())
        for array in (*self.frames, *self.vectors, *self.crops):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.digest()
