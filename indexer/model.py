"""Identities and frozen records: what passes between the indexer's rooms.

A *picture* is content (its bytes, known by their SHA-256). A *place* is where a picture is shown: one attachment,
embed image or forwarded file of one message. One picture has as many places as it was posted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

GuildId = NewType("GuildId", int)
ChannelId = NewType("ChannelId", int)  # also threads: to Discord a thread is a channel
MessageId = NewType("MessageId", int)
UserId = NewType("UserId", int)
PictureId = NewType("PictureId", int)  # rowid in `pictures`
PlaceId = NewType("PlaceId", int)  # rowid in `places`
ModelId = NewType("ModelId", int)  # rowid in `models`
JobId = NewType("JobId", int)
OriginId = NewType("OriginId", int)  # rowid in `origins`

DISCORD = OriginId(0)  # the origin of everything that came from Discord itself

EVERYWHERE = GuildId(0)  # means all guilds, in an opt-out

Pixels = npt.NDArray[np.uint8]  # [H, W, 3], RGB
Vectors = npt.NDArray[np.float32]  # [n, d] or [d], rows of unit length

# Discord's epoch, the first millisecond of 2015, in Unix milliseconds; a snowflake's upper 42 bits count from it.
DISCORD_EPOCH_MS = 1_420_070_400_000


def snowflake_ms(snowflake: int) -> int:
    """The Unix time in milliseconds at which `snowflake` was made."""
    return (snowflake >> 22) + DISCORD_EPOCH_MS


def ms_snowflake(unix_ms: int) -> int:
    """The smallest snowflake of that millisecond: 0 before Discord's epoch, SQLite's largest integer from 2084 on."""
    return min(max(unix_ms - DISCORD_EPOCH_MS, 0) << 22, 2**63 - 1)


class ChannelKind(StrEnum):
    """What kind of channel it is. FORUM and MEDIA hold threads only, no messages of their own."""

    TEXT = "text"
    ANNOUNCEMENT = "announcement"
    VOICE = "voice"
    STAGE = "stage"
    FORUM = "forum"
    MEDIA = "media"
    PUBLIC_THREAD = "public-thread"
    PRIVATE_THREAD = "private-thread"
    ANNOUNCEMENT_THREAD = "announcement-thread"

    @property
    def holds_messages(self) -> bool:
        return self not in (ChannelKind.FORUM, ChannelKind.MEDIA)

    @property
    def is_thread(self) -> bool:
        return self in (
            ChannelKind.PUBLIC_THREAD,
            ChannelKind.PRIVATE_THREAD,
            ChannelKind.ANNOUNCEMENT_THREAD,
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """An archive that messages were read from. `kind` names its parser. `version` changes with its content.

    `media_folders` are more folders that may contain its saved files.
    """

    id: OriginId
    kind: str
    location: str
    version: str
    media_folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guild:
    id: GuildId
    name: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel or thread. `parent_id` is a thread's channel (categories are not stored).

    `origin_id` is the archive that showed it. It is DISCORD as soon as Discord has listed the channel.
    """

    id: ChannelId
    guild_id: GuildId
    kind: ChannelKind
    name: str
    parent_id: ChannelId | None = None
    age_restricted: bool = False
    archived: bool = False
    origin_id: OriginId = DISCORD


class Source(StrEnum):
    """Where in a message a picture is."""

    ATTACHMENT = "attachment"
    EMBED_IMAGE = "embed-image"
    EMBED_THUMBNAIL = "embed-thumbnail"
    EMBED_VIDEO = "embed-video"  # the poster of an embedded video
    VIDEO = "video"  # the poster of an attached video
    COMPONENT = "component"  # media gallery, section thumbnail, file
    STICKER = "sticker"


class PlaceFlag(IntFlag):
    """Properties of a place that a filter can ask for."""

    ANIMATED = 1
    SPOILER = 2
    FORWARDED = 4
    EMBEDDED = 8  # shown by an embed, not uploaded
    STICKER = 16
    VIDEO = 32


