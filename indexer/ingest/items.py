"""The records that the pipeline's stages pass on."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.ingest.fair_queue import Lane
from indexer.progress import Progress
from indexer.records.ids import ChannelId, GuildId, MessageId, OriginId, PlaceId
from indexer.records.messages import PictureRef
from indexer.records.pictures import DecodedPicture, Vectors
from indexer.store.message_pictures import NewPlace

# Ranks of the lanes: pictures that were posted just now are served before the backlog.
LIVE, BACKLOG = 0, 1


@dataclass(frozen=True, slots=True)
class Item:
    """A place whose picture is to be fetched, with a link that its origin gave when the item was made.

    `attempts` counts its failures so far. `progress` is that of the run which made the item, None where no run did.
    """

    place_id: PlaceId
    guild_id: GuildId
    channel_id: ChannelId
    message_id: MessageId
    origin_id: OriginId
    ref: PictureRef
    lane: Lane
    attempts: int = 0
    progress: Progress | None = None

    @classmethod
    def of(cls, place: NewPlace, origin_id: OriginId, lane: Lane, progress: Progress) -> Item:
        message = place.message
        return cls(
            place.id, message.guild_id, message.channel_id, message.id, origin_id, place.ref, lane, progress=progress
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded picture on its way to the encoder. `content` also collects the places of the same bytes.

    `thumbnail` is a WebP; empty where none is kept. `vectors` of one that was embedded where it was opened; else None.
    """

    content: Content
    picture: DecodedPicture
    thumbnail: bytes = b""
    vectors: Vectors | None = None


@dataclass(slots=True)
class Content:
    """Downloaded bytes, identified by their SHA-256, and every item whose picture has these bytes."""

    sha256: bytes
    items: list[Item] = field(default_factory=list)
