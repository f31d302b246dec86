"""What members have saved to ask again."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.records.hits import Place
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PlaceId, UserId
from indexer.records.pictures import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class AskedPicture:
    """What is kept of a picture that somebody asked with: `vector` ([d], unit length) by this model, and two hashes.

    `sha256` is of the uploaded file; `perceptual_hash` is 64 bits, 0 where it says nothing. `model_id` is None where
    nothing is known of the model any more.
    """

    sha256: bytes
    perceptual_hash: int
    model_id: ModelId | None
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Notice:
    """How the member of a saved search is told of new pictures: in messages with an id beyond `after_id`.

    `language` is a language of the texts. `channel_id`: where they may be mentioned, if they take no direct messages.
    """

    after_id: MessageId
    language: str
    channel_id: ChannelId | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SavedSearch:
    """`question` is a text as /similar takes it, `created_ms` when it was saved (Unix milliseconds).

    `notice`: None where its member is not told of anything.
    """

    guild_id: GuildId
    name: str
    question: str
    created_ms: int
    picture: AskedPicture | None = None
    notice: Notice | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Telling:
    """A saved search whose member is told of new pictures, and the new places that fit it, or may fit it.

    `told_ms`: when they were told last (Unix milliseconds; 0: never). `said` are those of `places` where message and
    picture together say all words of the question.
    """

    saved_id: int
    user_id: UserId
    search: SavedSearch
    notice: Notice
    told_ms: int
    places: tuple[Place, ...] = ()
    said: frozenset[PlaceId] = frozenset()