NO_FLAGS = PlaceFlag(0)


@dataclass(frozen=True, slots=True)
class PictureRef:
    """One picture as a message names it, not yet fetched.

    `link` is its identity: the URL without query. `url` is the signed URL to fetch now. `proxy_url` is the same file at
    Discord's media proxy. Sizes are those that Discord gives (bytes, pixels), or None. `path` is where the archive has
    the file, in a form that helps a person to find it; empty where there is only the link.
    """

    ordinal: int
    source: Source
    link: str
    url: str
    proxy_url: str | None = None
    file_name: str = ""
    alt_text: str = ""
    content_type: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    flags: PlaceFlag = NO_FLAGS
    path: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. Its id contains its time. `pictures` have distinct ordinals.

    `ignored`: it must not be stored (it is the bot's own, or another bot's where `crawl.bots` is false). If it is
    stored already, it is deleted. Such a message has no words and no pictures. `by_bot`: a bot or a webhook wrote it.
    """

    id: MessageId
    channel_id: ChannelId
    guild_id: GuildId
    author_id: UserId
    author_name: str
    content: str = ""
    edited_ms: int | None = None
    pictures: tuple[PictureRef, ...] = ()
    ignored: bool = False
    by_bot: bool = False

    @property
    def created_ms(self) -> int:
        return snowflake_ms(self.id)


class ResizeMode(StrEnum):
    """How a picture is fitted into the model's square input (open_clip's names)."""

    SHORTEST = "shortest"  # shortest side to size, centre crop
    SQUASH = "squash"  # both sides to size, aspect lost
    LONGEST = "longest"  # longest side to size, padded


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """The square uint8 RGB input that a model expects, before normalisation."""

    size: int
    resize_mode: ResizeMode = ResizeMode.SHORTEST
    interpolation: str = "bicubic"  # or "bilinear"
    fill: int = 0  # padding value for LONGEST, 0–255


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Identifies a model. Only embeddings of equal specs may be compared.

    `fingerprint` differs between weights that share a name. It is a hash of config and weights' identity, in lower-case
    hex.
    """

    name: str
    pretrained: str
    dimension: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """What the decode workers return for a file's bytes.

    `frames` holds one representative frame as [size, size, 3] uint8 (more where several frames are asked for).
    `perceptual_hash` is 64 bits of the whole picture.
    """

    sha256: bytes
    frames: tuple[Pixels, ...]
    width: int
    height: int
    format: str
    frame_count: int
    byte_count: int
    perceptual_hash: int

    @property
    def animated(self) -> bool:
        return self.frame_count > 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which places may be hits. `channels` is always explicit: the channels that the asking member may read.

    Times are Unix milliseconds: after_ms ≤ time < before_ms. A place matches when it has all flags of `require` and
    none of `exclude`. `not_authors` are members who want to be forgotten and whose messages are not all deleted yet.
    """

    channels: frozenset[ChannelId]
    authors: frozenset[UserId] | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    require: PlaceFlag = NO_FLAGS
    exclude: PlaceFlag = NO_FLAGS
    not_message: MessageId | None = None
    not_authors: frozenset[UserId] = frozenset()


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

    `path`: where an archive has the file, empty where there is only the link.
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


class Floor(StrEnum):
    """Which way of searching answered."""

    INDEX = "index"  # mapped segments and memtable
    DIRECT = "direct"  # scan of the embeddings in SQLite
    LIVE = "live"  # newest messages, embedded while the member waits


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: a picture and the message that fits the query best (the newest one, or the one whose words match).

    `other_places` are the other places of the same picture that the filter allows, newest first. `copies` are the
    places of edited copies, by the rule of /duplicates. `path` is where an archive has the file; empty if none has it.
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
    parts: Parts = field(default_factory=Parts)

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
    """The hits of one query, best first. `searched` counts the places inside the filter. `floor` answered the query."""

    hits: tuple[Hit, ...]
    searched: int
    floor: Floor
    stage_ms: dict[str, float] = field(default_factory=dict)
